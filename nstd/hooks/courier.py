"""The courier: takes what hooks are to be told from the ledger, and sees that they are told.

The ledger is the main loop's, so it is the main loop that reads and writes it here. What can take
its time, a program or a server, is left to a thread: one for each hook, with one delivery at a
time, so that a hook that hangs keeps nobody waiting but itself.
"""

from __future__ import annotations

import functools
import math
import queue
import random
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import structlog

from nstd import telemetry
from nstd.errors import NstdError
from nstd.hook_settings import Command, PluginHook, Webhook
from nstd.hooks import command
from nstd.hooks.faults import faults
from nstd.hooks.outcome import Outcome, Verdict
from nstd.spool.desk import now
from nstd.spool.watch import Waker

if TYPE_CHECKING:
    from collections.abc import Callable

    from nstd.hook_settings import Hook
    from nstd.spool.deliveries import Delivery
    from nstd.spool.desk import Desk

_SWEEP_SECONDS: Final = 60.0
_REST_SECONDS: Final = 5.0
_SWEPT: Final = 1000
_JITTER: Final = 0.2
# At the daemon's end: for what is under way, and for commands that are then told to end.
_LEAVE_SECONDS: Final = 3.0
_KILL_SECONDS: Final = 4.0

_log = structlog.get_logger()


class Courier:
    """Tells hooks of events, off the main loop.

    Args:
        desk: whose ledger and configuration.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waker = Waker()
        self._stopping = threading.Event()
        self._reports: queue.SimpleQueue[tuple[str, Outcome]] = queue.SimpleQueue()
        self._under_way: dict[str, tuple[str, Delivery]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._disabled: set[str] = set()
        self._paused: dict[str, float] = {}
        self._next_sweep = self._rests_until = 0.0
        self._say_faults()

    def fileno(self) -> int:
        """For `select`: readable when a thread has something to report."""
        return self._waker.fileno()

    @property
    def is_busy(self) -> bool:
        """Whether a delivery is under way, or could be."""
        return bool(self._under_way) or self.wakes_at <= time.monotonic()

    @property
    def wakes_at(self) -> float:
        """Monotonic seconds at which the next delivery is due that could be begun then."""
        idle = self._desk.config.hooks.all.keys() - self._under_way.keys()
        due = min((self._due(key) for key in idle), default=math.inf)
        return max(self._rests_until, time.monotonic() + due - now())

    def reload(self) -> None:
        """Give hooks that were disabled another chance: somebody has looked at them."""
        self._disabled.clear()
        self._paused.clear()
        self._say_faults()

    def _say_faults(self) -> None:
        for label, error in faults(self._desk.config.hooks):
            _log.warning(telemetry.HOOK_FAULTY, hook=label, reason=str(error))

    def tend(self) -> None:
        """Take reports, and begin what is due.

        A mistake of ours in here must not hold up jobs, nor be made again and again.

        Raises:
            CannotWriteError: the ledger can't be written; what was told may be told again.
        """
        self._waker.clear()
        if time.monotonic() < self._rests_until:
            return
        self._rests_until = time.monotonic() + _REST_SECONDS
        try:
            self._tend()
        except NstdError:
            raise
        except Exception:  # noqa: BLE001 - see above
            _log.exception(telemetry.INTERNAL_ERROR)
        else:
            self._rests_until = 0.0

    def _tend(self) -> None:
        while not self._reports.empty():
            key, outcome = self._reports.get()
            label, delivery = self._under_way.pop(key)
            self._threads.pop(key)
            self._judge(label, delivery, outcome)
        self._sweep()
        for key, (label, hook) in self._desk.config.hooks.all.items():
            if key not in self._under_way:
                self._begin(key, label, hook)

    def stop(self) -> None:
        """Leave what is under way a moment, then end it; the next start begins it anew."""
        deadline = time.monotonic() + _LEAVE_SECONDS
        while self._under_way and time.monotonic() < deadline:
            for thread in list(self._threads.values()):
                thread.join(max(0.0, deadline - time.monotonic()))
            while not self._reports.empty():
                key, outcome = self._reports.get()
                self._judge(*self._under_way.pop(key), outcome)
                self._threads.pop(key)
        self._stopping.set()
        deadline = time.monotonic() + _KILL_SECONDS
        for key in [key for key, (_, one) in self._under_way.items() if self._is_command(one)]:
            self._threads[key].join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads.values()):
            self._waker.close()

    def _is_command(self, delivery: Delivery) -> bool:
        known = self._desk.config.hooks.all.get(delivery.hook)
        return known is not None and isinstance(known[1], Command | PluginHook)

    def _due(self, key: str) -> float:
        """When a hook's next delivery is due, seconds since the epoch."""
        if key in self._disabled:
            return math.inf
        due = self._desk.ledger.deliveries.next_time(key)
        paused = self._paused.get(key, 0.0) - time.monotonic()
        return math.inf if due is None else max(due, now() + paused)

    def _begin(self, key: str, label: str, hook: Hook) -> None:
        moment = now()
        if self._due(key) > moment:
            return
        delivery = self._desk.ledger.deliveries.next_for(key, moment)
        assert delivery is not None  # noqa: S101 - it is due
        attempt = self._attempt(hook, delivery)
        # A daemon thread: a server that doesn't answer must not keep the process from ending.
        thread = threading.Thread(
            target=self._tell, args=(key, attempt), name=f"nstd-hook-{key}", daemon=True
        )
        self._under_way[key], self._threads[key] = (label, delivery), thread
        thread.start()

    def _attempt(self, hook: Hook, delivery: Delivery) -> Callable[[], Outcome]:
        match hook:
            case Command():
                return functools.partial(command.run, hook, delivery.message, self._stopping)
            case PluginHook():
                # In a process of its own it can neither crash the daemon nor hang in it.
                argv = [sys.executable, "-m", "nstd.plugins", hook.plugin]
                program = Command(argv=argv, timeout_seconds=hook.timeout_seconds)
                return functools.partial(command.run, program, delivery.message, self._stopping)
            case Webhook():
                from nstd.hooks import webhook  # noqa: PLC0415 - httpx takes a while to load

                allowed = self._desk.config.hooks.allow_link_local
                return functools.partial(
                    webhook.post, hook, delivery.message, allow_link_local=allowed
                )
        raise AssertionError(f"unreachable: {hook}")  # pragma: no cover

    def _tell(self, key: str, attempt: Callable[[], Outcome]) -> None:
        """In a thread: tell one hook of one event, and report."""
        try:
            outcome = attempt()
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not lose the delivery
            reason = f"nstd made a mistake: {type(error).__name__}: {error}"
            outcome = Outcome(Verdict.RETRY, reason)
        self._reports.put((key, outcome))
        self._waker.wake()

    def _judge(self, label: str, delivery: Delivery, outcome: Outcome) -> None:
        """Write down what came of an attempt."""
        deliveries, message = self._desk.ledger.deliveries, delivery.message
        told = {
            "hook": label,
            "told": message.event,
            "delivery": message.message_id,
            "job_id": message.job_id,
            "name": message.name,
            "attempt": delivery.attempts + 1,
            **outcome.facts,
        }
        match outcome.verdict:
            case Verdict.DONE:
                deliveries.remove(delivery)
                _log.info(telemetry.HOOK_DONE, **told)
            case Verdict.FAILED:
                deliveries.remove(delivery)
                _log.warning(telemetry.HOOK_FAILED, **told, reason=outcome.reason, seconds=None)
            case Verdict.RETRY:
                seconds = max(outcome.pause, self._backoff(delivery.attempts))
                if outcome.pause:
                    self._paused[delivery.hook] = time.monotonic() + outcome.pause
                deliveries.put_off(delivery, now() + seconds)
                _log.warning(
                    telemetry.HOOK_FAILED, **told, reason=outcome.reason, seconds=round(seconds, 2)
                )
            case Verdict.GONE:
                self._disabled.add(delivery.hook)
                deliveries.put_off(delivery, now())
                _log.error(telemetry.HOOK_DISABLED, **told, reason=outcome.reason)

    def _backoff(self, attempts: int) -> float:
        """Seconds until the next attempt, a little more or less so that crowds disperse."""
        hooks = self._desk.config.hooks
        longest = hooks.backoff_longest_seconds
        pause = min(longest, hooks.backoff_seconds * 2.0 ** min(attempts, 60))
        return pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret

    def _sweep(self) -> None:
        """Give up what has failed for too long, and what no hook has asked for in as long."""
        if time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + _SWEEP_SECONDS
        hooks = self._desk.config.hooks
        able = hooks.all.keys() - self._disabled
        deliveries = self._desk.ledger.deliveries
        for one in deliveries.hopeless(now() - hooks.give_up_seconds, able, _SWEPT):
            if one.hook in self._under_way:
                continue
            label = hooks.all[one.hook][0] if one.hook in hooks.all else "none that is configured"
            deliveries.remove(one)
            _log.error(
                telemetry.HOOK_GIVEN_UP,
                hook=label,
                told=one.message.event,
                delivery=one.message.message_id,
                job_id=one.message.job_id,
                name=one.message.name,
                attempts=one.attempts,
            )
