"""One daemon per inbox and one per state folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from nstd.errors import LockedError
from nstd.spool import files, layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nstd.config import Config


@contextlib.contextmanager
def held(config: Config) -> Iterator[None]:
    """Hold both locks; the system lets go of them however the process ends.

    Raises:
        LockedError: another daemon holds one of them.
    """
    with contextlib.ExitStack() as stack:
        for folder in (layout.control(config), config.folder("state")):
            stack.enter_context(_flocked(folder / "lock"))
        yield


@contextlib.contextmanager
def _flocked(path: Path) -> Iterator[None]:
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
