"""Wake the daemon when something happens in the inbox.

A wake-up carries nothing: what happened is found out by the scan. Missing one costs at most
`rescan_seconds`, so trouble with the watch is worth a warning and no more. Polling is therefore
the rescan itself, and needs no watcher.
"""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)

from nstd import telemetry
from nstd.spool import mounts
from nstd.spool.inotify import Observer
from nstd.spool.layout import CONTROL, STATUS_FILE

if TYPE_CHECKING:
    from typing import Literal

# Not the opened and closed-after-reading events: our own reading would wake us for ever.
_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]

_USUAL_QUEUE = 16384
_QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")

_log = structlog.get_logger()


def _matters(record: logging.LogRecord) -> bool:
    """Whether a warning of watchdog's is worth a line; that on the order of its end is not."""
    return "called when the thread is inactive" not in record.getMessage()


logging.getLogger("watchdog.observers.inotify").addFilter(_matters)


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
        mode: `auto` doesn't watch what other machines write to.
        waker: woken by every event that can mean new input.
    """

    def __init__(
        self, folder: Path, mode: Literal["auto", "inotify", "polling"], waker: Waker
    ) -> None:
        self._folder = folder
        self._waker = waker
        self._polls = mode == "polling" or (mode == "auto" and mounts.is_remote(folder))
        self._observer: Observer | None = None
        self._watched: tuple[int, int] | None = None
        self._unheard: set[int] = set()
        self._real = folder
        self._has_complained = False
        self._queue = _USUAL_QUEUE

    def check(self) -> None:
        """Start watching, or start again where the watch is dead or its folder another.

        Watchdog says nothing when the folder is replaced or its thread dies, so every rescan
        asks. A refusal is logged once: the rescans go on without events.
        """
        if self._polls:
            return
        try:
            found = self._folder.stat()
        except OSError:
            return  # the scan has more to say about that
        present = (found.st_dev, found.st_ino)
        if self._observer and present == self._watched and self._observer.is_whole():
            self._check_below(self._observer)
            return
        self.stop()
        try:
            self._observer = self._start()
        except OSError as error:
            self._complain(str(error))
        else:
            self._watched, self._unheard = present, set()

    def _check_below(self, observer: Observer) -> None:
        """Find folders that are not watched: watchdog passes over those that it is refused.

        A folder that has just been made may be on its way, so it counts the second time.
        """
        watched = observer.watched()
        if len(watched) >= self._queue:
            # After an overflow watchdog takes all watches away and sets them anew. The kernel
            # reports each one that went, so with as many as this it would overflow for ever.
            self.stop()
            self._polls = True
            self._complain(f"{len(watched)} watches are more than inotify's queue can tell of")
            return
        before, self._unheard = self._unheard, _folders(self._folder) - watched
        count = len(before & self._unheard)
        if count:
            self._complain(f"{count} folders are not watched: inotify watch limit reached")
        else:
            self._has_complained = False

    def _complain(self, reason: str) -> None:
        """Say once that there are no events, or not from everywhere."""
        if not self._has_complained:
            _log.warning(
                telemetry.WATCH_DEGRADED,
                reason=reason,
                remedy="raise fs.inotify.max_user_watches and max_queued_events, "
                "or set watch.mode: polling",
            )
        self._has_complained = True

    def stop(self) -> None:
        """Stop watching."""
        if self._observer is not None:
            observer, self._observer = self._observer, None
            observer.stop()
            observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog, in its thread."""
        path = os.fsdecode(event.dest_path or event.src_path)
        inner = path.removeprefix(str(self._real))  # above it, folders may have any name
        is_ours = f"{os.sep}{CONTROL}{os.sep}" in inner or inner == f"{os.sep}{STATUS_FILE}"
        if not is_ours:
            self._waker.wake()

    def _start(self) -> Observer:
        """An observer that runs.

        Raises:
            OSError: the system refuses, for want of watches as a rule.
        """
        # Where folders appear within folders it comes to the same one twice, which does no harm;
        # but Python would remember each warning, with its path, for ever.
        warnings.filterwarnings("ignore", "Callback with id .* already exists", RuntimeWarning)
        observer = Observer()
        self._queue = _queue_length()
        self._real = self._folder.resolve()
        observer.schedule(self, str(self._real), recursive=True, event_filter=_EVENTS)
        try:
            observer.start()
        except BaseException:
            observer.stop()  # neither its threads nor its queue may outlive the attempt
            raise
        return observer


def _folders(root: Path) -> set[int]:
    """Inodes of a folder and of those below it that users put files in."""
    found = set()
    for _, below, _, descriptor in os.fwalk(root.resolve()):
        below[:] = [name for name in below if not name.startswith(".")]
        found.add(os.fstat(descriptor).st_ino)
    return found


def _queue_length() -> int:
    """How many events the kernel keeps for a watch that starts now and is slow to read them."""
    try:
        return int(_QUEUE.read_text())
    except (OSError, ValueError):
        return _USUAL_QUEUE
