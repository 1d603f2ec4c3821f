"""One daemon per inbox and one per state folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from nstd.errors import LockedError
from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                "another nstd holds this lock",
                file=str(path),
                remedy="stop the other daemon, or give this one folders of its own",
            ) from error
        yield
    finally:
        os.close(descriptor)
