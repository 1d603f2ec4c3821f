"""The daemon: scan, dispatch, close, and stop in order.

One thread and one loop. It sleeps on the worker's pipe and on a wake-up pipe that the watch and
the signal handlers write to; whatever woke it, it looks at everything.
"""

from __future__ import annotations

import contextlib
import signal
import time
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

import structlog

import nstd
from nstd import crew, devices, notify, telemetry, worker
from nstd.clerk import Clerk
from nstd.domain import internal_failure
from nstd.entry import State
from nstd.errors import CannotWriteError, Disposition, InboxAbsentError, NstdError
from nstd.guard import InboxGuard
from nstd.holding import Hold
from nstd.hooks.courier import Courier
from nstd.metrics.endpoint import Endpoint
from nstd.plugins import loading
from nstd.scantimes import ScanTimes
from nstd.signals import Signals
from nstd.spool import layout, lock, opening, retention
from nstd.spool.closing import Closing
from nstd.spool.desk import Desk, now
from nstd.spool.intake import Findings, Intake
from nstd.spool.watch import Waker, Watch
from nstd.telling import Teller

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection
    from pathlib import Path

    from nstd.config import Config
    from nstd.dispatch import Dispatcher
    from nstd.entry import Entry

_SCAN_PAUSE = 0.1
_PRUNE_SECONDS = 60.0
# What the end may take beyond the grace time: results on their way, workers that must be killed.
_ENDING_SECONDS, _WORKER_SECONDS = 15.0, 12.0
_FAILED, _UNFINISHED = 1, 75

_log = structlog.get_logger()


class Daemon:
    """Runs jobs until told to stop.

    Args:
        config: to begin with.
        weights: the verified weights file.
        drain: end when nothing is left that could run (`nstd once`).
        reread: gives the configuration as it is now, at SIGHUP.
        main: the worker processes' main function.

    Raises:
        DeviceAbsentError: a device that the configuration names isn't there.
        ConfigError: likewise a plugin.
    """

    def __init__(
        self,
        config: Config,
        weights: Path,
        *,
        drain: bool = False,
        reread: Callable[[], Config] | None = None,
        main: worker.Main = worker.serve,
    ) -> None:
        self._config = config
        self._weights = weights
        self._drain = drain
        self._reread = reread
        self._main = main
        loading.require(config.plugin_names)
        self._pins = devices.pins(config.device, devices.inventory())
        self._service = notify.Service()
        self._waker = Waker()
        self._scans = ScanTimes()
        self._hold = Hold()
        self._next_prune = 0.0
        self._findings: Findings | None = None
        self._signals = Signals(self._waker.wake)
        self._stop_at: float | None = None
        self._next_config: tuple[Config, tuple[devices.Pin, ...]] | None = None
        self._exit_code = 0

    def run(self) -> int:
        """Run until stopped or drained.

        Returns:
            The exit code: 0; after draining 1 if a job failed, 73 if a folder refused, 75 if
            jobs are left that wait for something.

        Raises:
            LockedError: another daemon has this inbox or this state folder.
            LedgerNewerError: a later version of nstd has written the ledger.
            CannotWriteError: a folder can't be made.
            CannotListenError: the metrics' port is taken.
            EngineUnavailableError: the worker can't build its engine.
        """
        layout.create_own(self._config)
        with contextlib.ExitStack() as stack:
            stack.enter_context(lock.held(self._config.folder("state")))
            ledger = opening.open_ledger(self._config)
            stack.callback(ledger.close)
            stack.enter_context(self._signals.caught())
            self._desk = Desk(self._config, ledger)
            self._set_up(stack)
            self._open_inbox()
            _log.info(
                telemetry.DAEMON_STARTED,
                version=nstd.__version__,
                **{name: str(self._config.folder(name)) for name in ("inbox", "outbox")},
            )
            while not self._is_over():
                self._step()
        _log.info(telemetry.DAEMON_STOPPED)
        self._waker.close()
        return self._result()

    def _set_up(self, stack: contextlib.ExitStack) -> None:
        """Make the parts; the stack takes them apart in the reverse order."""
        inbox = self._config.folder("inbox")
        self._metrics = Endpoint(self._config, self._pins)
        stack.callback(self._metrics.end)
        self._metrics.open()
        self._guard = stack.enter_context(InboxGuard(self._desk))
        self._watch = Watch(inbox, self._config.watch.mode, self._waker)
        self._intake = Intake(self._desk, self._service.feed)
        self._closing = Closing(self._desk)
        self._courier = Courier(self._desk)
        self._dispatcher = self._make_dispatcher()
        self._clerk = Clerk(self._desk, self._cancel)
        self._requests_watch = self._watch_requests()
        self._teller = Teller(self._desk, self._service)
        stack.callback(self._shut_down)

    def _watch_requests(self) -> Watch:
        """The state folder is on a local disk, so events tell of everything."""
        polls = self._config.watch.mode == "polling"
        folder = layout.requests(self._config)
        watch = Watch(folder, "polling" if polls else "inotify", self._waker)
        watch.check()
        return watch

    def _cancel(self, entry: Entry) -> None:
        """End a job at its owner's wish; the dispatcher may be another by then."""
        self._dispatcher.cancel(entry)

    def _make_dispatcher(self) -> Dispatcher:
        return crew.dispatcher(self._desk, self._weights, self._pins, self._main)

    def _open_inbox(self) -> None:
        """Begin with an inbox that is there for the first time, or again; raises as its guard."""
        self._guard.open(self._dispatcher.running)
        if self._guard.is_absent:
            self._end_drain(InboxAbsentError.exit_code)

    def _miss_inbox(self) -> None:
        self._guard.miss()
        self._end_drain(InboxAbsentError.exit_code)

    def _end_drain(self, code: int) -> None:
        """Something is missing, and whoever waits for the inbox to be drained should hear of it."""
        if self._drain:
            self._exit_code = code
            self._stop_at = time.monotonic()

    def _is_over(self) -> bool:
        if self._stop_at is not None:
            return not self._dispatcher.running or time.monotonic() >= self._stop_at
        if not self._drain or self._findings is None or self._findings.settling:
            return False
        ready = not self._clerk.is_paused and self._desk.ledger.next_up(1, now())
        busy = self._dispatcher.running or self._closing.may_go_on() or self._courier.is_busy
        return not ready and not busy

    def _result(self) -> int:
        if not self._drain:
            return 0
        if self._exit_code:
            return self._exit_code
        if self._closing.refused:
            return CannotWriteError.exit_code
        left = self._findings is None or self._findings.incomplete
        if self._closing.failures:
            return _FAILED
        return _UNFINISHED if left or self._unsettled else 0

    def _step(self) -> None:
        """One turn of the loop; whatever goes wrong in it, there is a next one."""
        try:
            self._sleep()
            self._service.feed()
            self._courier.tend()
            self._heed_signals()
            self._dispatcher.hear()
            self._tell_service()
            self._change_config()
            if self._clerk.heed(has_inbox=not self._guard.is_absent):
                self._findings = None  # which the next scan has to say anew
                self._scans.by(0.0)
            self._tend_inbox()
            if self._may_begin():
                if self._clerk.is_paused:
                    self._dispatcher.tend()
                else:
                    self._dispatcher.dispatch()
                self._hold.release()
            self._close()
            self._tell()
        except InboxAbsentError:
            self._miss_inbox()
        except NstdError as error:
            if error.disposition is Disposition.FATAL:
                raise
            self._wait(str(error))
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not stop the daemon
            _log.exception(telemetry.INTERNAL_ERROR)
            self._wait(str(error))

    def _wait(self, reason: str) -> None:
        """Begin no job and scan nothing for a while."""
        self._hold.begin(reason, self._config.rescan_seconds)
        self._scans.not_before(self._hold.until)
        self._end_drain(CannotWriteError.exit_code)

    def _may_begin(self) -> bool:
        """Whether a job may be begun now."""
        stays = self._stop_at is None and self._next_config is None
        return stays and not self._guard.is_absent and not self._hold.is_on

    def _tell_service(self) -> None:
        """Tell systemd that jobs can be done, once they can, and what is going on."""
        if self._dispatcher.is_ready and not self._guard.is_absent and self._stop_at is None:
            self._service.ready()
        self._teller.tell_service(self._dispatcher, self._idle)

    def _tell(self) -> None:
        """Say what is going on to people who see only the share, and to the commands."""
        if not self._guard.is_absent:
            unasked = self._findings.unasked if self._findings else {}
            self._teller.tell_share(self._dispatcher, self._incomplete, unasked, self._idle)
        self._teller.tell_commands(self._dispatcher, self._incomplete, self._held)

    @property
    def _incomplete(self) -> Mapping[Path, str]:
        """Sidecars that wait in the inbox, and for what."""
        return self._findings.incomplete if self._findings else {}

    @property
    def _held(self) -> str:
        """What resource is missing, so that no job is begun; empty if none is."""
        return "the inbox is absent" if self._guard.is_absent else self._hold.reason

    @property
    def _idle(self) -> str:
        """Why no job is begun; empty if jobs are."""
        return self._held or ("paused, until `nstd resume`" if self._clerk.is_paused else "")

    def _sleep(self) -> None:
        """Wait for the worker, a wake-up, or the time of the next scan."""
        wake_up = self._waker.fileno()
        sources: list[Connection | int] = [wake_up, self._courier.fileno()]
        sources += self._dispatcher.connections
        parts = (self._service, self._teller, self._clerk, self._courier)
        try:
            until = min(self._wakes_at(), *(part.wakes_at for part in parts))
        except NstdError:  # which the turn meets again; without a rest it would do nothing else
            until = self._scans.next
        if wake_up in wait(sources, max(0.0, until - time.monotonic())):
            self._waker.clear()
            self._scans.by(time.monotonic() + _SCAN_PAUSE)

    def _wakes_at(self) -> float:
        """Monotonic seconds until which nothing is to be done, unless something happens."""
        if self._stop_at is not None:
            return self._stop_at
        if self._closing.is_waiting:
            # An original is filed by the first scan after its grace time; if that left it there for
            # a sidecar that waits, the next ones come when they do.
            moment = self._closing.published_at + self._config.retire_grace_seconds
            if moment > self._desk.wanted.began:
                self._scans.by(moment)
        deferred = self._desk.ledger.next_time(now())
        if deferred is None or self._hold.is_on:
            return self._scans.next
        return min(self._scans.next, time.monotonic() + max(0.0, deferred - now()))

    # -- inbox -------------------------------------------------------------------------------

    def _tend_inbox(self) -> None:
        """Scan, if it is time, and do what comes of it."""
        if self._stop_at is not None or not self._scans.is_due:
            return
        began = time.monotonic()
        self._scans.begin(self._config.rescan_seconds)
        if self._guard.is_absent:
            self._open_inbox()
            if self._guard.is_absent:
                return
        self._watch.check()
        self._requests_watch.check()
        looked = time.monotonic() - began
        found = self._intake.scan()
        self._findings = found
        for entry in found.cancelled:
            self._cancel(entry)
        pause = self._config.rescan_seconds
        if found.settling:
            pause = min(pause, max(_SCAN_PAUSE, self._config.settle_seconds / 2))
        self._scans.end(looked + found.seconds, pause)
        if time.monotonic() >= self._next_prune:
            self._next_prune = time.monotonic() + _PRUNE_SECONDS
            retention.prune(self._desk)

    # -- end ---------------------------------------------------------------------------------

    def _close(self) -> None:
        """Take the jobs that have an outcome to their end, each on its own."""
        if self._guard.is_absent or not self._guard.is_ours:
            return
        for entry in self._closing.due():
            self._service.feed()  # there may be thousands
            try:
                self._closing.close(entry)
            except InboxAbsentError:
                raise
            except Exception as error:  # noqa: BLE001 - it concerns one job
                # A mistake of ours: quarantine the job, so that it ends.
                _log.exception(telemetry.INTERNAL_ERROR, job_id=entry.job_id)
                # It may have come further since it was listed; what is published is no failure.
                present = self._desk.ledger.entry(entry.job_id)
                if present is not None and present.state is State.RENDERED:
                    failure = internal_failure(error)
                    self._desk.ledger.advance(present, state=State.FAILED, failure=failure)
                else:
                    self._closing.put_off(entry, str(error))

    def _shut_down(self) -> None:
        """Stop the watch and the workers, and finish what needs neither."""
        self._watch.stop()
        self._requests_watch.stop()
        self._dispatcher.shut_down()
        with contextlib.suppress(NstdError):
            self._courier.stop()
            self._close()
            self._teller.close(has_inbox=self._guard.is_ours and not self._guard.is_absent)
        self._unsettled = self._desk.ledger.count_unsettled()

    def _heed_signals(self) -> None:
        """First stop: finish the running jobs within the grace time. Second: stop at once."""
        for number in self._signals.take():
            if number is signal.SIGHUP:
                self._service.reloading()
                self._reload()
                self._service.reloaded()
                continue
            grace = self._config.limits.grace_seconds if self._stop_at is None else 0.0
            self._stop_at = time.monotonic() + grace
            ending = _ENDING_SECONDS + _WORKER_SECONDS * len(self._pins)
            self._service.stopping(grace + ending)
            _log.info(telemetry.DAEMON_STOPPING, signal=number.name, grace_seconds=grace)

    # -- a new configuration -----------------------------------------------------------------

    def _reload(self) -> None:
        """Read the configuration again; put it in force between jobs, or say why not."""
        if self._reread is None:
            _log.warning(telemetry.CONFIG_REFUSED, reason="there is no file to read again")
            return
        try:
            config = self._reread()
            config.refuse_moves(self._config)
            loading.require(config.plugin_names)
            pins = devices.pins(config.device, devices.inventory())
        except NstdError as error:
            _log.error(telemetry.CONFIG_REFUSED, reason=str(error))
            return
        self._next_config = config, pins

    def _change_config(self) -> None:
        """Put a new configuration in force as soon as no job is running under the old one."""
        if self._next_config is None or self._dispatcher.running:
            return
        config, pins = self._next_config
        self._next_config = None
        try:
            self._metrics.follow(config, pins)
        except NstdError as error:
            _log.error(telemetry.CONFIG_REFUSED, reason=str(error))
            return
        telemetry.set_up(config.log)
        workers_stay = pins == self._pins and crew.is_unchanged(self._config, config)
        self._config = self._desk.config = config
        self._pins = pins
        self._watch.stop()
        self._watch = Watch(self._desk.inbox, config.watch.mode, self._waker)
        self._requests_watch.stop()
        self._requests_watch = self._watch_requests()
        self._intake = Intake(self._desk, self._service.feed)
        if not workers_stay:
            self._dispatcher.shut_down()
            self._dispatcher = self._make_dispatcher()
        self._courier.reload()
        self._scans.at_once()
        _log.info(telemetry.CONFIG_RELOADED, workers="kept" if workers_stay else "replaced")
