"""Watchdog's observer, made to last: a service watches folders for months."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
from watchdog.observers.inotify_c import InotifyFD

if TYPE_CHECKING:
    from watchdog.observers.inotify_c import WatchDescriptor

_DESCRIPTORS: Final = Path("/proc/self/fdinfo")
_WATCHED: Final = re.compile(r"^inotify wd:\w+ ino:(\w+)", re.MULTILINE)


class _Instance(InotifyFD):
    """What the kernel keeps watches for, and its events in a queue."""

    def inodes(self) -> set[int]:
        """Those that it watches; the kernel alone knows which."""
        told = (_DESCRIPTORS / str(self._inotify_fd)).read_text()
        return {int(inode, 16) for inode in _WATCHED.findall(told)}


class _Group(InotifyWatchGroup):
    """The watches on a folder and on those below it.

    Watchdog loses track of folders that are renamed and replaced again and again. Where it then
    takes their watches away, a KeyError would end the thread that reads all events.
    """

    def _remove_watch_internally(self, wd: WatchDescriptor) -> None:
        with contextlib.suppress(KeyError):
            super()._remove_watch_internally(wd)


class _Emitter(InotifyEmitter):
    """Watchdog's own, with a group that doesn't stumble."""

    def on_thread_start(self) -> None:
        self._inotify = _Group(
            self._inotify_fd,
            os.fsencode(self.watch.path),
            is_recursive=self.watch.is_recursive,
            event_mask=self.get_event_mask_from_filter(),
            follow_symlink=self.watch.follow_symlink,
        )


class Observer(BaseObserver):
    """Hears of events in folders by an inotify instance, thus a queue, of its own.

    Raises:
        OSError: the user has too many instances.
    """

    def __init__(self) -> None:
        self._inotify = _Instance()
        self._inotify.start()
        super().__init__(_Emitter, inotify_fd=self._inotify)

    def on_thread_stop(self) -> None:
        """Called by watchdog when it is told to stop, started or not."""
        super().on_thread_stop()
        self._inotify.stop()
        self._inotify.join()

    def is_whole(self) -> bool:
        """Whether every thread of it is alive: one that reads, one that tells, one each folder."""
        threads = (self, self._inotify, *self.emitters)
        return all(thread.is_alive() for thread in threads)

    def watched(self) -> set[int]:
        """Inodes of the folders that are watched."""
        return self._inotify.inodes()
