"""Between the ledger and the workers: copy ahead, hand over, hear, and judge what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import deque
from typing import TYPE_CHECKING

import structlog

from nstd import telemetry
from nstd.domain import Failure, Rendered
from nstd.entry import Entry, State
from nstd.errors import (
    CancelledError,
    CannotWriteError,
    DeviceMemoryError,
    Disposition,
    InputChangedError,
    MissingInputError,
    NstdError,
    UntouchableError,
)
from nstd.spool import claim, crashpoint, decide, files, publish, space, steps
from nstd.spool.desk import now
from nstd.spool.nowfile import Device, Progress
from nstd.worker import Begun, Finished
from nstd.worker import Progress as Heartbeat

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path

    from nstd.spool.decide import Patience
    from nstd.spool.desk import Desk
    from nstd.station import Station

    _Said = Begun | Heartbeat | Finished | NstdError

# Images are copied ahead of the workers, so that none ever waits for a disk; but only for a few
# jobs, so that a later one of higher priority does not wait for many.
_AHEAD = 2
# Times in one turn that jobs whose results could not be written are passed over.
_MOST_REFUSED = 100

_log = structlog.get_logger()


class Dispatcher:
    """Gives the stations jobs, and judges what becomes of them.

    Args:
        desk: where the jobs come from.
        stations: one for each device.
        patience: how often a job is tried.
    """

    def __init__(self, desk: Desk, stations: Sequence[Station], patience: Patience) -> None:
        self._desk = desk
        self.stations = tuple(stations)
        self._patience = patience
        self._heard: deque[tuple[Station, Entry, _Said]] = deque()

    @property
    def connections(self) -> list[Connection]:
        """What to wait on for the workers."""
        return [station.connection for station in self.stations if station.connection]

    @property
    def is_ready(self) -> bool:
        """Whether a worker has built its engine."""
        return any(station.is_ready for station in self.stations)

    @property
    def running(self) -> list[Entry]:
        """The jobs that workers have."""
        return [station.entry for station in self.stations if station.entry]

    @property
    def progress(self) -> list[Progress]:
        """How far each of them has come, as far as is known."""
        return [
            Progress(
                station.entry.name,
                station.name,
                station.progress.iterate.iteration + 1,
                station.progress.iterate.planned,
                station.progress.iterate.seconds,
                station.entry.job_id,
                station.progress.iterate.losses.total,
            )
            for station in self.stations
            if station.entry and station.progress
        ]

    @property
    def devices(self) -> list[Device]:
        """How each device is."""
        return [Device(s.name, s.description, s.condition, s.deaths, s.jobs) for s in self.stations]

    # -- towards the workers -----------------------------------------------------------------

    def dispatch(self) -> None:
        """Copy images ahead, and give each idle worker the next job.

        Raises:
            CannotWriteError: there is no room for another job.
            InboxAbsentError: the images can't be reached.
        """
        self.tend()
        ahead = len(self.stations) + _AHEAD
        for _ in range(_MOST_REFUSED):
            waiting = self._desk.ledger.next_up(ahead, now())
            if not waiting:
                return
            space.check(self._desk.config)
            for entry in waiting:
                self._prepare(entry)
            refused = [self._hand_over(station) for station in self.stations if station.is_idle]
            # Those whose results could not be written are put off: others may be behind them.
            if not any(refused):
                return

    def tend(self) -> None:
        """Keep workers there, whether or not there is a job to begin."""
        for station in self.stations:
            self._tend(station)

    def _tend(self, station: Station) -> None:
        """Keep a worker there, and a fresh one where the limits ask for it."""
        limits = self._desk.config.limits
        if station.is_idle:
            held = station.resident_bytes() if limits.worker_bytes else 0
            if limits.worker_jobs and station.jobs >= limits.worker_jobs:
                station.recycle("limits.worker_jobs", f"it has done {station.jobs}")
            elif limits.worker_bytes and held > limits.worker_bytes:
                station.recycle("limits.worker_bytes", f"it holds {held:,}")
        station.start()

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
        skips = policy == "skip" and _is_there(earlier.target.final, earlier.rendered)
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

    def _hand_over(self, station: Station) -> bool:
        """Give a worker the first job whose result could be written; whether one's could not."""
        was_refused = False
        for entry in self._desk.ledger.next_up(len(self.stations) + _AHEAD, now()):
            if entry.state is not State.CLAIMED:
                continue
            job = claim.job(self._desk.config, entry)
            try:
                publish.check_room(self._desk.config, entry)
                with files.writing(job.work):
                    job.work.mkdir(parents=True, exist_ok=True)
            except CannotWriteError as error:
                self._judge(entry, Failure.of(error))
                was_refused = True
                continue
            attempt = claim.attempt_number(entry)
            entry = self._desk.ledger.advance(  # noqa: PLW2901 - the same job, a step further
                entry, f"attempt {attempt} on {station.name}", state=State.RUNNING, hold=""
            )
            crashpoint.reached("dispatched")
            _log.info(telemetry.JOB_STARTED, **_identity(entry), device=station.name)
            station.give(entry, job)
            break
        return was_refused

    def cancel(self, entry: Entry) -> None:
        """End a job at its owner's wish; one that is rendered already is published all the same."""
        if entry.state in {State.QUEUED, State.CLAIMED}:
            error = CancelledError("cancelled before it was run", file=entry.sidecar)
            self._judge(entry, Failure.of(error))
        for station in self.stations:
            if station.entry and station.entry.job_id == entry.job_id:
                station.cancel()

    # -- from the workers --------------------------------------------------------------------

    def hear(self) -> None:
        """Take what the workers have said.

        Raises:
            EngineUnavailableError: one can't build its engine.
            CannotWriteError: the ledger can't be written.
        """
        for station in self.stations:
            entry = station.entry  # what is said is of this one: a job is only given elsewhere
            for said in station.hear():
                assert entry is not None  # noqa: S101 - a station without a job has nothing to say
                self._heard.append((station, entry, said))
        self._take_heard()

    def _take_heard(self) -> None:
        """Judge what was heard; it is forgotten when the ledger has it, and not before."""
        while self._heard:
            self._take(*self._heard[0])
            self._heard.popleft()

    def _take(self, station: Station, entry: Entry, said: _Said) -> None:
        told = {**_identity(entry), "device": station.name}
        match said:
            case Begun():
                _log.info(
                    telemetry.JOB_ESTIMATED,
                    **told,
                    seconds=round(said.seconds, 1),
                    memory=round(said.memory),
                )
            case Heartbeat():
                iterate = said.iterate
                _log.debug(
                    telemetry.JOB_PROGRESS,
                    **told,
                    iteration=iterate.iteration,
                    planned=iterate.planned,
                    loss=iterate.losses.total,
                    seconds=round(iterate.seconds, 4),
                )
            case Finished(outcome=Rendered() as rendered):
                for plugin in rendered.facts.get("plugins", ()):
                    for reason in plugin["failures"]:
                        failed = {"plugin": plugin["name"], "reason": reason}
                        _log.warning(telemetry.PLUGIN_FAILED, **told, **failed)
                self._desk.ledger.advance(entry, state=State.RENDERED, rendered=rendered, hold="")
                crashpoint.reached("rendered")
            case Finished(outcome=Failure() as failure):
                self._judge(entry, failure)
                if failure.code == DeviceMemoryError.code:
                    station.recycle(failure.code, failure.message)
            case NstdError():
                self._judge(entry, Failure.of(said))

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
        """Stop the workers; their jobs go on at the next start, and aren't to blame."""
        with contextlib.suppress(CannotWriteError):
            self._take_heard()
        for station in self.stations:
            entry = station.stop()
            if entry is not None:
                self._desk.ledger.advance(entry, "the daemon was stopped", state=State.CLAIMED)
                _log.info(telemetry.JOB_REQUEUED, **_identity(entry))


def _is_there(path: Path, rendered: Rendered) -> bool:
    """Whether a result is still where it was published, and not another in its place."""
    try:
        return files.sha256(path) == rendered.sha256
    except OSError:
        return False


def _identity(entry: Entry) -> dict[str, object]:
    return {"job_id": entry.job_id, "name": entry.name, "attempt": claim.attempt_number(entry)}


def _no_manifest(entry: Entry) -> dict[str, object]:
    raise NstdError(f"{entry.job_id} has no result to tell of yet")
