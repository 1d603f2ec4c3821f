"""Where the files of a job that failed end up, and the reason beside them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from jobs import (
    FAILURE,
    PAIR,
    REASONS,
    again,
    claimed,
    configure,
    drop,
    end,
    failed,
    fates,
    published,
    rendered,
    scan,
    tree,
)

from nstd.domain import Failure
from nstd.entry import Fate, State
from nstd.errors import CannotWriteError, SidecarError
from nstd.spool import claim, layout, publish, retire
from nstd.spool.decide import Do

if TYPE_CHECKING:
    from nstd.spool.desk import Desk


def test_a_failed_jobs_files_are_never_deleted(desk: Desk) -> None:
    """`originals` says what becomes of them after success."""
    configure(desk, originals="delete")
    assert end(desk, failed(desk)) is Do.SETTLE
    assert tree(desk.config.folder("failed")) == PAIR | REASONS


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
