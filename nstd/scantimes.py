"""When the inbox is scanned next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# Listing may take this share of the time, so that a long inbox doesn't keep the jobs waiting.
_SHARE: Final = 0.1


class ScanTimes:
    """Soon after an event, at the latest after a pause, and never more often than listing allows.

    Args:
        clock: monotonic seconds.

    Attributes:
        next: monotonic seconds of the next scan.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._earliest = 0.0
        self.next = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time."""
        return self._clock() >= self.next

    def by(self, moment: float) -> None:
        """Scan by then at the latest, but not before the last scan has paid for itself."""
        self.next = max(self._earliest, min(self.next, moment))

    def not_before(self, moment: float) -> None:
        """Put the next scan off until then."""
        self.next = max(self.next, moment)

    def at_once(self) -> None:
        """Scan in the next turn, whatever the last scan has cost."""
        self.next = 0.0

    def begin(self, pause: float) -> None:
        """A scan begins; the next one follows after a pause even if this one fails."""
        self.next = self._clock() + pause

    def end(self, listing: float, pause: float) -> None:
        """A scan has ended.

        Args:
            listing: seconds that it took to list the inbox. What it takes to admit thousands of
                jobs doesn't count: that happens once.
            pause: seconds until the next one, if nothing happens.
        """
        ended = self._clock()
        self._earliest = ended + listing / _SHARE
        self.next = max(self._earliest, ended + pause)
