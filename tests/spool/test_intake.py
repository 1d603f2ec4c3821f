"""From what a scan finds to rows."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from jobs import PAIR, again, candidate, claimed, configure, drop, end, published, tree

from nstd import telemetry
from nstd.entry import State
from nstd.errors import CannotWriteError, InboxAbsentError, UntouchableError
from nstd.spool import claim, intake, layout, requests
from nstd.spool.decide import Do
from nstd.spool.intake import Intake
from nstd.spool.scanned import Scan

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.entry import Entry
    from nstd.spool.desk import Desk


def jobs(desk: Desk) -> list[Entry]:
    """List every job that is not settled."""
    return desk.ledger.unsettled(*State)


def patient(desk: Desk) -> Intake:
    """Make an intake that waits long for what is missing."""
    configure(desk, limits=desk.config.limits.model_copy(update={"incomplete_seconds": 60.0}))
    return Intake(desk)


def test_what_is_ready_is_admitted(desk: Desk) -> None:
    """Row written, sidecar taken, images where they were."""
    drop(desk)
    with structlog.testing.capture_logs() as logged:
        found = Intake(desk).scan()
    assert (found.settling, found.incomplete, found.refused, found.cancelled) == (False, {}, 0, ())
    (entry,) = jobs(desk)
    assert entry.state is State.QUEUED
    assert tree(desk.inbox) == PAIR - {"a.yaml"}
    assert [line["event"] for line in logged] == [telemetry.JOB_CLAIMED]


def test_what_is_wrong_is_admitted_as_failed(desk: Desk) -> None:
    """And takes its images along: none stays in the inbox, where no sidecar asks for it."""
    drop(desk, text="size: big\n")
    assert Intake(desk).scan().refused == 1
    (entry,) = jobs(desk)
    assert entry.state is State.FAILED
    assert end(desk, entry, scans=False) is Do.SETTLE
    assert tree(desk.inbox) == set()
    assert tree(desk.config.folder("failed")) >= PAIR


def test_a_mistake_over_one_sidecar_stops_no_other(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be written of it is a failure of its own; the next one is taken."""
    found = intake.Intake(desk)
    good, odd = candidate(desk, "good"), candidate(desk, "odd")
    assert odd.sidecar is not None
    unwritable = dataclasses.replace(odd.sidecar, output="\ud800")
    ready = (dataclasses.replace(odd, sidecar=unwritable), good)
    monkeypatch.setattr(found, "_list", lambda: Scan(ready=ready))
    with structlog.testing.capture_logs() as logged:
        assert found.scan().refused == 1
    states = {entry.sidecar: entry.state for entry in jobs(desk)}
    assert states == {"odd.yaml": State.FAILED, "good.yaml": State.QUEUED}
    assert [line["event"] for line in logged] == ["internal.error", "job.claimed"]


def test_what_is_incomplete_is_reported_once_for_each_reason(desk: Desk) -> None:
    """5. In the log and in the findings; and again when the reason changes."""
    (desk.inbox / "a.yaml").write_text("preset: draft\ncontent: b.jpg\nstyle: s.jpg\n")
    taking = patient(desk)
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            found = taking.scan()
        assert found.incomplete == {Path("a.yaml"): "b.jpg is not there"}
        drop(desk, "b")
        (desk.inbox / "b.yaml").unlink()
        taking.scan()
    reasons = [line["reason"] for line in logged if line["event"] == telemetry.SCAN_WAITING]
    assert reasons == ["b.jpg is not there", "s.jpg is not there"]


def test_what_is_nobodys_is_reported_once(desk: Desk) -> None:
    """After a while: an image without sidecar, a file of another kind; not a job's own images."""
    claimed(desk, "taken")
    drop(desk, "waits", text="style: [waits.style.png, absent.jpg]\n")
    (desk.inbox / "t.bmp").write_text("x")
    drop(desk, "lone").unlink()
    with structlog.testing.capture_logs() as logged:
        assert patient(desk).scan().unasked == {}, "not before it has been there for long"
        configure(desk, limits=desk.config.limits.model_copy(update={"incomplete_seconds": 0.0}))
        taking = Intake(desk)
        for _ in range(2):
            found = taking.scan()
    assert found.unasked == {
        Path("lone.jpg"): "no sidecar asks for it",
        Path("lone.style.png"): "no sidecar asks for it",
        Path("t.bmp"): "is no JPEG, PNG, WebP or TIFF picture, and no sidecar",
    }
    told = [line["file"] for line in logged if line["event"] == telemetry.INBOX_UNASKED]
    assert sorted(told) == ["lone.jpg", "lone.style.png", "t.bmp"]
    configure(desk, originals="keep")
    assert taking.scan().unasked == {}, "then a job's originals stay there for ever"


def test_what_is_no_file_is_reported_once(desk: Desk) -> None:
    """22. As long as it lies there."""
    os.mkfifo(desk.inbox / "a.jpg")
    taking = Intake(desk)
    with structlog.testing.capture_logs() as logged:
        taking.scan()
        taking.scan()
    told = [line for line in logged if line["event"] == telemetry.INBOX_SKIPPED]
    assert [(line["file"], line["reason"]) for line in told] == [("a.jpg", "is a FIFO, not a file")]


@pytest.mark.parametrize("state", [State.QUEUED, State.CLAIMED, State.RUNNING, State.PUBLISHED])
def test_a_cancel_file_finds_its_job_wherever_it_is(desk: Desk, state: State) -> None:
    """And is removed; what can still be done about the job is the dispatcher's to decide."""
    entry = claimed(desk, folder="sub")
    desk.ledger.advance(entry, state=state)
    (desk.inbox / "sub/a.cancel").touch()
    found = patient(desk).scan()
    assert [one.job_id for one in found.cancelled] == [entry.job_id]
    assert not (desk.inbox / "sub/a.cancel").exists()
    left = [requests.read(path) for path in requests.pending(layout.requests(desk.config))]
    # A crash may come before the worker has heard of it.
    assert left == ([] if state is State.PUBLISHED else [requests.Cancel(job_id=entry.job_id)])


def test_a_cancel_file_that_can_not_be_removed_stops_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told like a sidecar that waits, and other jobs are taken."""
    claimed(desk)
    drop(desk, "b")
    (desk.inbox / "a.cancel").touch()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    found = Intake(desk).scan()
    assert "a.cancel: can't be written: Read-only" in found.incomplete[Path("a.cancel")]
    assert {entry.sidecar for entry in jobs(desk)} == {"a.yaml", "b.yaml"}


def test_a_sidecar_whose_token_can_not_be_made_stops_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no row then, and is met again by the next scan."""
    drop(desk, "bad")
    drop(desk, "good")
    token = layout.token

    def odd(config: Config, entry: Entry) -> Path:
        return (
            desk.inbox / ("x" * 300) / "t" if entry.sidecar == "bad.yaml" else token(config, entry)
        )

    with monkeypatch.context() as patched:
        patched.setattr(layout, "token", odd)
        found = Intake(desk).scan()
    assert list(found.incomplete) == [Path("bad.yaml")]
    assert [entry.sidecar for entry in jobs(desk)] == ["good.yaml"]
    Intake(desk).scan()
    assert {entry.sidecar for entry in jobs(desk)} == {"good.yaml", "bad.yaml"}


def test_a_cancel_file_ends_a_sidecar_that_waits(desk: Desk) -> None:
    """It is claimed as cancelled, complete or not."""
    (desk.inbox / "a.yaml").write_text("preset: draft\ncontent: absent.jpg\n")
    (desk.inbox / "a.cancel").touch()
    patient(desk).scan()
    (entry,) = jobs(desk)
    assert entry.state is State.CANCELLED
    assert tree(desk.inbox) == set()


def test_a_cancel_file_that_means_nothing_is_removed_after_a_while(desk: Desk) -> None:
    """It may have come before its sidecar; it must not lie in wait for ever."""
    (desk.inbox / "a.cancel").touch()
    patient(desk).scan()
    assert (desk.inbox / "a.cancel").exists()
    configure(desk, limits=desk.config.limits.model_copy(update={"incomplete_seconds": 0.0}))
    Intake(desk).scan()
    assert not (desk.inbox / "a.cancel").exists()


def test_a_sidecar_that_can_not_be_moved_stays_and_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """33. No row is left, the others go on, and what it asks for stays wanted."""
    drop(desk, "a")
    drop(desk, "b")
    real = claim.take

    def refuse(at: Desk, entry: Entry) -> Entry | None:
        if entry.sidecar == "a.yaml":
            raise UntouchableError("can't be moved out of its folder", file=entry.sidecar)
        return real(at, entry)

    monkeypatch.setattr(intake.claim, "take", refuse)
    found = Intake(desk).scan()
    assert set(found.incomplete) == {Path("a.yaml")}
    assert [entry.sidecar for entry in jobs(desk)] == ["b.yaml"]
    assert Path("a.jpg") in desk.wanted.images
    assert Path("b.jpg") not in desk.wanted.images


def test_an_inbox_that_has_gone_is_not_an_empty_one(desk: Desk) -> None:
    """11. Absent, or another folder in its place: nothing is concluded from it."""
    entry = published(desk)
    taking = Intake(desk)
    shutil.move(desk.inbox, desk.inbox.with_name("away"))
    with pytest.raises(InboxAbsentError):
        taking.scan()
    desk.inbox.mkdir()
    with pytest.raises(InboxAbsentError):
        taking.scan()
    assert again(desk, entry).state is State.PUBLISHED


def test_an_inbox_that_can_not_be_listed_is_a_resource_problem(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there, and refuses."""
    taking = Intake(desk)

    def refuse() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(taking._scanner, "scan", refuse)
    with pytest.raises(CannotWriteError, match="can't be listed: Permission denied"):
        taking.scan()


def test_a_sign_of_life_comes_with_each_job(desk: Desk) -> None:
    """Ten thousand at once take longer than a watchdog waits; listing is timed apart from them."""
    for name in ("a", "b", "c"):
        drop(desk, name)
    signs: list[float] = []
    began = time.monotonic()
    found = Intake(desk, lambda: signs.append(time.monotonic())).scan()
    assert len(signs) == 3
    assert 0 < found.seconds <= signs[0] - began
