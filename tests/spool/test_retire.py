"""Where the user's own files end up."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from jobs import (
    FAILURE,
    PAIR,
    REASONS,
    again,
    configure,
    drop,
    end,
    failed,
    fates,
    other_disk,
    published,
    queued,
    scan,
    tree,
)

from nstd.entry import Fate, State
from nstd.errors import UntouchableError
from nstd.spool import claim, files, layout, renaming, retire, steps
from nstd.spool.decide import Do

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.spool.desk import Desk


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """Lend a folder on another file system."""
    for folder in other_disk(tmp_path):
        yield folder
        return
    pytest.skip("no second file system here")


def test_originals_go_to_done_with_their_folder(desk: Desk) -> None:
    """Sidecar and images are together again, under their own names; nothing of ours is left."""
    entry = published(desk, folder="deep/er")
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.config.folder("done")) == {f"deep/er/{name}" for name in PAIR}
    assert tree(desk.inbox) == set()
    assert list(layout.work(desk.config).iterdir()) == []
    assert list(layout.claimed(desk.config).iterdir()) == []
    assert list(layout.asides(desk.config).iterdir()) == []
    assert again(desk, entry).state is State.RETIRED
    assert again(desk, entry).settled


@pytest.mark.parametrize(
    ("policy", "inbox", "done"),
    [("keep", PAIR - {"a.yaml"}, {"a.yaml"}), ("delete", set(), set())],
)
def test_originals_may_be_kept_or_deleted(
    desk: Desk, policy: str, inbox: set[str], done: set[str]
) -> None:
    """The sidecar never stays: it would be a job again."""
    configure(desk, originals=policy)
    entry = published(desk)
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.inbox) == inbox
    assert tree(desk.config.folder("done")) == done


def test_an_image_that_another_job_wants_stays(desk: Desk) -> None:
    """23. Only the last job takes a shared image with it."""
    entry = published(desk)
    save_picture(desk.inbox / "b.jpg")
    (desk.inbox / "b.yaml").write_text("preset: draft\nstyle: a.style.png\n")
    other = claim.take(desk, claim.admit(desk, scan(desk)["b.yaml"]))
    assert other is not None
    assert end(desk, entry) is Do.SETTLE
    assert fates(desk, entry) == [Fate.FILED, Fate.LEFT]
    assert tree(desk.inbox) == {"a.style.png", "b.jpg"}
    end(desk, desk.ledger.advance(other, state=State.FAILED, failure=FAILURE))
    assert tree(desk.inbox) == set()
    assert {"a.style.png", "b.jpg"} <= tree(desk.config.folder("failed"))


def test_an_image_that_a_sidecar_asks_for_is_waited_for(desk: Desk) -> None:
    """23. Until it is a job of its own, or gone; a sidecar that waits for another image too."""
    entry = published(desk)
    (desk.inbox / "b.yaml").write_text("preset: draft\nstyle: a.style.png\n")
    configure(desk, limits=desk.config.limits.model_copy(update={"incomplete_seconds": 60.0}))
    assert end(desk, entry) is Do.WAIT
    assert (desk.inbox / "a.style.png").exists()
    (desk.inbox / "b.yaml").unlink()
    assert end(desk, again(desk, entry)) is Do.SETTLE
    assert tree(desk.config.folder("done")) == PAIR


def test_nothing_is_filed_before_the_grace_time_is_over(desk: Desk) -> None:
    """23. Somebody may be about to drop another sidecar; a scan has to have looked since."""
    configure(desk, retire_grace_seconds=3600.0)
    entry = published(desk)
    assert end(desk, entry) is Do.WAIT
    assert tree(desk.inbox) == PAIR - {"a.yaml"}


@pytest.mark.parametrize("outcome", ["published", "failed"])
def test_nothing_is_filed_before_the_first_scan(desk: Desk, outcome: str) -> None:
    """A new daemon can't know yet who else wants an image."""
    entry = published(desk) if outcome == "published" else failed(desk)
    desk.ended_at.clear()
    desk.wanted = type(desk.wanted)()
    assert end(desk, entry, scans=False) is Do.WAIT
    assert tree(desk.inbox) == PAIR - {"a.yaml"}
    assert end(desk, again(desk, entry)) is Do.SETTLE


def test_an_image_replaced_since_the_claim_stays(desk: Desk) -> None:
    """14. A different file under the same name is a new input."""
    entry = published(desk)
    save_picture(desk.inbox / "a.jpg", seed=7)
    assert end(desk, entry) is Do.SETTLE
    assert fates(desk, entry) == [Fate.GONE, Fate.FILED]
    assert tree(desk.inbox) == {"a.jpg"}
    assert tree(desk.config.folder("done")) == {"a.yaml", "a.style.png"}


def test_an_image_replaced_at_the_last_moment_is_given_back(desk: Desk) -> None:
    """14. Between the look and the rename: what was taken out is another version."""
    entry = published(desk)
    save_picture(desk.inbox / "a.jpg", seed=7)
    new = (desk.inbox / "a.jpg").read_bytes()
    retire.set_aside(desk, entry, 0)
    assert not (desk.inbox / "a.jpg").exists()
    assert end(desk, entry) is Do.SETTLE
    assert (desk.inbox / "a.jpg").read_bytes() == new
    assert fates(desk, entry) == [Fate.GONE, Fate.FILED]


def test_giving_back_replaces_nothing(desk: Desk) -> None:
    """A third version came meanwhile: both are new inputs."""
    entry = published(desk)
    save_picture(desk.inbox / "a.jpg", seed=7)
    retire.set_aside(desk, entry, 0)
    save_picture(desk.inbox / "a.jpg", seed=8)
    end(desk, entry)
    assert tree(desk.inbox) == {"a.jpg", f"a.{entry.job_id}.jpg"}


def test_an_image_that_is_gone_is_no_trouble(desk: Desk) -> None:
    """15. Its owner has it."""
    entry = published(desk)
    (desk.inbox / "a.jpg").unlink()
    (desk.inbox / "a.style.png").rename(desk.inbox / "other.png")
    assert end(desk, entry) is Do.SETTLE
    assert fates(desk, entry) == [Fate.GONE, Fate.GONE]
    assert tree(desk.inbox) == {"other.png"}


def test_an_image_used_twice_is_filed_once(desk: Desk) -> None:
    """Content and style may be the same picture."""
    entry = published(desk, text="preset: draft\nstyle: a.jpg\n")
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.config.folder("done")) == {"a.yaml", "a.jpg"}


def test_the_style_library_is_never_touched(desk: Desk, tmp_path: Path) -> None:
    """23. Neither after success nor after failure."""
    library = tmp_path / "library"
    save_picture(library / "starry.jpg", seed=4)
    configure(desk, styles=[library])
    text = "preset: draft\nstyle: starry.jpg\n"
    for name, make in (("a", published), ("b", failed)):
        entry = make(desk, name, text=text)  # type: ignore[operator]
        (desk.inbox / f"{name}.style.png").unlink()
        assert entry.inputs[1].source.stays
        assert end(desk, entry) is Do.SETTLE
        assert fates(desk, entry) == [Fate.FILED, Fate.LEFT]
    assert tree(library) == {"starry.jpg"}
    assert "starry.jpg" not in tree(desk.config.folder("failed"))


def test_the_same_name_again_gets_a_folder(desk: Desk) -> None:
    """Files keep their names, because the sidecar refers to its images by them."""
    end(desk, published(desk))
    second = published(desk)
    end(desk, second)
    done = tree(desk.config.folder("done"))
    assert done == PAIR | {f"{second.job_id}/{name}" for name in PAIR}


def test_a_file_of_somebody_elses_in_done_is_not_replaced(desk: Desk) -> None:
    """25. Not even if it came after the place was chosen."""
    entry = published(desk)
    scan(desk)
    entry = retire.house(desk, entry)
    (desk.config.folder("done") / "a.jpg").write_text("mine")
    end(desk, entry)
    done = desk.config.folder("done")
    assert (done / "a.jpg").read_text() == "mine"
    assert tree(done) == PAIR | {f"a.{entry.job_id}.jpg"}


def test_images_keep_their_place_beside_the_sidecar(desk: Desk) -> None:
    """So that the set can be moved back as it is."""
    drop(desk, folder="sub", text="preset: draft\ncontent: pics/c.jpg\n")
    save_picture(desk.inbox / "sub/pics/c.jpg")
    (desk.inbox / "sub/a.jpg").unlink()
    entry = claim.take(desk, claim.admit(desk, scan(desk)["sub/a.yaml"]))
    assert entry is not None
    end(desk, desk.ledger.advance(entry, state=State.FAILED, failure=FAILURE))
    assert {"sub/a.yaml", "sub/pics/c.jpg", "sub/a.style.png"} <= tree(desk.config.folder("failed"))


@pytest.mark.parametrize("outcome", ["published", "failed"])
def test_originals_cross_file_systems(desk: Desk, elsewhere: Path, outcome: str) -> None:
    """done/ and failed/ may lie on other disks: copied whole, then removed, times kept."""
    configure(desk, done=elsewhere / "done", failed=elsewhere / "failed")
    layout.create(desk.config)
    entry = published(desk) if outcome == "published" else failed(desk)
    stamp = (desk.inbox / "a.jpg").stat().st_mtime_ns
    assert end(desk, entry) is Do.SETTLE
    home = elsewhere / ("done" if outcome == "published" else "failed")
    assert tree(home) >= PAIR
    assert (home / "a.jpg").stat().st_mtime_ns == stamp
    assert not [name for name in tree(home) if name.endswith(".tmp")]
    assert tree(desk.inbox) == set()


def test_a_move_across_that_was_cut_off_is_completed(desk: Desk, elsewhere: Path) -> None:
    """27. The copy was placed, the original not yet removed: one file, under its own name."""
    configure(desk, done=elsewhere / "done")
    layout.create(desk.config)
    entry = published(desk)
    scan(desk)
    entry = retire.set_aside(desk, retire.house(desk, entry), 0)
    aside = layout.aside(desk.config, entry, Path("a.jpg"))
    files.copy(aside, elsewhere / "done" / "a.jpg", entry.job_id)
    assert end(desk, entry) is Do.SETTLE
    assert tree(elsewhere / "done") == PAIR


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_lets_nothing_out_is_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """33. The image stays where it is."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    entry = published(desk)
    scan(desk)
    monkeypatch.setattr(renaming, "no_replace", refuse)
    with pytest.raises(UntouchableError, match=r"a\.jpg: can't be moved out of the inbox"):
        retire.set_aside(desk, entry, 0)
    assert (desk.inbox / "a.jpg").exists()


def test_what_was_filed_is_recorded(desk: Desk) -> None:
    """Retention deletes what is in this record, and nothing else."""
    end(desk, published(desk))
    done = desk.config.folder("done")
    found = desk.ledger.filed_before(done, float(2**40), 99)
    assert {path.name: filed for path, filed in found} == {
        name: files.identity(done / name) for name in PAIR
    }
    end(desk, failed(desk))
    found = desk.ledger.filed_before(desk.config.folder("failed"), float(2**40), 99)
    assert {path.name for path, _ in found} == PAIR | REASONS


def test_folders_in_done_have_the_mode_that_was_asked_for(desk: Desk) -> None:
    """Those that nstd makes."""
    configure(desk, folder_mode="0750")
    end(desk, published(desk, folder="new"))
    assert (desk.config.folder("done") / "new").stat().st_mode & 0o7777 == 0o750


def test_a_queued_job_whose_sidecar_is_gone_is_forgotten(desk: Desk) -> None:
    """There is no job, and its images are its owner's."""
    entry = queued(desk)
    layout.token(desk.config, entry).unlink()
    after, turn = steps.advance(desk, entry, lambda _: {})
    assert (after, turn) == (None, Do.FORGET)
    assert tree(desk.inbox) == PAIR - {"a.yaml"}
