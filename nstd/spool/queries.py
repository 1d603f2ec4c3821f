"""Questions to a ledger: the daemon's to its own, and those of who may only read it."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstd.entry import Entry, State
from nstd.errors import CannotWriteError, LedgerDamagedError, LedgerNewerError
from nstd.names import SIDECAR_SUFFIXES
from nstd.spool import rows, schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nstd.domain import FileIdentity

_WAITING = (State.QUEUED, State.CLAIMED)
_ORDER = "ORDER BY priority DESC, mtime_ns, job_id"


class Queries:
    """What can be asked of a ledger.

    Args:
        path: for messages.
        connection: to the file; the caller closes it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        connection.row_factory = sqlite3.Row

    def fact(self, key: str) -> str | None:
        """A fact about the spool as a whole."""
        row = self._one("SELECT value FROM facts WHERE key = ?", [key])
        return None if row is None else str(row["value"])

    def entry(self, job_id: str) -> Entry | None:
        """A job's entry."""
        found = self._entries("SELECT * FROM jobs WHERE job_id = ?", [job_id])
        return found[0] if found else None

    def unsettled(self, *states: State) -> list[Entry]:
        """Jobs in these states that have something left to do, in the order in which to run."""
        marks = ", ".join("?" * len(states))
        return self._entries(
            f"SELECT * FROM jobs WHERE NOT settled AND state IN ({marks}) {_ORDER}",
            [str(state) for state in states],
        )

    def unsettled_ids(self, *states: State) -> list[str]:
        """As `unsettled`, but the ids alone: a row with its manifest's facts takes kilobytes."""
        marks = ", ".join("?" * len(states))
        found = self._all(
            f"SELECT job_id FROM jobs WHERE NOT settled AND state IN ({marks}) {_ORDER}",
            [str(state) for state in states],
        )
        return [str(row["job_id"]) for row in found]

    def next_up(self, count: int, now: float) -> list[Entry]:
        """The jobs to run next: those that wait for nothing but their turn."""
        found = [self.entry(job_id) for job_id in self.next_up_ids(count, now)]
        return [entry for entry in found if entry]

    def next_up_ids(self, count: int, now: float) -> list[str]:
        """As `next_up`, but the ids alone."""
        found: list[sqlite3.Row] = []
        for state in _WAITING:  # a partial index serves one state in order, not two
            found += self._all(
                "SELECT priority, mtime_ns, job_id FROM jobs "
                f"WHERE NOT settled AND state = ? AND not_before <= ? {_ORDER} LIMIT ?",
                [str(state), now, count],
            )
        found.sort(key=lambda row: (-row["priority"], row["mtime_ns"], row["job_id"]))
        return [str(row["job_id"]) for row in found[:count]]

    def next_time(self, now: float) -> float | None:
        """When the first of the deferred jobs may go on; seconds since the epoch."""
        row = self._one(
            "SELECT min(not_before) AS first FROM jobs "
            "WHERE NOT settled AND not_before > 0 AND not_before > ?",
            [now],
        )
        return row["first"] if row else None

    def named(self, folder: Path, stem: str) -> list[Entry]:
        """Jobs that are not settled and whose sidecar had this name in the inbox."""
        sidecars = [stem + end for suffix in SIDECAR_SUFFIXES for end in (suffix, suffix.upper())]
        marks = ", ".join("?" * len(sidecars))
        return self._entries(
            f"SELECT * FROM jobs WHERE NOT settled AND folder = ? AND sidecar IN ({marks})",
            [os.fsencode(folder), *map(os.fsencode, sidecars)],
        )

    def is_wanted(self, root: Path, relative: Path, identity: FileIdentity, besides: str) -> bool:
        """Whether another job that isn't settled has yet to see to this version of an original.

        A job whose images are not copied yet will use whatever version it finds.
        """
        row = self._one(
            "SELECT 1 FROM inputs JOIN jobs USING (job_id) WHERE fate = 'pending' AND root = ? "
            "AND relative = ? AND inputs.job_id != ? AND NOT settled AND (state = 'queued' OR "
            "(inputs.inode = ? AND inputs.size = ? AND inputs.mtime_ns = ?)) LIMIT 1",
            [
                os.fsencode(root),
                os.fsencode(relative),
                besides,
                rows.signed(identity.inode),
                identity.size,
                identity.mtime_ns,
            ],
        )
        return row is not None

    def published(self, fingerprint: str) -> Entry | None:
        """The latest job with this fingerprint whose result was published."""
        found = self._entries(
            "SELECT * FROM jobs WHERE fingerprint = ? AND duplicate_of = '' "
            "AND state IN ('published', 'retired') ORDER BY job_id DESC LIMIT 1",
            [fingerprint],
        )
        return found[0] if found else None

    def filed_before(
        self, root: Path, moment: float, limit: int
    ) -> list[tuple[Path, FileIdentity]]:
        """Files that were put below a folder before a moment, and what they were; oldest first."""
        below = os.fsencode(root) + b"/"
        found = self._all(
            "SELECT * FROM filed WHERE at < ? AND substr(path, 1, ?) = ? ORDER BY at LIMIT ?",
            [moment, len(below), below, limit],
        )
        return [(Path(os.fsdecode(row["path"])), rows.identity(row)) for row in found]

    def filed_of(self, job_ids: Sequence[str]) -> list[tuple[Path, FileIdentity]]:
        """What was filed of these jobs, and what those files were."""
        marks = ", ".join("?" * len(job_ids))
        found = self._all(f"SELECT * FROM filed WHERE job_id IN ({marks})", job_ids)
        return [(Path(os.fsdecode(row["path"])), rows.identity(row)) for row in found]

    def settled_before(self, moment: float, states: Sequence[State], limit: int) -> list[str]:
        """Ids of settled jobs to which nothing has happened since a moment; the oldest first."""
        old, values = _old(moment, states)
        found = self._all(f"{old} ORDER BY job_id LIMIT ?", [*values, limit])
        return [str(row["job_id"]) for row in found]

    def count_before(self, moment: float, states: Sequence[State]) -> tuple[int, int]:
        """How many such jobs there are, and how many files were filed of them."""
        old, values = _old(moment, states)
        row = self._one(
            f"SELECT (SELECT count(*) FROM ({old})) AS jobs, "
            f"(SELECT count(*) FROM filed WHERE job_id IN ({old})) AS files",
            [*values, *values],
        )
        assert row is not None  # noqa: S101 - an aggregate has a row
        return row["jobs"], row["files"]

    def count(self) -> dict[State, int]:
        """Jobs by state; those that are all done count too."""
        found = self._all("SELECT state, count(*) AS jobs FROM jobs GROUP BY state", [])
        return {State(row["state"]): row["jobs"] for row in found}

    def count_unsettled(self) -> int:
        """Jobs with something left to do."""
        row = self._one("SELECT count(*) AS jobs FROM jobs WHERE NOT settled", [])
        assert row is not None  # noqa: S101 - an aggregate has a row
        return int(row["jobs"])

    def latest(self, state: State, count: int) -> list[Entry]:
        """The newest jobs in a state, newest first."""
        return self._entries(
            "SELECT * FROM jobs WHERE state = ? ORDER BY job_id DESC LIMIT ?", [str(state), count]
        )

    def seconds(self, job_id: str) -> dict[str, float]:
        """How long a job was in each state so far, by the monotonic clock within one boot."""
        found = self._all("SELECT * FROM transitions WHERE job_id = ? ORDER BY rowid", [job_id])
        spent: dict[str, float] = {}
        for before, after in itertools.pairwise(found):
            clock = "monotonic" if before["boot"] == after["boot"] else "at"
            taken = max(0.0, after[clock] - before[clock])
            spent[before["state"]] = spent.get(before["state"], 0.0) + taken
        return spent

    def select(self, query: str, values: Sequence[Any] = ()) -> Iterator[sqlite3.Row]:
        """The rows of a query, as they are read.

        Raises:
            CannotWriteError: the file can't be read.
            LedgerDamagedError: what is read isn't what was written.
        """
        with self._in_our_terms("read"):
            yield from self._connection.execute(query, values)

    def _entries(self, query: str, values: Sequence[Any]) -> list[Entry]:
        inputs = "SELECT * FROM inputs WHERE job_id = ? ORDER BY position"
        return [
            rows.entry(row, self._all(inputs, [row["job_id"]])) for row in self._all(query, values)
        ]

    def _one(self, query: str, values: Sequence[Any]) -> sqlite3.Row | None:
        found = self._all(query, values)
        return found[0] if found else None

    def _all(self, query: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        with self._in_our_terms("read"):
            return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _in_our_terms(self, done: str) -> Iterator[None]:
        """Tell trouble with the disk from trouble with what is on it."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise CannotWriteError(
                f"the ledger can't be {done}: {error}",
                file=str(self._path),
                remedy="free some space, or let the service's user write there",
            ) from error
        except sqlite3.DatabaseError as error:
            raise damaged(self._path, error) from error


def _old(moment: float, states: Sequence[State]) -> tuple[str, list[Any]]:
    """The query for settled jobs in these states to which nothing has happened since a moment."""
    marks = ", ".join("?" * len(states))
    # An id tells the second in which its job came; the tilde sorts after the rest of any.
    stamp = time.strftime("%Y%m%dT%H%M%S~", time.gmtime(moment))
    query = (
        f"SELECT job_id FROM jobs WHERE settled AND job_id < ? AND state IN ({marks}) AND "
        "(SELECT max(at) FROM transitions WHERE job_id = jobs.job_id) < ?"
    )
    return query, [stamp, *map(str, states), moment]


def refuse_newer(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse a ledger whose tables this program can't know; closes the connection if so.

    Raises:
        LedgerNewerError: a later version of nstd has written it.
        sqlite3.DatabaseError: it isn't a ledger.
    """
    found = schema.version(connection)
    if found > schema.VERSION:
        connection.close()
        raise LedgerNewerError(
            f"is of version {found}, and this nstd knows {schema.VERSION}",
            file=str(path),
            remedy="install the newer nstd again, or give this one another state folder",
        )


def damaged(path: Path, error: sqlite3.Error) -> LedgerDamagedError:
    """What SQLite says of a file that isn't a whole ledger, in our terms."""
    return LedgerDamagedError(
        f"the ledger is damaged: {error}",
        file=str(path),
        remedy="start nstd again: it sets the file aside and puts what was claimed back",
    )
