"""Rename without replacing: what keeps a result from ever overwriting another's file."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NO_REPLACE = 1  # RENAME_NOREPLACE, linux/fs.h
_HERE = -100  # AT_FDCWD, linux/fcntl.h
# The file system, or a kernel before 3.15, doesn't know the flag.
_UNKNOWN = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
_LINK_REFUSED = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


def no_replace(source: Path | str, target: Path | str, *, source_folder: int | None = None) -> None:
    """Rename, unless the target exists.

    Where the file system can't do that in one step, the target is looked for first: a moment in
    which another program could take the name remains, and only there.

    Args:
        source: the file.
        target: its new name, on the same file system.
        source_folder: descriptor that a relative `source` is relative to.

    Raises:
        FileExistsError: the target exists; nothing has changed.
        OSError: it could not be renamed; `errno.EXDEV` says that it lies elsewhere.
    """
    if _renamed(source, target, source_folder):
        return
    _refuse_taken(target)
    os.rename(source, target, src_dir_fd=source_folder)


def place(temporary: Path, target: Path) -> None:
    """As `no_replace`, for a file of our own: a hard link stands in where the flag is unknown.

    Raises:
        FileExistsError: the target exists; nothing has changed.
        OSError: it could not be renamed.
    """
    if _renamed(temporary, target, None):
        return
    try:
        # Unlike rename, link never replaces; on another user's file it might be refused.
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _LINK_REFUSED:
            raise
        no_replace(temporary, target)
    else:
        temporary.unlink()


def _renamed(source: Path | str, target: Path | str, folder: int | None) -> bool:
    """Rename in one step; False if the system can't, and nothing has happened."""
    call = _renameat2()
    if call is None:
        return False
    here = _HERE if folder is None else folder
    if call(here, os.fsencode(source), _HERE, os.fsencode(target), _NO_REPLACE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))


def _refuse_taken(target: Path | str) -> None:
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "exists", str(target))


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    """The C library's function, which Python doesn't offer; None where there is none."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    function.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    )
    function.restype = ctypes.c_int
    return function
