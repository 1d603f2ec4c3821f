"""The daemon: scan, claim, dispatch, conclude, and stop in order.

One thread and one loop. It sleeps on the worker's pipe and on a wake-up pipe that the watch and
the signal handlers write to; whatever woke it, it looks at everything.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections import deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import structlog

import nstd
from nstd import telemetry
from nstd.conclude import Run, conclude, reject
from nstd.domain import Failure, Rendered, internal_failure
from nstd.errors import (
    CannotWriteError,
    Disposition,
    EngineUnavailableError,
    InputChangedError,
    InputError,
    NstdError,
    UntouchableError,
    WorkerDiedError,
)
from nstd.spool import claim as claiming
from nstd.spool import layout, lock
from nstd.spool.scan import Rejection, Scanner
from nstd.spool.watch import Waker, Watch
from nstd.worker import Begun, Finished, Options, Progress, Ready, Unable, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path
    from types import FrameType

    from nstd.config import Config
    from nstd.domain import Candidate
    from nstd.worker import Message

# Images are copied ahead of the worker, so that it never waits for a disk; but only for a few
# jobs, so that a later one of higher priority does not wait for many.
_CLAIMS = 3
_SCAN_PAUSE = 0.1
_FAILED, _INCOMPLETE = 1, 75

_log = structlog.get_logger()


class Daemon:
    """Runs jobs until told to stop.

    Args:
        config: of this daemon, for as long as it lives.
        weights: the verified weights file.
        drain: end when nothing is left that could run (`nstd once`).
    """

    def __init__(self, config: Config, weights: Path, *, drain: bool = False) -> None:
        limits = config.limits
        self._config = config
        self._drain = drain
        self._options = Options(
            weights,
            config.precision,
            config.threads,
            config.deterministic,
            limits.image_bytes,
            limits.image_pixels,
            layout.worker_log(config),
        )
        self._waker = Waker()
        self._scanner = Scanner(config)
        self._worker: Worker | None = None
        self._worker_is_ready = False
        self._lost_workers = 0
        self._queue: deque[Run] = deque()
        self._running: Run | None = None
        self._ending: deque[Run] = deque()
        self._next_scan = 0.0
        self._held_until = 0.0
        self._nothing_left = False
        self._said_waiting: dict[Path, str] = {}
        self._complaints: dict[Path, str] = {}
        self._signals_received: list[int] = []
        self._stop_at: float | None = None
        self._exit_code = 0
        self._incomplete = False

    def run(self) -> int:
        """Run until stopped or drained.

        Returns:
            The exit code: 0; after draining 1 if a job failed, 75 if incomplete jobs are left.

        Raises:
            LockedError: another daemon has this inbox or this state folder.
            CannotWriteError: a folder can't be made.
            EngineUnavailableError: the worker can't build its engine.
        """
        layout.create(self._config)
        with lock.held(self._config), self._signals(), self._watch():
            _log.info(
                telemetry.DAEMON_STARTED,
                version=nstd.__version__,
                **{name: str(self._config.folder(name)) for name in ("inbox", "outbox")},
            )
            for path in claiming.recover(self._config):
                _log.warning(telemetry.JOB_RECOVERED, sidecar=str(path))
            try:
                while not self._is_over():
                    self._step()
            finally:
                self._shut_down()
        if not self._drain:
            return 0
        return self._exit_code or (_INCOMPLETE if self._incomplete else 0)

    def _is_over(self) -> bool:
        if self._stop_at is not None:
            return self._running is None or time.monotonic() >= self._stop_at
        idle = not (self._queue or self._running or self._ending)
        return self._drain and idle and self._nothing_left

    def _step(self) -> None:
        """One turn of the loop; whatever goes wrong in it, there is a next one."""
        try:
            self._sleep()
            self._heed_signals()
            self._hear_worker()
            if self._stop_at is None:
                self._scan_if_due()
                self._dispatch()
            self._conclude()
        except NstdError as error:
            if error.disposition is Disposition.FATAL:
                raise
            self._hold(str(error))
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not stop the daemon
            _log.exception(telemetry.INTERNAL_ERROR)
            self._hold(str(error))

    def _sleep(self) -> None:
        """Wait for the worker, a wake-up, or the time of the next scan."""
        wake_up = self._waker.fileno()
        sources: list[Connection | int] = [wake_up]
        if self._worker is not None:
            sources.append(self._worker.connection)
        until = self._next_scan if self._stop_at is None else self._stop_at
        if wake_up in wait(sources, max(0.0, until - time.monotonic())):
            self._waker.clear()
            self._next_scan = min(self._next_scan, time.monotonic() + _SCAN_PAUSE)

    def _hold(self, reason: str) -> None:
        """Pause claiming and concluding: a resource is missing, and asking at once won't help."""
        _log.warning(telemetry.DAEMON_HELD, reason=reason, seconds=self._config.rescan_seconds)
        self._held_until = time.monotonic() + self._config.rescan_seconds
        self._next_scan = max(self._next_scan, self._held_until)
        if self._drain:  # whoever waits for the end should hear of it
            self._exit_code = CannotWriteError.exit_code
            self._stop_at = time.monotonic()

    def _is_held(self) -> bool:
        return time.monotonic() < self._held_until

    # -- inbox -------------------------------------------------------------------------------

    def _scan_if_due(self) -> None:
        if time.monotonic() < self._next_scan:
            return
        scan = self._scanner.scan()
        self._next_scan = time.monotonic() + (
            max(_SCAN_PAUSE, self._config.settle_seconds / 2)
            if scan.settling
            else self._config.rescan_seconds
        )
        self._say_waiting(
            {found.path: found.reason for found in scan.waiting if not found.settling}
        )
        for candidate in scan.ready:
            if len(self._queue) + bool(self._running) >= _CLAIMS:
                break
            self._claim(candidate)
        for rejection in scan.rejected:
            self._reject(rejection)
        met = {ready.path for ready in scan.ready} | {bad.path for bad in scan.rejected}
        self._complaints = {path: why for path, why in self._complaints.items() if path in met}
        self._nothing_left = not (met - self._complaints.keys() or scan.settling)
        self._incomplete = bool(scan.waiting or self._complaints)

    def _claim(self, candidate: Candidate) -> None:
        started = time.monotonic()
        try:
            claim = claiming.claim(candidate, self._config)
        except UntouchableError as error:
            self._complain(candidate.path, str(error))
            return
        except InputChangedError as error:
            _log.info(telemetry.JOB_RELEASED, name=candidate.path.name, reason=str(error))
            return
        except InputError as error:
            self._reject(
                Rejection(candidate.path, candidate.folder, candidate.images, Failure.of(error))
            )
            return
        run = Run(claim, started, {"queued": claim.queued_seconds})
        run.ends("claim")
        _log.info(telemetry.JOB_CLAIMED, job_id=claim.job_id, name=claim.name)
        self._queue.append(run)

    def _reject(self, rejection: Rejection) -> None:
        wanted = self._scanner.wanted_images(besides=rejection.path) | self._claimed_images()
        try:
            reject(rejection, self._config, wanted=wanted)
        except CannotWriteError as error:
            # It stays where it is and is met again by the next scan; the others go on.
            self._complain(rejection.path, str(error))
            return
        self._exit_code = self._exit_code or _FAILED

    def _claimed_images(self) -> set[Path]:
        """Images of the jobs that have not ended."""
        runs = [*self._queue, *([self._running] if self._running else [])]
        return {image for run in runs for image in run.claim.candidate.images}

    def _complain(self, path: Path, reason: str) -> None:
        """Log once why a sidecar can be neither run nor moved away; it is tried at every scan."""
        if self._complaints.get(path) != reason:
            _log.warning(telemetry.SCAN_WAITING, sidecar=str(path), reason=reason)
        self._complaints[path] = reason

    def _say_waiting(self, reasons: dict[Path, str]) -> None:
        """Log what each incomplete sidecar waits for, once."""
        for path, reason in reasons.items():
            if self._said_waiting.get(path) != reason:
                _log.info(telemetry.SCAN_WAITING, sidecar=str(path), reason=reason)
        self._said_waiting = reasons

    # -- worker ------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        if self._worker is None:
            self._worker = Worker(self._options)
        if not self._worker_is_ready or self._running or not self._queue or self._is_held():
            return
        run = max(self._queue, key=lambda run: run.claim.candidate.sidecar.priority)
        self._queue.remove(run)
        run.attempt += 1
        run.ends("wait")
        self._running = run
        _log.info(
            telemetry.JOB_STARTED,
            job_id=run.claim.job_id,
            name=run.claim.name,
            attempt=run.attempt,
        )
        self._worker.send(claiming.job(run.claim, self._config))

    def _hear_worker(self) -> None:
        if self._worker is None:
            return
        try:
            for message in self._worker.receive():
                self._take(message)
        except EOFError:
            self._bury_worker()

    def _take(self, message: Message) -> None:
        run = self._running
        match message:
            case Ready():
                self._worker_is_ready = True
                self._lost_workers = 0
                _log.info(
                    telemetry.WORKER_READY,
                    device=message.device,
                    precision=message.precision,
                    seconds=round(message.seconds, 3),
                )
            case Unable():
                raise EngineUnavailableError(message.failure.message.rstrip("."))
            case Begun() if run and run.claim.job_id == message.job_id:
                _log.info(
                    telemetry.JOB_ESTIMATED,
                    job_id=message.job_id,
                    name=run.claim.name,
                    seconds=round(message.seconds, 1),
                    memory=round(message.memory),
                )
            case Progress() if run and run.claim.job_id == message.job_id:
                iterate = message.iterate
                _log.debug(
                    telemetry.JOB_PROGRESS,
                    job_id=message.job_id,
                    name=run.claim.name,
                    iteration=iterate.iteration,
                    planned=iterate.planned,
                    loss=iterate.losses.total,
                    seconds=round(iterate.seconds, 4),
                )
            case Finished() if run and run.claim.job_id == message.job_id:
                # The worker's own stages come with its answer; the rest is the way there and back.
                run.ends("handover")
                run.seconds["handover"] -= message.seconds
                self._running = None
                self._settle(run, message.outcome)

    def _bury_worker(self) -> None:
        """A worker has died: count it against its job, or against the engine if it had none."""
        assert self._worker is not None  # noqa: S101 - only called with one
        code = self._worker.stop()
        _log.error(telemetry.WORKER_DIED, exit_code=code, said=self._worker.last_words())
        was_ready = self._worker_is_ready
        self._worker, self._worker_is_ready = None, False
        if not was_ready:
            self._lost_workers += 1
            if self._lost_workers >= self._config.limits.attempts:
                raise EngineUnavailableError(
                    f"the worker died {self._lost_workers} times before it was ready "
                    f"(exit code {code})",
                    remedy=f"{self._options.log} has what it said",
                )
        if self._running:
            run, self._running = self._running, None
            error = WorkerDiedError(
                f"the worker died under this job (exit code {code})",
                remedy="try a smaller size; if it happens again, report it",
            )
            self._settle(run, Failure.of(error))

    def _settle(self, run: Run, outcome: Rendered | Failure) -> None:
        """Decide what an outcome means: an end, or another attempt."""
        match outcome:
            case Failure(disposition=Disposition.HOLD):
                run.attempt -= 1  # the job is not to blame
                self._queue.appendleft(run)
                self._hold(outcome.message)
            case Failure(disposition=Disposition.RETRY) if (
                run.attempt < self._config.limits.attempts
            ):
                self._queue.appendleft(run)
            case _:
                run.outcome = outcome
                self._ending.append(run)

    # -- end ---------------------------------------------------------------------------------

    def _conclude(self) -> None:
        """End the jobs that have an outcome; one that can't be written now waits its turn."""
        for _ in range(len(self._ending)):
            run = self._ending.popleft()
            if time.monotonic() < run.not_before:
                self._ending.append(run)
                continue
            try:
                wanted = self._scanner.wanted_images() | self._claimed_images()
                done = conclude(run, self._config, wanted=wanted)
            except CannotWriteError as error:
                run.not_before = time.monotonic() + self._config.rescan_seconds
                self._ending.append(run)
                self._hold(str(error))
            except Exception as error:
                # A mistake of ours: quarantine the job, so that it ends. If even that fails, its
                # sidecar stays claimed, and the next start puts it back.
                if not isinstance(run.outcome, Failure):
                    run.outcome = internal_failure(error)
                    self._ending.append(run)
                raise
            else:
                self._exit_code = self._exit_code or (0 if done else _FAILED)
                self._next_scan = 0.0  # there is room for another claim

    def _shut_down(self) -> None:
        """Stop the worker and put back what it had not finished."""
        if self._worker is not None:
            self._worker.stop()
        unfinished = [*self._queue, *([self._running] if self._running else [])]
        for run in unfinished:
            claiming.release(run.claim, self._config)
            _log.info(telemetry.JOB_RELEASED, job_id=run.claim.job_id, name=run.claim.name)
        for run in self._ending:
            with contextlib.suppress(CannotWriteError):
                conclude(run, self._config, wanted=self._scanner.wanted_images())
        _log.info(telemetry.DAEMON_STOPPED)
        self._waker.close()

    @contextlib.contextmanager
    def _watch(self) -> Iterator[None]:
        watch = Watch(self._config.folder("inbox"), self._waker)
        try:
            watch.start()
        except OSError as error:
            _log.warning(telemetry.WATCH_DEGRADED, reason=str(error))
        try:
            yield
        finally:
            watch.stop()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        previous = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        """Note the signal for the loop; a handler may interrupt anything, so it does no more."""
        self._signals_received.append(number)
        self._waker.wake()

    def _heed_signals(self) -> None:
        """First signal: finish the running job within the grace time. Second: stop at once."""
        while self._signals_received:
            name = signal.Signals(self._signals_received.pop(0)).name
            grace = self._config.limits.grace_seconds if self._stop_at is None else 0.0
            self._stop_at = time.monotonic() + grace
            _log.info(telemetry.DAEMON_STOPPING, signal=name, grace_seconds=grace)
