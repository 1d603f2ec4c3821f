"""Delete what nstd filed in done/ and failed/ when it is old enough, and nothing else."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Literal

import structlog

from nstd import telemetry
from nstd.errors import CannotWriteError
from nstd.spool import crashpoint, files
from nstd.spool.desk import now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nstd.domain import FileIdentity
    from nstd.entry import State
    from nstd.spool.desk import Desk

_DAY = 86_400.0
_AT_ONCE = 200  # the main loop has other things to do

_log = structlog.get_logger()


def prune(desk: Desk) -> int:
    """Delete what is due, up to a number at once.

    A file that was moved away, replaced or put there by somebody else stays as it is.

    One that can't be deleted is told in the log, and is due again the next time.

    Returns:
        How many files were deleted.
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
        try:
            deleted += _delete(desk, path, filed)
        except CannotWriteError as error:
            _log.warning(telemetry.PRUNE_REFUSED, reason=str(error))
            continue
        desk.ledger.forget_filed(path)
    return deleted


def _delete(desk: Desk, path: Path, filed: FileIdentity) -> bool:
    """Delete a file if it is still the one that was filed."""
    if files.identity(path) != filed:
        return False
    with files.writing(path):
        path.unlink()
    for name in ("done", "failed"):
        remove_empty(path.parent, desk.config.folder(name))
    return True


def prune_jobs(desk: Desk, before: float, states: Sequence[State]) -> int:
    """Forget settled jobs to which nothing has happened since a moment, some at once.

    What was filed of them is deleted first, unless somebody has changed it. After a crash anywhere,
    doing it again does the rest.

    Args:
        desk: whose ledger, done/ and failed/.
        before: seconds since the epoch.
        states: that the jobs are in.

    Returns:
        How many were forgotten; 0: there are no more.

    Raises:
        CannotWriteError: a file can't be deleted.
    """
    ids = desk.ledger.settled_before(before, states, _AT_ONCE)
    for path, filed in desk.ledger.filed_of(ids):
        _delete(desk, path, filed)
    crashpoint.reached("pruned")
    desk.ledger.forget_settled(ids)
    return len(ids)


def remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder below a root, and those above it, as far as they are empty."""
    while folder != root and folder.is_relative_to(root):
        with contextlib.suppress(OSError):
            folder.rmdir()
            folder = folder.parent
            continue
        return
