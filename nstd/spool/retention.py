"""Delete what nstd filed in done/ and failed/ when it is old enough, and nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Literal

from nstd.spool import files
from nstd.spool.desk import now

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.spool.desk import Desk

_DAY = 86_400.0
_AT_ONCE = 200  # the main loop has other things to do


def prune(desk: Desk) -> int:
    """Delete what is due, up to a number at once.

    A file that was moved away, replaced or put there by somebody else stays as it is.

    Returns:
        How many files were deleted.

    Raises:
        CannotWriteError: a file can't be deleted.
    """
    deleted = 0
    for name in ("done", "failed"):
        days = getattr(desk.config.retain_days, name)
        if days is not None:
            deleted += _prune(desk, name, now() - days * _DAY)
    return deleted


def _prune(desk: Desk, name: Literal["done", "failed"], before: float) -> int:
    root, deleted = desk.config.folder(name), 0
    for path, filed in desk.ledger.filed_before(root, before, _AT_ONCE):
        found = files.identity(path)
        # The number of a file that is gone is soon another's; that of a device may change.
        if found is not None and dataclasses.replace(found, device=filed.device) == filed:
            with files.writing(path):
                path.unlink()
            _remove_empty(path.parent, root)
            deleted += 1
        desk.ledger.forget_filed(path)
    return deleted


def _remove_empty(folder: Path, root: Path) -> None:
    while folder != root and folder.is_relative_to(root):
        with contextlib.suppress(OSError):
            folder.rmdir()
            folder = folder.parent
            continue
        return
