"""A station: one device, its worker process, and the job that it has."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from nstd import telemetry
from nstd.errors import (
    DeviceAbsentError,
    EngineUnavailableError,
    WorkerDiedError,
    WorkerStalledError,
)
from nstd.worker import Begun, Cancel, Finished, Progress, Ready, Unable, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from typing import Literal

    from nstd.domain import Job
    from nstd.entry import Entry
    from nstd.errors import NstdError
    from nstd.worker import Main, Message, Options

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
# How many times its expected seconds an iteration may take before it counts as a stall.
_ITERATIONS = 20.0

_log = structlog.get_logger()


class Station:
    """Keeps a worker alive on its device, and knows what it is doing.

    Args:
        options: for the worker process.
        main: the worker process's main function.
        stall_seconds: without a sign of life, a worker with a job is killed.
        begin_seconds: likewise, but for building the engine, and for reading and tracing until a
            job's first iteration.
        job_seconds: a job may take; None for any time.
        tries: deaths before the worker was ever ready that mean it never will be.
        clock: monotonic seconds.

    Attributes:
        entry: the job that the worker has.
        progress: what was last heard of it.
        is_ready: whether it can take a job.
        deaths: of workers since one was last ready: above zero, the station is unhealthy.
        jobs: that this worker has finished.
        description: of the device, as the engine has it; empty before there was one.
    """

    def __init__(
        self,
        options: Options,
        main: Main,
        *,
        stall_seconds: float,
        begin_seconds: float,
        job_seconds: float | None,
        tries: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options
        self._main = main
        self._stall_seconds = stall_seconds
        self._begin_seconds = begin_seconds
        self._job_seconds = job_seconds
        self._tries = tries
        self._clock = clock
        self._worker: Worker | None = None
        self._not_before = 0.0
        self._was_ever_ready = False
        self._begun_at = self._heard_at = 0.0
        self.entry: Entry | None = None
        self.progress: Progress | None = None
        self.is_ready = False
        self.deaths = 0
        self.jobs = 0
        self.description = ""

    @property
    def name(self) -> str:
        """The device's, as the configuration has it."""
        return self.options.pin.name

    @property
    def connection(self) -> Connection | None:
        """What to wait on for the worker."""
        return self._worker.connection if self._worker else None

    @property
    def is_idle(self) -> bool:
        """Whether it can take a job now."""
        return self.is_ready and self.entry is None

    @property
    def condition(self) -> Literal["starting", "idle", "working", "resting"]:
        """What the device is at."""
        if self.entry is not None:
            return "working"
        if self.is_ready:
            return "idle"
        return "resting" if self._worker is None and self.deaths else "starting"

    def start(self) -> None:
        """Start a worker if there is none; one that keeps dying is given a rest first."""
        if self._worker is None and self._clock() >= self._not_before:
            self._worker = Worker(self.options, self._main)
            self._heard_at = self._clock()
            self.jobs = 0

    def give(self, entry: Entry, job: Job) -> None:
        """Hand a job to the worker."""
        assert self._worker is not None  # noqa: S101 - it is idle, so it is there
        self.entry, self.progress = entry, None
        self._begun_at = self._heard_at = self._clock()
        self._worker.send(job)

    def cancel(self) -> None:
        """Ask the worker to end its job."""
        if self._worker is not None and self.entry is not None:
            self._worker.send(Cancel(self.entry.job_id))

    def hear(self) -> Iterator[Begun | Progress | Finished | NstdError]:
        """What the worker has said of its job, or the error that it came to with its job.

        After `Finished` and after an error the station has no job any more.

        Raises:
            EngineUnavailableError: the engine can't be built, here and now.
            DeviceAbsentError: its device isn't there after all.
        """
        if self._worker is None:
            return
        try:
            for message in self._worker.receive():
                yield from self._take(message)
        except EOFError:
            yield from self._bury()
            return
        limit, late = self._lateness()
        if late:
            yield from self._kill(limit, late)

    def _take(self, message: Message) -> Iterator[Begun | Progress | Finished]:
        self._heard_at = self._clock()
        match message:
            case Ready():
                self.is_ready, self._was_ever_ready, self.deaths = True, True, 0
                self.description = f"{message.device}, {message.precision}"
                _log.info(
                    telemetry.WORKER_READY,
                    pin=self.name,
                    device=message.device,
                    gpu=str(self.options.pin.gpu) if self.options.pin.gpu else None,
                    precision=message.precision,
                    seconds=round(message.seconds, 3),
                )
            case Unable(failure=failure) if self._was_ever_ready:
                # Lost since: its death will be seen, and its device given a rest; others go on.
                _log.error(telemetry.WORKER_UNABLE, pin=self.name, reason=failure.message)
            case Unable(failure=failure):
                told = failure.message.rstrip(".")
                if failure.code == DeviceAbsentError.code:
                    raise DeviceAbsentError(told)
                raise EngineUnavailableError(told)
            case Begun() | Progress() | Finished() if self._is_ours(message):
                if isinstance(message, Progress):
                    self.progress = message
                if isinstance(message, Finished):
                    self.entry, self.progress = None, None
                    self.jobs += 1
                yield message

    def _is_ours(self, message: Begun | Progress | Finished) -> bool:
        return self.entry is not None and self.entry.job_id == message.job_id

    def _lateness(self) -> tuple[str, str]:
        """The limit by which the worker should be done, or be heard of, and why; empty if not."""
        now = self._clock()
        if self.entry is None and self.is_ready:
            return "", ""
        if self.entry and self._job_seconds and now - self._begun_at > self._job_seconds:
            limit = "limits.job_timeout_seconds"
            return limit, f"took longer than {self._job_seconds:g} s ({limit})"
        patience, limit = self._begin_seconds, "limits.begin_seconds"
        if self.progress:
            # A large picture's iterations may be slower than anybody foresaw.
            expected = self.progress.iterate.seconds * _ITERATIONS
            patience, limit = max(self._stall_seconds, expected), "limits.stall_seconds"
        if now - self._heard_at <= patience:
            return "", ""
        return limit, f"the worker gave no sign of life for {patience:.0f} s ({limit})"

    def _kill(self, limit: str, reason: str) -> Iterator[NstdError]:
        assert self._worker is not None  # noqa: S101 - it was just listened for
        _log.error(telemetry.WORKER_KILLED, pin=self.name, cause=limit, reason=reason)
        self._worker.kill()
        was_ready, self._worker, self.is_ready = self.is_ready, None, False
        if not was_ready:
            self._count_death("killed")
        if self.entry is not None:
            entry, self.entry, self.progress = self.entry, None, None
            yield WorkerStalledError(
                reason,
                file=entry.sidecar,
                remedy="lower size or iterations; if it happens again, report it",
            )

    def _bury(self) -> Iterator[NstdError]:
        """A worker has died: with its job, or before it was ready."""
        assert self._worker is not None  # noqa: S101 - it was just heard
        code = self._worker.stop()
        said = self._worker.last_words()
        _log.error(telemetry.WORKER_DIED, pin=self.name, exit_code=code, said=said)
        was_ready, self._worker, self.is_ready = self.is_ready, None, False
        if not was_ready:
            self._count_death(f"exit code {code}")
        if self.entry is not None:
            entry, self.entry, self.progress = self.entry, None, None
            yield WorkerDiedError(
                f"the worker died under this job (exit code {code})",
                file=entry.sidecar,
                remedy="try a smaller size; if it happens again, report it",
            )

    def _count_death(self, how: str) -> None:
        """A worker ended before it was ready: give its device a rest, a longer one each time."""
        self.deaths += 1
        if not self._was_ever_ready and self.deaths >= self._tries:
            raise EngineUnavailableError(
                f"the worker on {self.name} died {self.deaths} times before it was ready ({how})",
                remedy=f"{self.options.log} has what it said",
            )
        pause = min(_FIRST_PAUSE * 2.0 ** (self.deaths - 1), _LONGEST_PAUSE)
        self._not_before = self._clock() + pause
        _log.warning(telemetry.WORKER_UNHEALTHY, pin=self.name, deaths=self.deaths, seconds=pause)

    def recycle(self, cause: str, reason: str) -> None:
        """Replace an idle worker by a fresh one.

        Args:
            cause: the limit that asks for it, or another one of a few words.
            reason: the same for people.
        """
        if self._worker is not None and self.entry is None:
            told = {"pin": self.name, "cause": cause, "reason": reason}
            _log.info(telemetry.WORKER_RECYCLED, **told, jobs=self.jobs)
            self._worker.stop()
            self._worker, self.is_ready = None, False

    def resident_bytes(self) -> int:
        """Memory that the worker holds; 0 if there is none, or it can't be told."""
        if self._worker is None or self._worker.pid is None:
            return 0
        try:
            status = Path(f"/proc/{self._worker.pid}/status").read_text(encoding="ascii")
        except OSError:
            return 0
        for line in status.splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def stop(self) -> Entry | None:
        """End the worker; returns the job that it had."""
        if self._worker is not None:
            self._worker.stop()
            self._worker, self.is_ready = None, False
        entry, self.entry = self.entry, None
        return entry
