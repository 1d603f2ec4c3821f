"""Reach files below a folder without ever leaving it.

Every component is opened relative to the one before and never through a symbolic link, so that
neither a link nor a folder that is swapped for one between a check and its use leads outside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from nstd.domain import FileIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A FIFO opens without a writer, and a device without waiting.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def folder(root: Path, relative: Path, *, create: bool = False) -> Iterator[int]:
    """A descriptor of the folder `relative` below `root`.

    Args:
        root: trusted; may be reached through links.
        relative: each component of it is not.
        create: make what is missing.

    Raises:
        OSError: it isn't there, isn't a folder, or a link is in the way.
    """
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in relative.parts:
            _refuse_upwards(part)
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            below = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def identity(root: Path, relative: Path) -> FileIdentity | None:
    """What the regular file `relative` below `root` is now; None if there is none."""
    try:
        with folder(root, relative.parent) as parent:
            found = os.stat(relative.name, dir_fd=parent, follow_symlinks=False)
    except (OSError, ValueError):
        return None
    return identity_of(found) if stat.S_ISREG(found.st_mode) else None


def identity_of(found: os.stat_result) -> FileIdentity:
    """What tells this version of a file from another."""
    return FileIdentity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def open_file(root: Path, relative: Path) -> int:
    """A descriptor for reading the regular file `relative` below `root`; never blocks.

    Raises:
        OSError: it isn't there, isn't a regular file, or a link is in the way.
    """
    with folder(root, relative.parent) as parent:
        descriptor = os.open(relative.name, _FILE, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(root / relative))
    return descriptor


def through(descriptor: int, name: str) -> Path:
    """A path to a name in an open folder: it stays there whatever is renamed meanwhile."""
    return Path(f"/proc/self/fd/{descriptor}", name)


def _refuse_upwards(part: str) -> None:
    if part in {"..", "/"}:
        raise OSError(errno.EINVAL, "leads out of its folder", part)
