"""Between the ledger and the worker, with a worker that only listens."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from conftest import save_picture
from jobs import FACTS, again, claimed, configure, drop, end, published, queued, rendered, tree

from nstd import telemetry
from nstd.devices import Pin
from nstd.dispatch import Dispatcher
from nstd.domain import Failure, Job, Rendered
from nstd.entry import State
from nstd.errors import (
    CancelledError,
    CannotWriteError,
    Disposition,
    EngineUnavailableError,
    NonFiniteLossError,
)
from nstd.images import ImageLimits
from nstd.spool import files, layout
from nstd.spool.decide import Patience
from nstd.station import Station
from nstd.worker import Cancel, Finished, Options, Ready, Unable

if TYPE_CHECKING:
    from nstd.entry import Entry
    from nstd.spool.desk import Desk

PATIENCE = Patience(attempts=2, crashes=3, backoff=0.0, longest=0.0, pause=0.0)
READY = Ready("cpu", "float32", 1.0)


class ListeningWorker:
    """Follows `nstd.worker.Worker`: notes what it is sent, and says what it is told to."""

    connection = None

    def __init__(self) -> None:
        self.sent: list[object] = []
        self.says: list[object] = []
        self.is_dead = False
        self.is_stopped = False

    def send(self, message: object) -> None:
        """Note a message."""
        self.sent.append(message)

    def receive(self) -> list[object]:
        """Say it, or be found dead."""
        if self.is_dead:
            raise EOFError
        said, self.says = self.says, []
        return said

    def stop(self) -> int:
        """End."""
        self.is_stopped = True
        return -9

    def last_words(self) -> str:
        """Tell of the end."""
        return "killed"


@pytest.fixture
def worker() -> ListeningWorker:
    """Lend a worker that has built its engine."""
    worker = ListeningWorker()
    worker.says.append(READY)
    return worker


def with_worker(desk: Desk, worker: ListeningWorker) -> Dispatcher:
    """Make a dispatcher with a worker that has said nothing yet."""
    options = Options(
        pin=Pin("cpu", ()),
        weights=Path("none"),
        precision="float32",
        threads=0,
        deterministic=False,
        memory_limit=None,
        limits=ImageLimits(),
        log=desk.config.root / "log",
    )
    station = Station(
        options, lambda *_: None, stall_seconds=99, begin_seconds=99, job_seconds=None, tries=2
    )
    station._worker = worker  # type: ignore[assignment]
    return Dispatcher(desk, [station], PATIENCE)


@pytest.fixture
def dispatcher(desk: Desk, worker: ListeningWorker) -> Dispatcher:
    """Lend a dispatcher with that worker."""
    dispatcher = with_worker(desk, worker)
    dispatcher.hear()
    return dispatcher


def result(desk: Desk, entry: Entry) -> Rendered:
    """Leave a result where the worker would."""
    path = save_picture(layout.work(desk.config) / entry.job_id / "1" / "result.png", seed=5)
    return Rendered(path, files.sha256(path), 64, 48, FACTS)


def test_a_job_is_copied_handed_over_and_rendered(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """The row says `running` before the worker is told, and `rendered` when it has answered."""
    entry = queued(desk)
    dispatcher.dispatch()
    assert again(desk, entry).state is State.RUNNING
    (job,) = worker.sent
    assert isinstance(job, Job)
    assert job.job_id == entry.job_id
    assert job.work.is_dir()
    worker.says.append(Finished(entry.job_id, result(desk, entry), 1.0))
    dispatcher.hear()
    assert again(desk, entry).state is State.RENDERED
    assert dispatcher.running == []


def test_the_worker_has_one_job_and_a_few_are_copied_ahead(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """Not all: a later job of higher priority must not wait for many copies."""
    jobs = [queued(desk, f"j{number}") for number in range(6)]
    dispatcher.dispatch()
    dispatcher.dispatch()
    assert len(worker.sent) == 1
    states = [again(desk, job).state for job in jobs]
    assert states.count(State.RUNNING) == 1
    assert 1 <= states.count(State.CLAIMED) <= 3
    assert State.QUEUED in states


def test_nothing_is_handed_to_a_worker_that_is_not_ready(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """It builds its engine; meanwhile images are copied."""
    dispatcher.stations[0].is_ready = False
    entry = queued(desk)
    dispatcher.dispatch()
    assert worker.sent == []
    assert again(desk, entry).state is State.CLAIMED


def test_a_vanished_image_ends_the_job(desk: Desk, dispatcher: Dispatcher) -> None:
    """15. Before the copy there is nothing to go on with."""
    entry = queued(desk)
    (desk.inbox / "a.jpg").unlink()
    dispatcher.dispatch()
    found = again(desk, entry)
    assert found.state is State.FAILED
    assert found.failure is not None
    assert found.failure.code == "missing_input"


def test_an_image_that_changes_under_the_copy_releases_the_job(
    desk: Desk, dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """14. The sidecar is back in the inbox, and no attempt was used."""
    entry = queued(desk)
    real = files._copy

    def change(source: int, target: Path, **settings: Any) -> str:
        digest = real(source, target, **settings)
        save_picture(desk.inbox / "a.jpg", seed=9)
        return digest

    monkeypatch.setattr(files, "_copy", change)
    dispatcher.dispatch()
    assert desk.ledger.entry(entry.job_id) is None
    assert "a.yaml" in tree(desk.inbox)


def test_an_outbox_that_refuses_holds_the_job_before_device_time_is_spent(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """32. The next job is tried; the reason is told once; no attempt is used."""
    (desk.config.folder("outbox") / "sub").write_text("in the way")
    entry = claimed(desk, folder="sub")
    other = claimed(desk, "b")
    with structlog.testing.capture_logs() as logged:
        dispatcher.dispatch()
        dispatcher.dispatch()
    assert [job.job_id for job in worker.sent] == [other.job_id]  # type: ignore[attr-defined]
    found = again(desk, entry)
    assert (found.state, found.attempts) == (State.CLAIMED, 0)
    assert "sub" in found.hold
    assert [line["event"] for line in logged].count(telemetry.JOB_HELD) == 1


def test_many_jobs_that_are_held_keep_no_good_one(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """32. Though they come first, and more of them than are looked at together."""
    (desk.config.folder("outbox") / "sub").write_text("in the way")
    dispatcher._patience = dataclasses.replace(PATIENCE, pause=60.0)
    for number in range(9):
        queued(desk, f"held{number}", folder="sub")
    good = queued(desk, "good")
    dispatcher.dispatch()
    assert [job.job_id for job in worker.sent] == [good.job_id]  # type: ignore[attr-defined]


def test_a_result_waits_for_a_ledger_that_can_not_be_written(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """31. It is asked for once, and recorded when there is room again."""
    entry = running(desk, dispatcher)
    worker.says.append(Finished(entry.job_id, result(desk, entry), 1.0))

    def refuse(*_: object, **__: object) -> Entry:
        raise CannotWriteError("the ledger can't be written: disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr(desk.ledger, "advance", refuse)
        for _ in range(2):
            with pytest.raises(CannotWriteError):
                dispatcher.hear()
    assert again(desk, entry).state is State.RUNNING
    dispatcher.hear()
    assert again(desk, entry).state is State.RENDERED
    dispatcher.hear()


def test_an_image_on_a_bad_disk_ends_its_job_alone(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be read is the source's fault, not the work folder's."""
    bad = queued(desk, "bad", text="preset: draft\npriority: 5\n")
    good = queued(desk, "good")
    bad_file, readv = (desk.inbox / "bad.jpg").stat().st_ino, os.readv

    def read(descriptor: int, chunks: list[memoryview]) -> int:
        if os.fstat(descriptor).st_ino == bad_file:
            raise OSError(errno.EIO, "Input/output error")
        return readv(descriptor, chunks)

    monkeypatch.setattr(os, "readv", read)
    dispatcher.dispatch()
    found = again(desk, bad)
    assert found.state is State.FAILED
    assert found.failure is not None
    assert "bad.jpg: can't be read: Input/output error" in found.failure.message
    assert [job.job_id for job in worker.sent] == [good.job_id]  # type: ignore[attr-defined]


def test_a_full_disk_stops_all(desk: Desk, dispatcher: Dispatcher) -> None:
    """31. Nothing is copied, and the caller holds."""
    entry = queued(desk)
    limits = desk.config.limits.model_copy(update={"min_free_bytes": 2**62})
    configure(desk, limits=limits)
    with pytest.raises(CannotWriteError, match=r"limits\.min_free_bytes"):
        dispatcher.dispatch()
    assert again(desk, entry).state is State.QUEUED


def running(desk: Desk, dispatcher: Dispatcher) -> Entry:
    """Have the worker at a job."""
    entry = claimed(desk)
    dispatcher.dispatch()
    assert dispatcher.running
    return entry


def test_a_dead_worker_counts_an_attempt(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """29. At limits.attempts the job fails; until then it is tried again."""
    entry = running(desk, dispatcher)
    for attempts, state in ((1, State.CLAIMED), (2, State.FAILED)):
        worker.is_dead = True
        dispatcher.hear()
        found = again(desk, entry)
        assert (found.attempts, found.state) == (attempts, state)
        assert dispatcher.connections == []
        worker.is_dead = False
        dispatcher.stations[0]._worker, worker.says = worker, [READY]  # type: ignore[assignment]
        dispatcher.hear()
        dispatcher.dispatch()
    assert found.failure is not None
    assert found.failure.code == "worker_died"


def test_an_engine_that_can_not_be_built_ends_the_daemon(desk: Desk) -> None:
    """With the worker's own words, if none was ever built."""
    worker = ListeningWorker()
    worker.says.append(Unable(Failure("weights", Disposition.FATAL, "the weights are gone.")))
    with pytest.raises(EngineUnavailableError, match="the weights are gone"):
        with_worker(desk, worker).hear()


def test_a_failure_of_the_engine_fails_the_job(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """30. And the next one runs."""
    entry = running(desk, dispatcher)
    other = claimed(desk, "b")
    failure = Failure.of(NonFiniteLossError("the loss stopped being a number"))
    worker.says.append(Finished(entry.job_id, failure, 1.0))
    dispatcher.hear()
    assert again(desk, entry).failure == failure
    dispatcher.dispatch()
    assert again(desk, other).state is State.RUNNING


@pytest.mark.parametrize("state", [State.QUEUED, State.CLAIMED])
def test_a_job_that_waits_is_cancelled_at_once(
    desk: Desk, dispatcher: Dispatcher, state: State
) -> None:
    """Nobody has to be asked."""
    entry = queued(desk) if state is State.QUEUED else claimed(desk)
    dispatcher.cancel(entry)
    assert again(desk, entry).state is State.CANCELLED


def test_a_running_job_is_cancelled_by_the_worker(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """It is asked to stop, and the job ends when it has."""
    entry = running(desk, dispatcher)
    dispatcher.cancel(again(desk, entry))
    assert worker.sent[-1] == Cancel(entry.job_id)
    worker.says.append(Finished(entry.job_id, Failure.of(CancelledError("cancelled")), 1.0))
    dispatcher.hear()
    assert again(desk, entry).state is State.CANCELLED


def test_what_is_rendered_is_published_all_the_same(desk: Desk, dispatcher: Dispatcher) -> None:
    """A cancel that comes too late changes nothing."""
    entry = rendered(desk)
    dispatcher.cancel(entry)
    assert again(desk, entry).state is State.RENDERED


def test_an_answer_for_another_job_is_not_taken(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """It is of one that was given up."""
    entry = running(desk, dispatcher)
    worker.says.append(Finished("another", result(desk, entry), 1.0))
    dispatcher.hear()
    assert again(desk, entry).state is State.RUNNING


@pytest.mark.parametrize("policy", ["rerun", "skip"])
def test_a_duplicate_is_told_and_run_or_skipped(
    desk: Desk, dispatcher: Dispatcher, policy: str
) -> None:
    """24. By the hash of images and parameters."""
    configure(desk, on_duplicate=policy)
    first = published(desk)
    end(desk, first)
    entry = queued(desk)
    with structlog.testing.capture_logs() as logged:
        dispatcher.dispatch()
    (told,) = (line for line in logged if line["event"] == telemetry.JOB_DUPLICATE)
    assert (told["duplicate_of"], told["policy"]) == (first.job_id, policy)
    found = again(desk, entry)
    assert found.state is (State.RENDERED if policy == "skip" else State.RUNNING)
    assert found.duplicate_of == (first.job_id if policy == "skip" else "")


def test_a_duplicate_whose_result_is_gone_is_run(desk: Desk, dispatcher: Dispatcher) -> None:
    """24. There is nothing to point to."""
    configure(desk, on_duplicate="skip")
    end(desk, published(desk))
    (desk.config.folder("outbox") / "a.png").unlink()
    entry = queued(desk)
    dispatcher.dispatch()
    assert again(desk, entry).state is State.RUNNING


def test_a_duplicate_whose_result_is_another_now_is_run(desk: Desk, dispatcher: Dispatcher) -> None:
    """24. A name in the outbox is not the picture that had it."""
    configure(desk, on_duplicate="skip")
    end(desk, published(desk))
    (desk.config.folder("outbox") / "a.png").write_bytes(b"another")
    entry = queued(desk)
    dispatcher.dispatch()
    assert again(desk, entry).state is State.RUNNING


def test_an_orderly_end_blames_nobody(
    desk: Desk, dispatcher: Dispatcher, worker: ListeningWorker
) -> None:
    """40. The job goes on at the next start: neither an attempt nor a crash is counted."""
    entry = running(desk, dispatcher)
    dispatcher.shut_down()
    found = again(desk, entry)
    assert (found.state, found.attempts, found.crashes) == (State.CLAIMED, 0, 0)
    assert worker.is_stopped


def test_priority_decides_who_is_next(desk: Desk, dispatcher: Dispatcher) -> None:
    """Also among jobs that came later."""
    low = queued(desk, "low")
    high = queued(desk, "high", text="preset: draft\npriority: 5\n")
    drop(desk, "unclaimed")
    dispatcher.dispatch()
    (running,) = dispatcher.running
    assert running.job_id == high.job_id
    assert again(desk, low).state is State.CLAIMED
    assert running == again(desk, high)
