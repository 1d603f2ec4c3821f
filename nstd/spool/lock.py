"""One daemon per inbox and one per state folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from nstd.errors import CannotWriteError, LockedError
from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# Whoever asks `is_held` has the lock for less than a moment, and is no daemon.
_PATIENCE, _PAUSE = 0.5, 0.02


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; the system lets go of it however the process ends.

    Raises:
        LockedError: another daemon holds it.
        CannotWriteError: the folder refuses.
    """
    path = folder / "lock"
    with files.writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a daemon holds a folder's lock now; also for who may only read there.

    Raises:
        CannotWriteError: the folder can't be looked into.
    """
    path = folder / "lock"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CannotWriteError(
            f"can't be looked at: {error.strerror}",
            file=str(path),
            remedy="be a member of the state folder's group",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise LockedError(
                    "another nstd holds this lock",
                    file=str(path),
                    remedy="stop the other daemon, or give this one folders of its own",
                ) from error
            time.sleep(_PAUSE)
        else:
            return
