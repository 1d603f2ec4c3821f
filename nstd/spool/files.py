"""File operations that survive a crash: copy, write, place, move; never overwrite another's."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from nstd import names
from nstd.errors import CannotWriteError, InputChangedError, MissingInputError
from nstd.spool import beneath, renaming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from nstd.domain import FileIdentity
    from nstd.entry import Source

# Read in pieces of about what there is, into one buffer where there is much: to ask for megabytes
# and get kilobytes, again and again, leaves the heap of a process that runs for months in pieces.
_PIECE = 2**14
_CHUNK = 2**18
# Leaves room for a job's id and a suffix within the 255 bytes of a file name.
_STEM_BYTES = 150
_WRITING = {
    errno.ENOENT: "make its folder first",
    errno.ENOTDIR: "move away the file that is in its folder's place",
    errno.EEXIST: "move away what is in its place",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space, or raise the quota",
    errno.EROFS: "mount the file system for writing",
}


class _UnreadableError(Exception):
    """A file that is copied can't be read to its end."""


def identity(path: Path) -> FileIdentity | None:
    """What a regular file is now; None if there is none (links and devices don't count)."""
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return None
    return beneath.identity_of(found) if stat.S_ISREG(found.st_mode) else None


def read_bounded(root: Path, relative: Path, limit: int) -> bytes | None:
    """The bytes of a regular file below a folder, or None if it holds more than `limit`.

    Raises:
        OSError: it can't be read.
    """
    data = b""
    with os.fdopen(beneath.open_file(root, relative), "rb", buffering=0) as file:
        while len(data) <= limit and (piece := file.read(_PIECE)):
            data += piece
    return data if len(data) <= limit else None


def copy_private(source: Source, target: Path) -> tuple[FileIdentity, str]:
    """Copy an input for ourselves, and hash what was copied.

    Returns:
        The source's identity, and the SHA-256 of the copy.

    Raises:
        MissingInputError: the source is gone, not a regular file, or may not be read.
        InputChangedError: it changed while it was being read.
        CannotWriteError: the copy can't be written.
    """
    name = source.relative.name
    try:
        descriptor = beneath.open_file(source.root, source.relative)
    except OSError as error:
        raise MissingInputError(
            f"can't be read: {error.strerror}",
            file=name,
            remedy="make it a regular file that the service's user may read",
        ) from error
    try:
        before = beneath.identity_of(os.fstat(descriptor))
        with writing(target):
            digest = _copy(descriptor, target, read=_read)
    except _UnreadableError as error:
        raise MissingInputError(
            f"can't be read: {error}",
            file=name,
            remedy="copy it again, from a disk that is sound",
        ) from error
    finally:
        os.close(descriptor)
    if beneath.identity(source.root, source.relative) != before:
        raise InputChangedError("changed while it was being copied", file=name)
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


def make_folder(path: Path, mode: int | None = None) -> None:
    """Make a folder and those above it that are missing; `mode` is for the new ones.

    The directory entries are flushed, so that what is later synced within can be reached.
    """
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        if mode is not None:
            folder.chmod(mode)
        fsync(folder.parent)


def write(path: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file of our own and flush it to disk; a name in use is written over."""
    with path.open("wb") as file:
        file.write(data)
        _finish(file, mode)


def copy_into(source: Path, target: Path, mode: int | None = None) -> str:
    """Copy a file to a name of our own, flush it, and return the SHA-256 of what was written.

    What is returned is read back from the target: a disk that lies is found out here.
    """
    descriptor = _open_regular(source)
    try:
        _copy(descriptor, target, mode)
    finally:
        os.close(descriptor)
    return sha256(target)


def place(temporary: Path, target: Path) -> None:
    """Give our own synced temporary file its final name in the same folder, durably.

    Raises:
        FileExistsError: the name is taken; nothing has changed.
    """
    renaming.place(temporary, target)
    fsync(target.parent)


def move(source: Path, target: Path, tag: str) -> Path:
    """Move a file to a free name, across file systems if need be, durably.

    Args:
        source: the file.
        target: where to; if that is taken, `tag` is worked into the name.
        tag: unique to the caller, so that a second try after a crash finds the first one's work.

    Returns:
        Where it is now.

    Raises:
        OSError: it could not be moved; the source is untouched.
    """
    stem = names.shortened(target.stem, _STEM_BYTES)
    for name in (target, target.with_name(f"{stem}.{tag}{target.suffix}")):
        try:
            move_exactly(source, name, tag)
        except FileExistsError:
            continue
        return name
    raise FileExistsError(errno.EEXIST, "exists", str(target))


def move_exactly(source: Path, target: Path, tag: str) -> None:
    """As `move`, to this name or not at all.

    Raises:
        FileExistsError: the name is taken.
        OSError: it could not be moved; the source is untouched.
    """
    try:
        renaming.no_replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_across(source, target, tag)
    fsync(target.parent)
    fsync(source.parent)


def _move_across(source: Path, target: Path, tag: str) -> None:
    """Copy, place, unlink; one that was interrupted before its last step is only completed."""
    if os.path.lexists(target):
        if not are_same(source, target):
            raise FileExistsError(errno.EEXIST, "exists", str(target))
    else:
        copy(source, target, tag)
    source.unlink()


def copy(source: Path, target: Path, tag: str) -> None:
    """Copy a regular file with its times and mode to a free name, completely or not at all.

    Raises:
        FileExistsError: the name is taken.
        OSError: it can't be read or written.
    """
    temporary = target.with_name(f".{tag}.tmp")
    descriptor = _open_regular(source)
    try:
        found = os.fstat(descriptor)
        _copy(descriptor, temporary, stat.S_IMODE(found.st_mode))
        os.utime(temporary, ns=(found.st_atime_ns, found.st_mtime_ns))
        place(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write below `path`'s folder into an error with a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not the system's: libraries raise such for reasons of their own
            raise
        raise CannotWriteError(
            f"can't be written: {error.strerror}",
            file=str(path),
            remedy=_WRITING.get(error.errno, "let the user that nstd runs as write there"),
        ) from error


def _open_regular(path: Path) -> int:
    return beneath.open_file(path.parent, path.relative_to(path.parent))


def are_same(one: Path, other: Path) -> bool:
    """Whether two regular files hold the same bytes."""
    first, second = identity(one), identity(other)
    if first is None or second is None or first.size != second.size:
        return False
    return sha256(one) == sha256(other)


def _copy(
    source: int,
    target: Path,
    mode: int | None = None,
    *,
    read: Callable[[int, Sequence[memoryview]], int] = os.readv,
) -> str:
    """Copy what a descriptor reads; returns the SHA-256 of what was read."""
    digest = hashlib.sha256()
    chunk = memoryview(bytearray(_CHUNK))
    with target.open("wb") as writer:
        while count := read(source, [chunk]):
            digest.update(chunk[:count])
            writer.write(chunk[:count])
        _finish(writer, mode)
    return digest.hexdigest()


def _read(source: int, chunks: Sequence[memoryview]) -> int:
    """Read on; what the disk of the source refuses is not the target's fault.

    Raises:
        _UnreadableError: it can't be read any further.
    """
    try:
        return os.readv(source, chunks)
    except OSError as error:
        raise _UnreadableError(error.strerror) from error


def _finish(writer: BinaryIO, mode: int | None) -> None:
    writer.flush()
    if mode is not None:
        os.fchmod(writer.fileno(), mode)
    os.fsync(writer.fileno())
