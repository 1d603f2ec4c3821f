"""From the worker's answer to the end: publish, retire, quarantine, and say so in the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog

from nstd import telemetry
from nstd.domain import Failure
from nstd.entry import Entry, State
from nstd.errors import CannotWriteError, InboxAbsentError, NameTakenError, UntouchableError
from nstd.manifest import manifest, summary
from nstd.spool import retire
from nstd.spool.decide import Do
from nstd.spool.steps import advance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.spool.desk import Desk

_AT_ONCE = (State.RENDERED, State.FAILED, State.CANCELLED)

_log = structlog.get_logger()


class Closing:
    """Takes jobs that have an outcome to their end.

    Args:
        desk: where they lie.

    Attributes:
        failures: jobs that failed so far.
        refused: jobs whose next step was refused, and why.
        published_at: monotonic seconds of the latest publication.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._not_before: dict[str, float] = {}
        self.failures = 0
        self.refused: dict[str, str] = {}
        self.published_at = 0.0
        self._waiting: set[str] = set()
        self._looked_after = -1.0

    def due(self) -> Iterator[Entry]:
        """Jobs with an outcome that can be taken on now, each as it is when its turn comes.

        Those whose originals may be wanted by others wait for the next scan, and are not looked
        at before it; those that were refused a moment ago wait too.
        """
        now, ledger = time.monotonic(), self._desk.ledger
        self._not_before = {i: t for i, t in self._not_before.items() if t > now}
        ending = ledger.unsettled_ids(*_AT_ONCE)
        passed = self._not_before.keys() | self._waiting
        if self._desk.wanted.began != self._looked_after:
            self._looked_after = self._desk.wanted.began
            ending += ledger.unsettled_ids(State.PUBLISHED)
            passed = set(self._not_before)
        for job_id in ending:
            entry = None if job_id in passed else ledger.entry(job_id)
            if entry is not None and not entry.settled:
                yield entry

    @property
    def is_waiting(self) -> bool:
        """Whether there are jobs whose originals a later scan will let go."""
        return bool(self._waiting)

    def may_go_on(self) -> bool:
        """Whether there are jobs with an outcome that nothing but time keeps from their end."""
        ending = self._desk.ledger.unsettled_ids(*_AT_ONCE, State.PUBLISHED)
        return any(job_id not in self.refused for job_id in ending)

    def close(self, entry: Entry) -> None:
        """Take a job on as far as it goes; what is refused is tried again later.

        Raises:
            InboxAbsentError: nothing can be said about any job now.
        """
        try:
            self._waiting.discard(entry.job_id)
            self._close(entry)
            self.refused.pop(entry.job_id, None)
        except InboxAbsentError:
            raise
        except NameTakenError as error:
            self._desk.ledger.advance(entry, state=State.FAILED, failure=Failure.of(error))
        except (CannotWriteError, UntouchableError) as error:
            self.put_off(entry, str(error))

    def put_off(self, entry: Entry, reason: str) -> None:
        """Try a job again later; say why, once."""
        pause = self._desk.config.rescan_seconds
        self._not_before[entry.job_id] = time.monotonic() + pause
        if self.refused.get(entry.job_id) != reason:
            self.refused[entry.job_id] = reason
            _log.warning(telemetry.JOB_HELD, **_identity(entry), reason=reason)

    def _close(self, entry: Entry | None) -> None:
        while entry is not None:
            entry, turn = advance(self._desk, entry, self._manifest)
            match turn:
                case Do.CONFIRM if entry:
                    self.published_at = time.monotonic()
                    _log.info(telemetry.JOB_DONE, **_identity(entry), **self._summary(entry))
                case Do.EXPLAIN if entry:
                    self._say_failed(entry)
                case Do.SETTLE if entry:
                    self.failures += entry.state is State.FAILED
                    _log.info(telemetry.JOB_RETIRED, **_identity(entry), state=str(entry.state))
                    return
                case Do.RENDER_AGAIN if entry:
                    _log.warning(
                        telemetry.JOB_DEFERRED, **_identity(entry), reason="the result was lost"
                    )
                    return
                case Do.WAIT if entry:
                    self._waiting.add(entry.job_id)
                    return
                case _:
                    return

    def _manifest(self, entry: Entry) -> dict[str, Any]:
        return manifest(entry, self._desk.ledger.seconds(entry.job_id))

    def _summary(self, entry: Entry) -> dict[str, Any]:
        return summary(entry, self._desk.ledger.seconds(entry.job_id))

    def _say_failed(self, entry: Entry) -> None:
        failure, home = entry.failure, entry.home
        assert failure is not None  # noqa: S101 - it was just explained
        assert home is not None  # noqa: S101 - there
        reason = str(home / retire.reasons(entry)[1])
        preset = entry.params.preset if entry.params else None
        if entry.state is State.CANCELLED:
            _log.info(telemetry.JOB_CANCELLED, **_identity(entry), preset=preset, reason=reason)
            return
        _log.warning(
            telemetry.JOB_FAILED,
            **_identity(entry),
            preset=preset,
            code=failure.code,
            message=failure.message,
            file=failure.file,
            key=failure.key,
            reason=reason,
        )


def _identity(entry: Entry) -> dict[str, object]:
    attempt = entry.attempts + entry.crashes + (entry.state not in {State.FAILED, State.CANCELLED})
    return {"job_id": entry.job_id, "name": entry.name, "attempt": attempt}
