"""A path that is now the real thing, now a symbolic link, as fast as a thread can swap them."""

from __future__ import annotations

import ctypes
import os
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

_EXCHANGE = 2  # RENAME_EXCHANGE, linux/fs.h
_HERE = -100  # AT_FDCWD, linux/fcntl.h


class Flipping:
    """Swap a path with a link beside it, in one step each time, until left.

    Args:
        path: a file or folder; if it goes, the swapping pauses until it is back.
        target: where the link leads.

    Attributes:
        count: of the swaps.
    """

    def __init__(self, path: Path, target: Path) -> None:
        self._path = path
        self._link = path.with_name(f".{path.name}.other")
        self._link.symlink_to(target)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        for path in (self._path, self._link):
            if path.is_symlink():
                path.unlink()
        if self._link.exists():  # the real thing
            self._link.rename(self._path)

    def _run(self) -> None:
        while not self._is_over.is_set():
            self.count += self._swap()
            self._is_over.wait(0.0005)

    def _swap(self) -> bool:
        call = ctypes.CDLL(None, use_errno=True).renameat2
        ends = [os.fsencode(path) for path in (self._path, self._link)]
        return bool(call(_HERE, ends[0], _HERE, ends[1], _EXCHANGE) == 0)
