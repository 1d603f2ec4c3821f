"""A pause of the whole daemon while a resource is missing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from nstd import telemetry

if TYPE_CHECKING:
    from collections.abc import Callable

_log = structlog.get_logger()


class Hold:
    """No job is begun while it lasts: asking again at once won't help.

    Args:
        clock: monotonic seconds.

    Attributes:
        reason: what is missing; empty if nothing is. It outlasts the pause until a job could be
            begun again, so that it is logged once.
        until: monotonic seconds of the pause's end.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.reason = ""
        self.until = 0.0

    @property
    def is_on(self) -> bool:
        """Whether the pause lasts."""
        return self._clock() < self.until

    def begin(self, reason: str, seconds: float) -> None:
        """Pause for so long; say why, once."""
        if reason != self.reason:
            _log.warning(telemetry.DAEMON_HELD, reason=reason)
        self.reason = reason
        self.until = self._clock() + seconds

    def release(self) -> None:
        """A job could be begun, or would have been: the resource is back."""
        if self.reason:
            _log.info(telemetry.DAEMON_RESUMED)
            self.reason = ""
