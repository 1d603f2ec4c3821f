"""Where the user's own files end up."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from jobs import (
    FAILURE,
    PAIR,
    again,
    claimed,
    configure,
    drop,
    end,
    failed,
    other_disk,
    published,
    queued,
    rendered,
    scan,
    tree,
)

from nstd.domain import Failure
from nstd.entry import Fate, State
from nstd.errors import CannotWriteError, SidecarError, UntouchableError
from nstd.spool import claim, files, layout, publish, renaming, retire, steps
from nstd.spool.decide import Do

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.entry import Entry
    from nstd.spool.desk import Desk

REASONS = {"a.reason.txt", "a.reason.json"}


def fates(desk: Desk, entry: Entry) -> list[Fate]:
    """Read what became of a job's images."""
    return [one.fate for one in again(desk, entry).inputs]


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


def test_a_failed_jobs_files_are_never_deleted(desk: Desk) -> None:
    """`originals` says what becomes of them after success."""
    configure(desk, originals="delete")
    assert end(desk, failed(desk)) is Do.SETTLE
    assert tree(desk.config.folder("failed")) == PAIR | REASONS


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
        assert entry.inputs[1].source.from_library
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


def test_quarantine_says_why(desk: Desk) -> None:
    """Beside the files: a paragraph for people, and the same as JSON."""
    entry = failed(desk, folder="deep")
    assert end(desk, entry) is Do.SETTLE
    home = desk.config.folder("failed") / "deep"
    assert tree(home) == PAIR | REASONS
    assert (home / "a.reason.txt").read_text() == "a.jpg: is damaged. Save it again.\n"
    facts = json.loads((home / "a.reason.json").read_text())
    assert facts["job_id"] == entry.job_id
    assert facts["code"] == "image"
    assert facts["disposition"] == "quarantine"
    assert tree(desk.inbox) == set()


def test_the_reason_comes_before_the_files(desk: Desk) -> None:
    """Who finds his files in failed/ finds the reason beside them."""
    entry = retire.explain(desk, failed(desk))
    assert tree(desk.config.folder("failed")) == REASONS
    assert tree(desk.inbox) == PAIR - {"a.yaml"}
    assert again(desk, entry).home == desk.config.folder("failed")


def test_a_reason_may_name_any_bytes(desk: Desk) -> None:
    """12. A name that isn't UTF-8 is escaped; the text and the JSON are valid."""
    name = os.fsdecode(b"caf\xe9")
    failure = Failure.of(SidecarError("no", file=f"{name}.yaml"))
    end(desk, failed(desk, name, failure=failure))
    (text,) = desk.config.folder("failed").glob("*.reason.txt")
    assert text.read_text(encoding="utf-8") == "caf\\udce9.yaml: no.\n"
    assert json.loads(text.with_suffix(".json").read_bytes())["file"] == f"{name}.yaml"


def test_quarantine_copies_what_another_job_wants(desk: Desk) -> None:
    """23. The failed job's set is whole, and the other job's image is where it was."""
    entry = failed(desk)
    save_picture(desk.inbox / "b.jpg")
    (desk.inbox / "b.yaml").write_text("preset: draft\nstyle: a.style.png\n")
    other = claim.admit(desk, scan(desk)["b.yaml"])
    assert claim.take(desk, other) is not None
    assert end(desk, entry) is Do.SETTLE
    style = desk.inbox / "a.style.png"
    assert (desk.config.folder("failed") / "a.style.png").read_bytes() == style.read_bytes()
    assert fates(desk, entry) == [Fate.FILED, Fate.FILED]


def test_two_failed_jobs_have_a_whole_set_each(desk: Desk) -> None:
    """23. The first gets a copy of what they share, the second the original."""
    one = failed(desk, "a", text="preset: draft\nstyle: s.png\n")
    save_picture(desk.inbox / "s.png", seed=3)
    one = desk.ledger.advance(one, state=State.QUEUED, failure=None)
    claim.give_back(desk, one)
    drop(desk, "b", text="preset: draft\nstyle: s.png\n")
    found = scan(desk)
    jobs = [claim.admit(desk, found[f"{name}.yaml"], FAILURE) for name in "ab"]
    for job in jobs:
        claim.take(desk, job)
    for job in jobs:
        end(desk, again(desk, job))
    home = {job.sidecar: again(desk, job).home for job in jobs}
    assert all((home[f"{n}.yaml"] / "s.png").exists() for n in "ab")  # type: ignore[operator]
    assert not (desk.inbox / "s.png").exists()


def test_a_refused_sidecar_takes_what_lies_beside_it(desk: Desk) -> None:
    """A job that never was one ends in failed/ just the same, and leaves nothing in the inbox."""
    drop(desk, text="size: big\n")
    entry = claim.admit(desk, scan(desk)["a.yaml"], FAILURE)
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.config.folder("failed")) == PAIR | REASONS
    assert tree(desk.inbox) == set()


def test_a_quarantined_set_can_be_moved_back_whole(desk: Desk) -> None:
    """Names and folders are those of the submission, also the second time."""
    end(desk, failed(desk))
    second = failed(desk)
    end(desk, second)
    home = again(desk, second).home
    assert home == desk.config.folder("failed") / second.job_id
    assert tree(home) == PAIR | REASONS


def test_a_reason_is_never_overwritten(desk: Desk) -> None:
    """Two jobs whose sidecars differ in their suffix alone have a reason each."""
    end(desk, failed(desk))
    drop(desk)
    (desk.inbox / "a.yaml").rename(desk.inbox / "a.yml")
    entry = claim.admit(desk, scan(desk)["a.yml"], FAILURE)
    end(desk, entry)
    reasons = list(desk.config.folder("failed").rglob("a.reason.json"))
    assert len({json.loads(reason.read_text())["job_id"] for reason in reasons}) == 2


def test_a_quarantine_that_was_refused_can_be_repeated(desk: Desk) -> None:
    """31. When there is room again the second try finds the first one's place."""
    entry = failed(desk, folder="sub")
    home = desk.config.folder("failed") / "sub"
    home.parent.mkdir(exist_ok=True)
    home.write_text("in the way")
    with pytest.raises(CannotWriteError):
        end(desk, entry)
    assert tree(desk.inbox) == {"sub/a.jpg", "sub/a.style.png"}
    home.unlink()
    assert end(desk, again(desk, entry)) is Do.SETTLE
    assert tree(home) == PAIR | REASONS


def test_a_reason_of_an_interrupted_try_is_found_again(desk: Desk) -> None:
    """27. It is not taken for another job's, so no folder of its own is made."""
    entry = failed(desk)
    retire.explain(desk, entry)
    desk.ledger.advance(entry, home=None)  # as if the row had not been written
    assert end(desk, again(desk, entry)) is Do.SETTLE
    assert tree(desk.config.folder("failed")) == PAIR | REASONS


def test_a_withdrawn_job_needs_no_reason(desk: Desk) -> None:
    """Its owner took everything back before it was claimed: nothing to explain it beside."""
    drop(desk, text="size: big\n")
    entry = claim.admit(desk, scan(desk)["a.yaml"], FAILURE)
    for name in PAIR:
        (desk.inbox / name).unlink()
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.config.folder("failed")) == set()


def test_a_failed_jobs_staged_result_is_removed(desk: Desk) -> None:
    """No temporary file is left in the outbox."""
    entry = publish.stage(desk, rendered(desk))
    entry = desk.ledger.advance(entry, state=State.FAILED, failure=FAILURE)
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.config.folder("outbox")) == set()


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


def test_a_long_name_has_a_reason(desk: Desk) -> None:
    """12. 255 bytes with the sidecar's suffix."""
    name = "n" * 240
    assert end(desk, failed(desk, name)) is Do.SETTLE
    assert f"{'n' * 200}.reason.json" in tree(desk.config.folder("failed"))


def test_a_cancelled_job_goes_the_same_way(desk: Desk) -> None:
    """Its files are in failed/ with a reason, from any state."""
    entry = desk.ledger.advance(claimed(desk), state=State.CANCELLED, failure=FAILURE)
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.config.folder("failed")) == PAIR | REASONS
    assert again(desk, entry).state is State.CANCELLED


def test_a_job_whose_sidecar_was_taken_from_our_folder_ends_too(desk: Desk) -> None:
    """Somebody tidied up under .nstd: the images are filed, and the job is settled."""
    entry = published(desk)
    layout.token(desk.config, entry).unlink()
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.config.folder("done")) == PAIR - {"a.yaml"}


def test_a_queued_job_whose_sidecar_is_gone_is_forgotten(desk: Desk) -> None:
    """There is no job, and its images are its owner's."""
    entry = queued(desk)
    layout.token(desk.config, entry).unlink()
    after, turn = steps.advance(desk, entry, lambda _: {})
    assert (after, turn) == (None, Do.FORGET)
    assert tree(desk.inbox) == PAIR - {"a.yaml"}
