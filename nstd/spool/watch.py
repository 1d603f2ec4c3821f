"""Wake the daemon when something happens in the inbox.

A wake-up carries nothing: what happened is found out by the scan. Missing one costs at most
`rescan_seconds`, so trouble with the watch is worth a warning and no more.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from nstd.spool.layout import CONTROL

if TYPE_CHECKING:
    from pathlib import Path

# Not the opened and closed-after-reading events: our own reading would wake us for ever.
_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]


class Waker:
    """A pipe that threads and signal handlers write to, and the main loop waits on."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """For `select`: readable after a wake-up."""
        return self._reader

    def wake(self) -> None:
        """Wake the loop; safe in any thread and in a signal handler."""
        with contextlib.suppress(BlockingIOError):  # the pipe is full of wake-ups already
            os.write(self._writer, b"\0")

    def clear(self) -> None:
        """Forget the wake-ups so far; the loop is about to look at everything anyway."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reader)
        os.close(self._writer)


class Watch(FileSystemEventHandler):
    """Watches a folder and everything below it, but for nstd's own.

    Args:
        folder: the inbox.
        waker: woken by every event that can mean new input.
    """

    def __init__(self, folder: Path, waker: Waker) -> None:
        self._folder = folder
        self._waker = waker
        self._observer = Observer()

    def start(self) -> None:
        """Start watching.

        Raises:
            OSError: the system refuses, for want of watches as a rule.
        """
        self._observer.schedule(self, str(self._folder), recursive=True, event_filter=_EVENTS)
        self._observer.start()

    def stop(self) -> None:
        """Stop watching."""
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog, in its thread."""
        if f"{os.sep}{CONTROL}{os.sep}" not in os.fsdecode(event.dest_path or event.src_path):
            self._waker.wake()
