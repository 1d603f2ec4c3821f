"""The inbox as a place: whose it is, and whether it is there at all."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

import structlog

from nstd import crew, telemetry
from nstd.spool import layout, lock, marker, opening

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nstd.entry import Entry
    from nstd.spool.desk import Desk

_log = structlog.get_logger()


class InboxGuard:
    """Holds the inbox's lock while it is there; a context manager, which lets go of it.

    Args:
        desk: whose inbox.

    Attributes:
        is_absent: it isn't mounted, as far as is known: nothing is taken and nothing filed.
        is_ours: its lock is held, so that no other daemon tends it.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = contextlib.ExitStack()
        self.is_absent = False
        self.is_ours = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def open(self, running: Sequence[Entry]) -> None:
        """Begin with an inbox that is there for the first time, or again; it may be absent still.

        Args:
            running: jobs that workers have.

        Raises:
            LockedError: another daemon has it.
            CannotWriteError: a folder can't be made.
        """
        config, ledger = self._desk.config, self._desk.ledger
        present = marker.presence(config, ledger)
        if present is marker.Presence.ABSENT:
            self.miss()
            return
        layout.create(config)
        self._lock.close()
        self.is_ours = False
        self._lock.enter_context(lock.held(layout.control(config)))
        self.is_ours = True
        if present is marker.Presence.NEW:
            marker.adopt(config, ledger)
        opening.recover(self._desk, crew.patience(config), besides=running)
        if self.is_absent:
            self.is_absent = False
            _log.info(telemetry.INBOX_BACK, inbox=str(self._desk.inbox))

    def miss(self) -> None:
        """Take note that it is gone; say so once."""
        if not self.is_absent:
            _log.error(
                telemetry.INBOX_ABSENT,
                inbox=str(self._desk.inbox),
                remedy=marker.remedy(self._desk.config, self._desk.ledger),
            )
        self.is_absent = True
