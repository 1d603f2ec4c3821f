"""Read a ledger that is another's: whether its daemon runs or not, and without leaving a trace.

SQLite would make a `-wal` and a `-shm` file beside a ledger that has none, and whoever reads it is
not always the daemon's user: such files would be in its way at the next start. So a ledger without
them, which is one whose daemon has ended in order, is read as a file that doesn't change, and read
again if it did.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, TypeVar

from nstd.errors import CannotWriteError, LedgerAbsentError, LedgerDamagedError
from nstd.spool import schema
from nstd.spool.queries import Queries, damaged, refuse_newer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Answer = TypeVar("Answer")

_BUSY_SECONDS = 5.0
_TRIES = 3


def ask(path: Path, question: Callable[[Queries], Answer]) -> Answer:
    """Put a question to a ledger; all of it is answered from one moment.

    Args:
        path: the file.
        question: may be put more than once; what it returns must hold no reference to its
            argument.

    Raises:
        LedgerAbsentError: there is none.
        LedgerNewerError: a later version of nstd has written it.
        LedgerDamagedError: it isn't a ledger, or not a whole one.
        CannotWriteError: it can't be read.
    """
    for _ in range(_TRIES):
        before = _look(path)
        try:
            with _opened(path, is_still=before[1] is None) as queries:
                answer = question(queries)
        except LedgerDamagedError:
            if before[1] is not None or _look(path) == before:
                raise
        else:
            if before[1] is not None or _look(path) == before:
                return answer
    with _opened(path, is_still=False) as queries:
        return question(queries)


def _look(path: Path) -> tuple[tuple[int, int, int] | None, ...]:
    """What the ledger and its write-ahead log are now; None for what isn't there."""
    found: list[tuple[int, int, int] | None] = []
    for part in (path, path.with_name(f"{path.name}-wal")):
        try:
            status = part.stat()
        except FileNotFoundError:
            found.append(None)
        except OSError as error:
            raise _unreadable(path, str(error.strerror)) from error
        else:
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    if found[0] is None or found[0][1] == 0:
        raise LedgerAbsentError(
            "there is no ledger: no daemon has run with this configuration yet",
            file=str(path),
            remedy="start nstd there once, or name its folders with --root or --config",
        )
    return tuple(found)


@contextlib.contextmanager
def _opened(path: Path, *, is_still: bool) -> Iterator[Queries]:
    """A connection within one read transaction."""
    options = "immutable=1" if is_still else "mode=ro"
    if not is_still and not path.with_name(f"{path.name}-shm").exists():
        options += "&readonly_shm=1"
    try:
        with contextlib.closing(
            sqlite3.connect(
                f"{path.absolute().as_uri()}?{options}",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
            )
        ) as connection:
            refuse_newer(path, connection)
            connection.execute("BEGIN")
            if schema.version(connection) == 0:
                raise LedgerDamagedError("has no tables", file=str(path))
            yield Queries(path, connection)
    except sqlite3.OperationalError as error:
        raise _unreadable(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error


def _unreadable(path: Path, why: str) -> CannotWriteError:
    return CannotWriteError(
        f"the ledger can't be read: {why}",
        file=str(path),
        remedy="be a member of the state folder's group; or start nstd, if it is stopped",
    )
