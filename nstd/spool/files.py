"""File operations that survive a crash: copy, place, move; never overwrite, never follow a link."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from nstd.domain import FileIdentity
from nstd.errors import CannotWriteError, InputChangedError, MissingInputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 2**20
_LINK_REFUSED = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


def identity(path: Path) -> FileIdentity | None:
    """What a regular file is now; None if there is none (links and devices don't count)."""
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return _identity(found) if stat.S_ISREG(found.st_mode) else None


def _identity(found: os.stat_result) -> FileIdentity:
    return FileIdentity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def read_bounded(path: Path, limit: int) -> bytes | None:
    """A regular file's bytes, or None if it holds more than `limit` of them.

    Raises:
        OSError: it can't be read.
    """
    with os.fdopen(_open_regular(path), "rb") as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def copy_private(source: Path, target: Path) -> tuple[FileIdentity, str]:
    """Copy an input for ourselves, and hash what was copied.

    Returns:
        The source's identity, and the SHA-256 of the copy.

    Raises:
        MissingInputError: the source is gone, not a regular file, or may not be read.
        InputChangedError: it changed while it was being read.
        CannotWriteError: the copy can't be written.
    """
    try:
        descriptor = _open_regular(source)
    except OSError as error:
        raise MissingInputError(
            f"can't be read: {error.strerror}",
            file=source.name,
            remedy="make it a regular file that the service's user may read",
        ) from error
    with os.fdopen(descriptor, "rb") as reader:
        before = _identity(os.fstat(reader.fileno()))
        with writing(target):
            digest = _copy(reader.fileno(), target)
        after = identity(source)
    if after != before:
        raise InputChangedError("changed while it was being copied", file=source.name)
    return before, digest


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync(path: Path) -> None:
    """Flush a file, or a directory's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def place(temporary: Path, target: Path) -> None:
    """Give our own synced temporary file its final name in the same folder, durably.

    Raises:
        FileExistsError: the name is taken; nothing has changed.
    """
    try:
        # Unlike rename, link never replaces; and on our own file it is never refused by owner.
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _LINK_REFUSED:
            raise
        # A file system without hard links. Checking first leaves a moment in which another
        # program could take the name; only nstd is meant to write to these folders.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "exists", str(target)) from error
        temporary.rename(target)
    else:
        temporary.unlink()
    fsync(target.parent)


def move(source: Path, target: Path) -> None:
    """Move a file to a free name, across file systems if need be; durably.

    Raises:
        OSError: it could not be moved; the source is untouched.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copy(source, target)
        source.unlink()
    fsync(target.parent)


def copy(source: Path, target: Path) -> None:
    """Copy a regular file with its times, completely or not at all; durably."""
    temporary = target.with_name(f".{target.name}.copying")
    descriptor = _open_regular(source)
    try:
        found = os.fstat(descriptor)
        _copy(descriptor, temporary)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    os.utime(temporary, ns=(found.st_atime_ns, found.st_mtime_ns))
    temporary.rename(target)
    fsync(target.parent)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write below `path`'s folder into an error with a remedy."""
    try:
        yield
    except OSError as error:
        raise CannotWriteError(
            f"can't be written: {error.strerror}",
            file=str(path),
            remedy="free some space, or let the service's user write there",
        ) from error


def _open_regular(path: Path) -> int:
    """A descriptor for reading; never follows a link, never blocks on a FIFO."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor


def _copy(source: int, target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("wb") as writer:
        while chunk := os.read(source, _CHUNK):
            digest.update(chunk)
            writer.write(chunk)
        writer.flush()
        os.fsync(writer.fileno())
    return digest.hexdigest()
