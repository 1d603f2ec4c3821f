"""The daemon's side of the requests that commands leave: each is done, or refused with a reason."""

from __future__ import annotations

import contextlib
import math
import time
from typing import TYPE_CHECKING

import structlog

from nstd import telemetry
from nstd.entry import BEFORE_RESULT, State
from nstd.errors import InboxAbsentError, NstdError, RequestRefusedError
from nstd.spool import claim, crashpoint, layout, putback, requests, retention
from nstd.spool.desk import now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nstd.entry import Entry
    from nstd.spool.desk import Desk
    from nstd.spool.requests import Request

# The main loop has other things to do.
_TURN_SECONDS = 0.25

_log = structlog.get_logger()


class Clerk:
    """Does what commands ask for.

    A request's file stays until what it asks for is done, and doing it again does no more: so a
    `kill -9` between any two steps changes nothing about the end.

    Args:
        desk: whose requests.
        cancel: ends a job that has no result yet, now or as soon as its worker hears of it.

    Attributes:
        is_paused: no job is to be begun.
        wakes_at: monotonic seconds at which there is more to do; infinite if there isn't.
    """

    def __init__(self, desk: Desk, cancel: Callable[[Entry], None]) -> None:
        self._desk = desk
        self._cancel = cancel
        self._told: set[tuple[str, int]] = set()
        self._stuck: set[str] = set()
        self._put_off: dict[str, float] = {}
        self._complaints: dict[str, str] = {}
        self._deadline = 0.0
        self.is_paused = bool(desk.ledger.fact(layout.PAUSED))
        self.wakes_at = math.inf

    def heed(self, *, has_inbox: bool) -> bool:
        """Do what there is to do, in the order in which it was asked, for a short time.

        What the ledger or a folder refuses is tried again after a while; nothing else waits for it.

        Args:
            has_inbox: without it, what concerns it waits.

        Returns:
            Whether files may have been put into the inbox.

        Raises:
            InboxAbsentError: the inbox is gone; the request stays.
            CannotWriteError: the requests' own folder can't be listed.
        """
        self.wakes_at = math.inf
        self._deadline = time.monotonic() + _TURN_SECONDS
        has_filled = False
        pending = requests.pending(layout.requests(self._desk.config))
        left = {path.name for path in pending}
        self._put_off = {name: at for name, at in self._put_off.items() if name in left}
        self._complaints = {name: said for name, said in self._complaints.items() if name in left}
        for path in pending:
            if self._put_off.get(path.name, 0.0) > time.monotonic():
                self.wakes_at = min(self.wakes_at, self._put_off[path.name])
                continue
            request = None if path.name in self._stuck else self._read(path)
            if request is None or (isinstance(request, requests.Retry) and not has_inbox):
                continue
            has_filled |= isinstance(request, requests.Retry)
            if self._is_done(path, request):
                crashpoint.reached("heeded")
                path.unlink(missing_ok=True)
        return has_filled

    def _is_done(self, path: Path, request: Request) -> bool:
        """Do a request, as far as it goes now; whether that was all of it."""
        try:
            return self._perform(path, request)
        except RequestRefusedError as error:
            _refuse(request.kind, str(error))
            self._answer(path, error)
            return True
        except InboxAbsentError:
            raise
        except NstdError as error:
            self._wait(path, request.kind, str(error))
            return False
        except Exception:  # noqa: BLE001 - one request must not stop the daemon
            _log.exception(telemetry.INTERNAL_ERROR, request=path.name)
            self._set_aside(path, "nstd made a mistake over it")
            return False

    def _perform(self, path: Path, request: Request) -> bool:
        match request:
            case requests.Cancel():
                return self._end(request)
            case requests.Retry():
                return self._try_again(path, request)
            case requests.Pause() | requests.Resume():
                self._set_paused(isinstance(request, requests.Pause))
                return True
            case requests.Prune():
                return self._prune(request)

    # -- each kind ---------------------------------------------------------------------------

    def _end(self, request: requests.Cancel) -> bool:
        """Cancel a job; one that runs is awaited, in case its worker dies without hearing."""
        entry = self._entry(request.job_id)
        if entry.state is State.CANCELLED:
            _log.info(telemetry.REQUEST_HEEDED, kind=request.kind, job_id=entry.job_id)
            return True
        if entry.state not in BEFORE_RESULT:
            raise RequestRefusedError(
                f"it is {entry.state}: there is nothing left to cancel", file=entry.name
            )
        if entry.state is not State.RUNNING:
            self._cancel(entry)
            _log.info(telemetry.REQUEST_HEEDED, kind=request.kind, job_id=entry.job_id)
            return True
        attempt = entry.job_id, claim.attempt_number(entry)
        if attempt not in self._told:
            self._told.add(attempt)
            self._cancel(entry)
        return False

    def _try_again(self, path: Path, request: requests.Retry) -> bool:
        refused: list[NstdError] = []
        for job_id in request.job_ids:
            if time.monotonic() >= self._deadline:
                self.wakes_at = 0.0
                return False
            try:
                entry = self._entry(job_id)
                if entry.home is None and entry.settled and len(request.job_ids) > 1:
                    continue  # done before
                putback.put_back(self._desk, entry)
            except RequestRefusedError as error:
                _refuse(request.kind, str(error), job_id=job_id)
                refused.append(error)
            else:
                _log.info(telemetry.JOB_RETRIED, job_id=job_id, name=entry.name)
        if refused:
            self._answer(path, *refused)
        return True

    def _set_paused(self, wanted: bool) -> None:  # noqa: FBT001 - it is a value
        self._desk.ledger.set_fact(layout.PAUSED, f"{now():.3f}" if wanted else "")
        self.is_paused = wanted
        _log.info(telemetry.REQUEST_HEEDED, kind="pause" if wanted else "resume")

    def _prune(self, request: requests.Prune) -> bool:
        while count := retention.prune_jobs(self._desk, request.before, request.states):
            _log.info(telemetry.REQUEST_HEEDED, kind=request.kind, jobs=count)
            if time.monotonic() >= self._deadline:
                self.wakes_at = 0.0
                return False
        return True

    def _entry(self, job_id: str) -> Entry:
        entry = self._desk.ledger.entry(job_id)
        if entry is None:
            raise RequestRefusedError("there is no such job", file=job_id)
        return entry

    # -- files -------------------------------------------------------------------------------

    def _read(self, path: Path) -> Request | None:
        """What a file asks for; one that asks for nothing is set aside."""
        try:
            return requests.read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._set_aside(path, f"can't be read: {error.strerror}")
        except ValueError as error:
            self._set_aside(path, f"asks for nothing that there is: {error}")
        return None

    def _wait(self, path: Path, kind: str, reason: str) -> None:
        """Put a request off, and say once why."""
        self._put_off[path.name] = time.monotonic() + self._desk.config.rescan_seconds
        self.wakes_at = min(self.wakes_at, self._put_off[path.name])
        if self._complaints.get(path.name) != reason:
            _log.warning(telemetry.REQUEST_WAITS, kind=kind, reason=reason)
        self._complaints[path.name] = reason

    def _answer(self, path: Path, *refused: NstdError) -> None:
        """Let who asked know; what can't be written is in the log."""
        with contextlib.suppress(OSError):
            requests.forget_answers(path.parent, now())
            requests.answer(path, refused)

    def _set_aside(self, path: Path, reason: str) -> None:
        _refuse("unknown", reason, file=str(path))
        try:
            requests.set_aside(path)
        except OSError:
            self._stuck.add(path.name)


def _refuse(kind: str, reason: str, **about: str) -> None:
    _log.warning(telemetry.REQUEST_REFUSED, kind=kind, reason=reason, **about)
