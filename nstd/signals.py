"""Signals as things to be looked at by the main loop, and nothing that interrupts it."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

HEEDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Notes the signals that come.

    Args:
        wake: makes the main loop look; safe in a signal handler.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._received: list[int] = []

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Catch them as long as this lasts."""
        previous = {number: signal.signal(number, self._note) for number in HEEDED}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def take(self) -> Iterator[signal.Signals]:
        """Those that have come since, in order."""
        while self._received:
            yield signal.Signals(self._received.pop(0))

    def _note(self, number: int, _: FrameType | None) -> None:
        """Note one; a handler may interrupt anything, so it does no more."""
        self._received.append(number)
        self._wake()
