"""Hot folders: what their file says, which images become jobs, and the sidecars these get."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from conftest import save_picture
from jobs import again, answered, configure, end, shown, tree
from scanning import drop, paths, settled

from nstd.entry import State
from nstd.spool import claim, hot, layout
from nstd.spool.decide import Do
from nstd.spool.intake import Intake

if TYPE_CHECKING:
    from collections.abc import Callable

    from clocks import Clock

    from nstd.spool.desk import Desk
    from nstd.spool.scan import Scanner

STYLE = "style: starry.png\npreset: draft\n"


def heat(folder: Path, text: str = STYLE) -> Path:
    """Make a hot folder with a style of its own; returns its file."""
    save_picture(folder / "starry.png", seed=5)
    (folder / "nstd.yaml").write_text(text)
    return folder / "nstd.yaml"


@pytest.fixture
def folder(inbox: Path) -> Path:
    """Make a hot folder within the inbox."""
    heat(inbox / "hot")
    return inbox / "hot"


def test_an_image_alone_is_found_when_it_has_settled(
    make_scanner: Callable[..., Scanner], folder: Path, clock: Clock
) -> None:
    """And only then; the folder's own style isn't one."""
    save_picture(folder / "a.jpg")
    scanner = make_scanner()
    first = scanner.scan()
    assert first.settling
    assert first.lone == ()
    clock.now += 2.0
    second = scanner.scan()
    assert second.lone == (Path("hot/a.jpg"),)
    assert not second.settling
    assert second.waiting == ()


def test_an_image_that_a_sidecar_asks_for_is_not_alone(
    make_scanner: Callable[..., Scanner], folder: Path, clock: Clock
) -> None:
    """Whether that is ready, waits, or is refused; in this folder or in one above it."""
    drop(folder, "ready", "style: ready.style.png\n")
    drop(folder, "wrong", "sise: 3\n")
    save_picture(folder / "b.jpg")
    (folder / "waits.yaml").write_text("content: b.jpg\nstyle: never.jpg\n")
    save_picture(folder / "c.jpg")
    (folder.parent / "above.yaml").write_text("content: hot/c.jpg\nstyle: hot/d.jpg\n")
    save_picture(folder / "d.jpg")
    found = settled(make_scanner(), clock)
    assert found.lone == ()
    assert len(found.ready) == 2
    assert len(found.rejected) == 1


def test_a_sidecar_that_is_not_read_yet_may_ask_for_any(
    make_scanner: Callable[..., Scanner], folder: Path, clock: Clock
) -> None:
    """So nothing is concluded before it is; one that never settles doesn't hold them for ever."""
    save_picture(folder / "a.jpg")
    scanner = make_scanner()
    for turn in range(40):
        (folder / "b.yaml").write_text(f"size: {turn + 64}\n")
        lone = scanner.scan().lone
        if lone:
            break
        clock.now += 1.9
    assert lone == (Path("hot/a.jpg"),)
    assert clock.now >= 60.0


def test_sidecars_inherit_from_their_folder_alone(
    make_scanner: Callable[..., Scanner], folder: Path, clock: Clock
) -> None:
    """Not from the one above; the folder's style is marked as its own."""
    save_picture(folder / "a.jpg")
    (folder / "a.yaml").write_text("size: 64\n")
    drop(folder / "below", "b", "size: 64\n")
    found = {str(one.path): one for one in settled(make_scanner(), clock).ready}
    mine, below = found["hot/a.yaml"], found["hot/below/b.yaml"]
    assert paths(mine) == ["hot/a.jpg", "hot/starry.png"]
    assert [source.stays for source in mine.sources] == [False, True]
    assert mine.sidecar is not None
    assert (mine.sidecar.params.preset, mine.sidecar.params.size) == ("draft", 64)
    assert below.sidecar is not None
    assert below.sidecar.params.preset == "quality"
    assert not any(source.stays for source in below.sources)


def test_a_folder_that_names_no_style_takes_each_images_own(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """`a.style.png` is the style of `a`, and no content; elsewhere it is an image like others."""
    for name, text in (("own", "preset: draft\n"), ("shared", STYLE)):
        heat(inbox / name, text)
        save_picture(inbox / name / "a.style.png", seed=1)
    found = settled(make_scanner(), clock)
    assert set(found.lone) == {Path("own/starry.png"), Path("shared/a.style.png")}


def test_a_file_that_is_changed_counts_from_its_next_settling(
    make_scanner: Callable[..., Scanner], folder: Path, clock: Clock
) -> None:
    """Sidecars that were read before are read again with it."""
    save_picture(folder / "a.jpg")
    (folder / "a.yaml").write_text("style: not-yet.png\n")
    scanner = make_scanner()
    settled(scanner, clock)
    heat(folder, STYLE + "size: 99\n")
    save_picture(folder / "not-yet.png", seed=3)
    assert not scanner.scan().ready
    clock.now += 2.0
    (candidate,) = scanner.scan().ready
    assert candidate.sidecar is not None
    assert candidate.sidecar.params.size == 99


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sise: 3\n", "sise: unknown key, did you mean 'size'?"),
        ("", "is empty"),
        ("x: " + "y" * 70_000, "larger than 65536 bytes"),
    ],
)
def test_a_file_that_can_not_be_used_keeps_its_folder_waiting(
    make_scanner: Callable[..., Scanner], folder: Path, clock: Clock, text: str, reason: str
) -> None:
    """Told by its name; sidecars and images stay, however long, and go on when it is mended."""
    (folder / "nstd.yaml").write_text(text)
    save_picture(folder / "a.jpg")
    drop(folder, "b", "style: b.style.png\n")
    scanner = make_scanner()
    for _ in range(2):
        found = settled(scanner, clock)
        assert (found.ready, found.rejected, found.lone) == ((), (), ())
        told = {str(one.path): one.reason for one in found.waiting}
        assert reason in told.pop("hot/nstd.yaml")
        assert told == {"hot/b.yaml": "waits for its folder's nstd.yaml"}
        assert not found.settling
        clock.now += 100.0
    heat(folder)
    mended = settled(scanner, clock)
    assert [str(one.path) for one in mended.ready] == ["hot/b.yaml"]
    assert mended.lone == (Path("hot/a.jpg"),)


def test_a_file_that_is_a_link_makes_no_hot_folder(
    make_scanner: Callable[..., Scanner], inbox: Path, tmp_path: Path, clock: Clock
) -> None:
    """22. It is told as what it is."""
    (tmp_path / "elsewhere.yaml").write_text(STYLE)
    (inbox / "nstd.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    save_picture(inbox / "a.jpg")
    found = settled(make_scanner(), clock)
    assert found.lone == ()
    assert found.oddities == ((Path("nstd.yaml"), "a symbolic link"),)


def test_the_library_serves_a_folder_too(
    make_scanner: Callable[..., Scanner], inbox: Path, tmp_path: Path, clock: Clock
) -> None:
    """A style that doesn't lie in it is looked for there, as for any sidecar."""
    save_picture(tmp_path / "library" / "wave.png", seed=2)
    (inbox / "nstd.yaml").write_text("style: wave.png\n")
    save_picture(inbox / "a.jpg")
    (inbox / "a.yaml").write_text("size: 64\n")
    scanner = make_scanner()
    scanner._config = scanner._config.model_copy(update={"styles": [tmp_path / "library"]})
    (candidate,) = settled(scanner, clock).ready
    assert candidate.sources[1].root == tmp_path / "library"
    assert candidate.sources[1].stays


@pytest.mark.parametrize(
    "name", ["a.jpg", "two words.PNG", "#: - {x.jpg", "caf\u00e9.webp", "a\nb.png", "1.5.png"]
)
def test_a_sidecar_names_its_image(desk: Desk, name: str) -> None:
    """Whatever that is called; it is read as any other."""
    save_picture(desk.inbox / "x.png").rename(desk.inbox / name)
    assert hot.order(desk, Path(name))
    (written,) = desk.inbox.glob("*.yaml")
    assert written.stem == Path(name).stem
    assert yaml.safe_load(written.read_text(encoding="utf-8")) == {"content": name}
    assert not layout.order(desk.config).exists()


def test_a_name_that_yaml_can_not_hold_is_the_sidecars_own(desk: Desk) -> None:
    """12. Not UTF-8: the sidecar says nothing, and finds it by its own name."""
    place = Path(os.fsdecode(b"caf\xe9.png"))
    save_picture(desk.inbox / "x.png").rename(desk.inbox / place)
    assert hot.order(desk, place)
    assert (desk.inbox / place.with_suffix(".yaml")).read_bytes() == b"{}\n"


def test_a_name_of_255_bytes_is_shortened(desk: Desk) -> None:
    """12. A sidecar's suffix is longer than an image's."""
    name = "x" * 251 + ".png"
    save_picture(desk.inbox / "x.png").rename(desk.inbox / name)
    assert hot.order(desk, Path(name))
    assert (desk.inbox / ("x" * 250 + ".yaml")).is_file()


def test_a_name_that_is_taken_is_not_written_over(desk: Desk) -> None:
    """Of `a.png` and `a.jpg` the second waits for the first's sidecar to be claimed."""
    (desk.inbox / "a.yaml").write_text("content: a.png\n")
    assert not hot.order(desk, Path("a.jpg"))
    assert (desk.inbox / "a.yaml").read_text() == "content: a.png\n"


def test_an_order_is_given_once(desk: Desk) -> None:
    """From drop to end: as long as a job has to see to the image, it gets no second sidecar."""
    heat(desk.inbox)
    save_picture(desk.inbox / "a.jpg")
    intake = Intake(desk)
    assert intake.scan().settling
    assert tree(desk.inbox) == {"nstd.yaml", "starry.png", "a.jpg", "a.yaml"}
    intake.scan()
    (entry,) = desk.ledger.unsettled(*State)
    for _ in range(2):
        found = intake.scan()
        assert (found.settling, found.incomplete) == (False, {})
        assert desk.ledger.unsettled(*State) == [entry]
    assert tree(desk.inbox) == {"nstd.yaml", "starry.png", "a.jpg"}
    entry = shown(desk, answered(desk, claim.copy(desk, entry)))
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.inbox) == {"nstd.yaml", "starry.png"}
    assert tree(desk.config.folder("done")) == {"a.jpg", "a.yaml"}


def test_a_new_version_of_an_image_is_a_new_job(desk: Desk) -> None:
    """14. While the old one's job is under way."""
    heat(desk.inbox)
    save_picture(desk.inbox / "a.jpg")
    intake = Intake(desk)
    intake.scan()
    intake.scan()
    (entry,) = desk.ledger.unsettled(*State)
    entry = claim.copy(desk, entry)
    save_picture(desk.inbox / "a.jpg", width=80, seed=7)
    intake.scan()
    intake.scan()
    old, new = desk.ledger.unsettled(*State)
    assert {old.job_id, new.job_id} > {entry.job_id}
    assert old.inputs[0].identity != new.inputs[0].identity


def test_nothing_is_kept_in_a_hot_folder(desk: Desk) -> None:
    """It would be a job again, for ever; what the folder owns is kept there all the same."""
    configure(desk, originals="keep")
    heat(desk.inbox)
    save_picture(desk.inbox / "a.jpg")
    intake = Intake(desk)
    intake.scan()
    intake.scan()
    (entry,) = desk.ledger.unsettled(*State)
    entry = shown(desk, answered(desk, claim.copy(desk, entry)))
    assert end(desk, entry) is Do.SETTLE
    assert again(desk, entry).state is State.RETIRED
    assert tree(desk.inbox) == {"nstd.yaml", "starry.png"}
    assert tree(desk.config.folder("done")) == {"a.jpg", "a.yaml"}


def test_a_folder_that_refuses_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """33. By the image, with what to do; the others go on."""
    heat(desk.inbox)
    heat(desk.inbox / "b")
    save_picture(desk.inbox / "a.jpg")
    save_picture(desk.inbox / "b" / "c.jpg")
    real = hot.files.place

    def refuse(temporary: Path, target: Path) -> None:
        if target.name == "a.yaml":
            raise PermissionError(13, "Permission denied")
        real(temporary, target)

    monkeypatch.setattr(hot.files, "place", refuse)
    found = Intake(desk).scan()
    (told,) = found.incomplete.items()
    assert told[0] == Path("a.jpg")
    assert "Permission denied" in told[1]
    assert "Let the service's user write" in told[1]
    assert (desk.inbox / "b" / "c.yaml").is_file()
