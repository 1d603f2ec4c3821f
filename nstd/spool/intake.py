"""From the inbox into the ledger: what a scan finds is admitted, refused, or waited for."""

from __future__ import annotations

import dataclasses
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from nstd import telemetry
from nstd.domain import internal_failure
from nstd.entry import BEFORE_RESULT, State
from nstd.errors import CannotWriteError, NstdError, UntouchableError
from nstd.spool import beneath, claim, files, hot, layout, requests
from nstd.spool.scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from nstd.domain import Candidate, Failure
    from nstd.entry import Entry
    from nstd.spool.desk import Desk
    from nstd.spool.scanned import Scan

# Files that nobody asks for: how many are told, and how many are looked at for that; a long queue's
# images are not asked for by sidecars any more either.
_TOLD, _LOOKED_AT = 20, 200

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Findings:
    """What a scan came to.

    Attributes:
        seconds: that listing the inbox took; admitting what it found is no reason to scan less.
        settling: the next scan may find more without anything else happening.
        incomplete: sidecars that wait in the inbox, each with its reason.
        unasked: what lies in the inbox for long and is nobody's, with what it lacks; the first.
        refused: how many were admitted only to be quarantined.
        cancelled: jobs whose owner asked for their end, wherever they are.
    """

    seconds: float
    settling: bool
    incomplete: dict[Path, str]
    unasked: dict[Path, str]
    refused: int
    cancelled: tuple[Entry, ...]


class Intake:
    """Turns scans into rows.

    Args:
        desk: whose inbox.
        alive: told again and again while many jobs are admitted.
    """

    def __init__(self, desk: Desk, alive: Callable[[], None] = lambda: None) -> None:
        self._desk = desk
        self._alive = alive
        self._scanner = Scanner(desk.config)
        self._said: dict[Path, str] = {}
        self._unasked_before: frozenset[Path] = frozenset()
        self._skipped: frozenset[tuple[Path, str]] = frozenset()

    def scan(self) -> Findings:
        """List the inbox, and admit what is ready.

        Raises:
            InboxAbsentError: it isn't there.
            CannotWriteError: ledger or inbox refuse.
        """
        began = time.monotonic()
        found = self._list()
        seconds = time.monotonic() - began
        complaints: dict[Path, str] = {}
        refused = 0
        for candidate in found.ready:
            refused += self._admit(candidate, None, complaints)
        for rejection in found.rejected:
            refused += self._admit(rejection.candidate, rejection.failure, complaints)
        ordered = [image for image in found.lone if self._order(image, complaints)]
        cancelled = tuple(
            entry for path in found.cancels for entry in self._cancelled(path, complaints)
        )
        reasons = {one.path: one.reason for one in found.waiting if not one.settling}
        incomplete = {**reasons, **complaints}
        unasked = self._unasked(found.unasked)
        self._say(incomplete, unasked, frozenset(found.oddities))
        settling = found.settling or bool(ordered)
        return Findings(seconds, settling, incomplete, unasked, refused, cancelled)

    def _list(self) -> Scan:
        try:
            found = self._scanner.scan()
        except OSError as error:
            self._desk.require_inbox()
            raise CannotWriteError(
                f"can't be listed: {error.strerror}",
                file=str(self._desk.inbox),
                remedy="let the service's user read and write it",
            ) from error
        self._desk.require_inbox()
        self._desk.wanted = found.wanted
        return found

    def _admit(
        self, candidate: Candidate, failure: Failure | None, complaints: dict[Path, str]
    ) -> bool:
        """Make a candidate a job; whether it is one now."""
        self._alive()
        entry = self._row(candidate, failure)
        try:
            taken = claim.take(self._desk, entry)
        except (UntouchableError, CannotWriteError) as error:
            # It stays where it is and is met again by the next scan; the others go on.
            claim.forget(self._desk, entry)
            self._desk.want(entry)
            complaints[candidate.path] = str(error)
            return False
        if taken is not None and entry.failure is None:
            _log.info(telemetry.JOB_CLAIMED, job_id=entry.job_id, name=entry.name)
        return taken is not None and entry.state is State.FAILED

    def _row(self, candidate: Candidate, failure: Failure | None) -> Entry:
        """Write a candidate's row; nothing that a sidecar says may stop the others."""
        try:
            return claim.admit(self._desk, candidate, failure)
        except NstdError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            _log.exception(telemetry.INTERNAL_ERROR, sidecar=str(candidate.path))
            bare = dataclasses.replace(candidate, sidecar=None, sources=())
            return claim.admit(self._desk, bare, internal_failure(error))

    def _is_in_use(self, image: Path) -> bool:
        """Whether a job has yet to see to this version of an image, whose sidecar it has."""
        inbox = self._desk.inbox
        found = beneath.identity(inbox, image)
        return found is None or self._desk.ledger.is_wanted(inbox, image, found, besides="")

    def _unasked(self, found: Sequence[tuple[Path, str]]) -> dict[Path, str]:
        """The first of those that no job has yet to see to; where originals stay, none is told."""
        if self._desk.config.originals == "keep":
            return {}
        nobodys = (one for one in found[:_LOOKED_AT] if not self._is_in_use(one[0]))
        return dict(itertools.islice(nobodys, _TOLD))

    def _order(self, image: Path, complaints: dict[Path, str]) -> bool:
        """Give an image of a hot folder its sidecar, unless a job has it; whether it got one."""
        self._alive()
        try:
            return not self._is_in_use(image) and hot.order(self._desk, image)
        except OSError as error:
            complaints[image] = (
                f"its sidecar can't be written: {error.strerror}. "
                "Let the service's user write to the folder that it lies in."
            )
            return False

    def _cancelled(self, path: Path, complaints: dict[Path, str]) -> list[Entry]:
        """The jobs that a cancel file means; one that means none is removed after a while."""
        found = self._desk.ledger.named(path.parent, path.stem)
        patience = self._desk.config.limits.incomplete_seconds
        if found or self._scanner.age(path) >= patience:
            for entry in found:
                if entry.state in BEFORE_RESULT:
                    # A running job's worker may die before it hears of it, and we with it.
                    wish = requests.Cancel(job_id=entry.job_id)
                    requests.leave(layout.requests(self._desk.config), wish)
            try:
                self._remove(path)
            except CannotWriteError as error:
                complaints[path] = str(error)
        return found

    def _remove(self, path: Path) -> None:
        """Remove a cancel file that has been heeded."""
        inbox = self._desk.inbox
        with (
            files.writing(inbox / path),
            beneath.folder(inbox, path.parent) as folder,
        ):
            beneath.through(folder, path.name).unlink(missing_ok=True)

    def _say(
        self,
        reasons: dict[Path, str],
        unasked: dict[Path, str],
        oddities: frozenset[tuple[Path, str]],
    ) -> None:
        """Log what each sidecar waits for, and what is skipped: once for each reason."""
        for path, reason in reasons.items():
            if self._said.get(path) != reason:
                _log.info(telemetry.SCAN_WAITING, sidecar=str(path), reason=reason)
        for path in unasked.keys() - self._unasked_before:
            _log.warning(telemetry.INBOX_UNASKED, file=str(path), reason=unasked[path])
        self._said, self._unasked_before = reasons, frozenset(unasked)
        for path, kind in sorted(oddities - self._skipped):
            _log.warning(telemetry.INBOX_SKIPPED, file=str(path), reason=f"is {kind}, not a file")
        self._skipped = oddities
