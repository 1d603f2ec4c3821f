"""Between the ledger and the worker: copy ahead, hand over, hear, and judge what came of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import structlog

from nstd import telemetry
from nstd.domain import Failure, Rendered
from nstd.entry import Entry, State
from nstd.errors import (
    CancelledError,
    CannotWriteError,
    Disposition,
    EngineUnavailableError,
    InputChangedError,
    MissingInputError,
    NstdError,
    UntouchableError,
    WorkerDiedError,
)
from nstd.spool import claim, crashpoint, decide, files, publish, space, steps
from nstd.spool.desk import now
from nstd.spool.status import Progress
from nstd.worker import Begun, Cancel, Finished, Ready, Unable, Worker
from nstd.worker import Progress as Heartbeat

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from nstd.spool.decide import Patience
    from nstd.spool.desk import Desk
    from nstd.worker import Main, Message, Options

# Images are copied ahead of the worker, so that it never waits for a disk; but only for a few
# jobs, so that a later one of higher priority does not wait for many.
_AHEAD = 3

_log = structlog.get_logger()


class Dispatcher:
    """One worker, and the job that it has.

    Args:
        desk: where the jobs come from.
        options: for the worker process.
        patience: how often a job, or an engine, is tried.
        main: the worker process's main function.

    Attributes:
        running: the job that the worker has.
        progress: what was last heard of it.
    """

    def __init__(self, desk: Desk, options: Options, patience: Patience, main: Main) -> None:
        self._desk = desk
        self._options = options
        self._patience = patience
        self._main = main
        self._worker: Worker | None = None
        self._is_ready = False
        self._lost_workers = 0
        self.running: Entry | None = None
        self.progress: Progress | None = None

    @property
    def connection(self) -> Connection | None:
        """What to wait on for the worker."""
        return self._worker.connection if self._worker else None

    # -- towards the worker ------------------------------------------------------------------

    def dispatch(self) -> None:
        """Copy images ahead, and give the worker the next job if it has none.

        Raises:
            CannotWriteError: there is no room for another job.
            InboxAbsentError: the images can't be reached.
        """
        if self._worker is None:
            self._worker = Worker(self._options, self._main)
        waiting = self._desk.ledger.next_up(_AHEAD, now())
        if not waiting:
            return
        space.check(self._desk.config)
        for entry in waiting:
            self._prepare(entry)
        if self._is_ready and self.running is None:
            self._hand_over()

    def _prepare(self, entry: Entry) -> None:
        """Make sure that a job's images are copied."""
        try:
            after, turn = steps.advance(self._desk, entry, _no_manifest)
        except InputChangedError as error:
            claim.give_back(self._desk, entry)
            _log.info(telemetry.JOB_RELEASED, **_identity(entry), reason=str(error))
            return
        except (MissingInputError, UntouchableError) as error:
            self._judge(entry, Failure.of(error))
            return
        if after is None:
            reason = "its sidecar was taken back"
            _log.info(telemetry.JOB_RELEASED, **_identity(entry), reason=reason)
        elif turn is decide.Do.RUN and entry.state is State.QUEUED:
            self._spot_duplicate(after)

    def _spot_duplicate(self, entry: Entry) -> None:
        """Note that the same was done before; skip it if that is the policy."""
        earlier = self._desk.ledger.published(entry.fingerprint)
        if earlier is None or earlier.rendered is None or earlier.target is None:
            return
        policy = self._desk.config.on_duplicate
        skips = policy == "skip" and earlier.target.final.exists()
        _log.info(
            telemetry.JOB_DUPLICATE,
            **_identity(entry),
            duplicate_of=earlier.job_id,
            policy="skip" if skips else "rerun",
        )
        if skips:
            facts = {**earlier.rendered.facts, "seconds": {}}
            result = dataclasses.replace(earlier.rendered, path=earlier.target.final, facts=facts)
            self._desk.ledger.advance(
                entry,
                f"a duplicate of {earlier.job_id}",
                state=State.RENDERED,
                duplicate_of=earlier.job_id,
                rendered=result,
            )

    def _hand_over(self) -> None:
        """Give the worker the first job whose result could be written."""
        assert self._worker is not None  # noqa: S101 - the caller has made one
        for entry in self._desk.ledger.next_up(_AHEAD, now()):
            if entry.state is not State.CLAIMED:
                continue
            job = claim.job(self._desk.config, entry)
            try:
                publish.check_room(self._desk.config, entry)
                with files.writing(job.work):
                    job.work.mkdir(parents=True, exist_ok=True)
            except CannotWriteError as error:
                self._judge(entry, Failure.of(error))
                continue
            attempt = claim.attempt_number(entry)
            self.running = self._desk.ledger.advance(
                entry, f"attempt {attempt}", state=State.RUNNING, hold=""
            )
            self.progress = None
            crashpoint.reached("dispatched")
            _log.info(telemetry.JOB_STARTED, **_identity(entry))
            self._worker.send(job)
            return

    def cancel(self, entry: Entry) -> None:
        """End a job at its owner's wish; one that is rendered already is published all the same."""
        match entry.state:
            case State.QUEUED | State.CLAIMED:
                error = CancelledError("cancelled before it was run", file=entry.sidecar)
                self._judge(entry, Failure.of(error))
            case State.RUNNING if self._worker is not None:
                self._worker.send(Cancel(entry.job_id))

    # -- from the worker ---------------------------------------------------------------------

    def hear(self) -> None:
        """Take what the worker has said.

        Raises:
            EngineUnavailableError: it can't build its engine.
            CannotWriteError: the ledger can't be written.
        """
        if self._worker is None:
            return
        try:
            for message in self._worker.receive():
                self._take(message)
        except EOFError:
            self._bury()

    def _take(self, message: Message) -> None:
        entry = self.running
        match message:
            case Ready():
                self._is_ready, self._lost_workers = True, 0
                _log.info(
                    telemetry.WORKER_READY,
                    device=message.device,
                    precision=message.precision,
                    seconds=round(message.seconds, 3),
                )
            case Unable():
                raise EngineUnavailableError(message.failure.message.rstrip("."))
            case Begun() if entry and entry.job_id == message.job_id:
                _log.info(
                    telemetry.JOB_ESTIMATED,
                    **_identity(entry),
                    seconds=round(message.seconds, 1),
                    memory=round(message.memory),
                )
            case Heartbeat() if entry and entry.job_id == message.job_id:
                iterate = message.iterate
                self.progress = Progress(
                    entry.name, iterate.iteration + 1, iterate.planned, iterate.seconds
                )
                _log.debug(
                    telemetry.JOB_PROGRESS,
                    **_identity(entry),
                    iteration=iterate.iteration,
                    planned=iterate.planned,
                    loss=iterate.losses.total,
                    seconds=round(iterate.seconds, 4),
                )
            case Finished() if entry and entry.job_id == message.job_id:
                self.running = self.progress = None
                if isinstance(message.outcome, Rendered):
                    self._desk.ledger.advance(
                        entry, state=State.RENDERED, rendered=message.outcome, hold=""
                    )
                    crashpoint.reached("rendered")
                else:
                    self._judge(entry, message.outcome)

    def _bury(self) -> None:
        """A worker has died: count it against its job, or against the engine if it had none."""
        assert self._worker is not None  # noqa: S101 - only called with one
        code = self._worker.stop()
        _log.error(telemetry.WORKER_DIED, exit_code=code, said=self._worker.last_words())
        was_ready, self._worker, self._is_ready = self._is_ready, None, False
        if not was_ready:
            self._lost_workers += 1
            if self._lost_workers >= self._patience.attempts:
                raise EngineUnavailableError(
                    f"the worker died {self._lost_workers} times before it was ready "
                    f"(exit code {code})",
                    remedy=f"{self._options.log} has what it said",
                )
        if self.running:
            entry, self.running, self.progress = self.running, None, None
            error = WorkerDiedError(
                f"the worker died under this job (exit code {code})",
                file=entry.sidecar,
                remedy="try a smaller size; if it happens again, report it",
            )
            self._judge(entry, Failure.of(error))

    def _judge(self, entry: Entry, failure: Failure) -> None:
        """Decide what a failure means: an end, or another attempt."""
        if failure.code == CancelledError.code:
            self._desk.ledger.advance(entry, state=State.CANCELLED, failure=failure, hold="")
            return
        changes = decide.after_failure(entry, failure, self._patience, now())
        if entry.state is State.QUEUED and changes["state"] is State.CLAIMED:
            changes = {**changes, "state": State.QUEUED}  # its images are not copied yet
        self._desk.ledger.advance(entry, failure.code, **changes)
        if changes["state"] is State.FAILED:
            return
        wait = round(changes["not_before"] - now(), 1)
        if failure.disposition is not Disposition.HOLD:
            _log.warning(
                telemetry.JOB_DEFERRED, **_identity(entry), reason=failure.message, seconds=wait
            )
        elif entry.hold != failure.message:
            _log.warning(telemetry.JOB_HELD, **_identity(entry), reason=failure.message)

    # -- end ---------------------------------------------------------------------------------

    def shut_down(self) -> None:
        """Stop the worker; the job that it had goes on at the next start, and isn't to blame."""
        if self._worker is not None:
            self._worker.stop()
            self._worker, self._is_ready = None, False
        if self.running is not None:
            entry, self.running = self.running, None
            self._desk.ledger.advance(entry, "the daemon was stopped", state=State.CLAIMED)
            _log.info(telemetry.JOB_REQUEUED, **_identity(entry))


def _identity(entry: Entry) -> dict[str, object]:
    return {"job_id": entry.job_id, "name": entry.name, "attempt": claim.attempt_number(entry)}


def _no_manifest(entry: Entry) -> dict[str, object]:
    raise NstdError(f"{entry.job_id} has no result to tell of yet")
