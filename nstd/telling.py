"""What the daemon says of itself: to systemd, to who sees only the share, and to the commands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import nstd
from nstd.spool import layout, nowfile, status
from nstd.spool.desk import now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nstd.dispatch import Dispatcher
    from nstd.notify import Service
    from nstd.spool.desk import Desk


class Teller:
    """Keeps three places up to date, each as often as it should be.

    Args:
        desk: whose jobs.
        service: systemd, or nobody.
    """

    def __init__(self, desk: Desk, service: Service) -> None:
        self._desk = desk
        self._service = service
        self._status = status.StatusFile(desk)
        self._now = nowfile.NowFile(layout.now_file(desk.config))
        self._started_at = now()

    @property
    def wakes_at(self) -> float:
        """Monotonic seconds at which there is more to say; infinite if there isn't."""
        return self._now.wakes_at

    def tell_service(self, dispatcher: Dispatcher, idle: str) -> None:
        """One line for systemd; `idle` says why no job is begun, if none is."""
        if self._service.wants_status:
            self._service.status(status.line(self._desk, dispatcher.progress, idle))

    def tell_share(
        self,
        dispatcher: Dispatcher,
        incomplete: Mapping[Path, str],
        unasked: Mapping[Path, str],
        idle: str,
    ) -> None:
        """`inbox/STATUS.txt`; only while the inbox is there."""
        self._status.update(dispatcher.progress, incomplete, idle, unasked)

    def tell_commands(
        self, dispatcher: Dispatcher, incomplete: Mapping[Path, str], held: str
    ) -> None:
        """`state/now.json`: what the memory alone knows; `held` says what resource is missing."""
        self._now.update(
            nowfile.Now(
                os.getpid(),
                nstd.__version__,
                self._started_at,
                held,
                tuple(dispatcher.progress),
                tuple(dispatcher.devices),
                {str(path): reason for path, reason in incomplete.items()},
            )
        )

    def close(self, *, has_inbox: bool) -> None:
        """Say that nobody is at work.

        Args:
            has_inbox: without it there is no share to tell, or it is another daemon's.

        Raises:
            CannotWriteError: the inbox refuses.
        """
        self._now.close()
        if has_inbox:
            self._status.close()
