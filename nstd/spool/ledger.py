"""The ledger: what every job is, was and waits for; the queue and the history.

SQLite on the daemon's local disk, in WAL mode, so that readers never block the daemon. Each
transition is one transaction, on disk before the step that relies on it is taken.
"""

from __future__ import annotations

import contextlib
import dataclasses
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
from nstd.spool.deliveries import Deliveries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nstd.domain import FileIdentity
    from nstd.spool.deliveries import Delivery

_BUSY_SECONDS = 30.0
_WAITING = (State.QUEUED, State.CLAIMED)
_ORDER = "ORDER BY priority DESC, mtime_ns, job_id"


class Ledger:
    """One daemon's ledger.

    Args:
        path: the file; made if it isn't there.

    Raises:
        LedgerNewerError: a later version of nstd has written it.
        LedgerDamagedError: it isn't a ledger, or not a whole one.
        CannotWriteError: it can't be opened for writing.

    Attributes:
        deliveries: what hooks have yet to be told.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._boot = _boot_id()
        self._connection = _connect(path)
        self.deliveries = Deliveries(self._transaction, self._all)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    # -- writing -----------------------------------------------------------------------------

    def admit(self, entry: Entry, note: str = "") -> None:
        """Write a new job's row."""
        row = rows.of_entry(entry)
        with self._transaction() as connection:
            connection.execute(f"INSERT INTO jobs {_values(row)}", row)
            for position, one in enumerate(entry.inputs):
                row = rows.of_input(entry.job_id, position, one)
                connection.execute(f"INSERT INTO inputs {_values(row)}", row)
            self._note(entry, note)

    def advance(
        self,
        entry: Entry,
        note: str = "",
        *,
        deliveries: Sequence[Delivery] = (),
        **changes: Any,  # noqa: ANN401 - Entry's fields
    ) -> Entry:
        """Replace an entry by one with changes, as one transaction.

        Args:
            entry: as the ledger has it.
            note: for the history, which grows by a line if the state changes or there is a note.
            deliveries: of this change, queued in the same transaction so that none is lost.
            **changes: fields of the entry.
        """
        after = dataclasses.replace(entry, **changes)
        changed = [name for name in changes if getattr(entry, name) != changes[name]]
        columns = rows.of_entry(after, changed)
        with self._transaction() as connection:
            if columns:
                sets = ", ".join(f"{name} = :{name}" for name in columns)
                row = {**columns, "job_id": entry.job_id}
                connection.execute(f"UPDATE jobs SET {sets} WHERE job_id = :job_id", row)
            for position, (old, new) in enumerate(zip(entry.inputs, after.inputs, strict=True)):
                if old != new:
                    row = rows.of_input(entry.job_id, position, new)
                    connection.execute(f"REPLACE INTO inputs {_values(row)}", row)
            if after.state != entry.state or note:
                self._note(after, note)
            self.deliveries.queue(connection, deliveries)
        return after

    def forget(self, entry: Entry) -> None:
        """Remove a job that never became one: its sidecar is in its owner's hands."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM jobs WHERE job_id = ?", [entry.job_id])

    def record_filed(self, entry: Entry, path: Path, identity: FileIdentity) -> None:
        """Note a file that was put into done/ or failed/."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO filed VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    entry.job_id,
                    os.fsencode(path),
                    time.time(),
                    rows.signed(identity.device),
                    rows.signed(identity.inode),
                    identity.size,
                    identity.mtime_ns,
                ],
            )

    def forget_filed(self, path: Path) -> None:
        """Note that such a file is gone, or no longer ours."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM filed WHERE path = ?", [os.fsencode(path)])

    def set_fact(self, key: str, value: str) -> None:
        """Remember a fact about the spool as a whole."""
        with self._transaction() as connection:
            connection.execute("REPLACE INTO facts VALUES (?, ?)", [key, value])

    # -- reading -----------------------------------------------------------------------------

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
        found: list[Entry] = []
        for state in _WAITING:  # a partial index serves one state in order, not two
            found += self._entries(
                "SELECT * FROM jobs WHERE NOT settled AND state = ? AND not_before <= ? "
                f"{_ORDER} LIMIT ?",
                [str(state), now, count],
            )
        ordered = sorted(found, key=lambda e: (-e.priority, e.identity.mtime_ns, e.job_id))
        return ordered[:count]

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

    def _note(self, entry: Entry, note: str) -> None:
        self._connection.execute(
            "INSERT INTO transitions VALUES (?, ?, ?, ?, ?, ?)",
            [entry.job_id, time.time(), time.monotonic(), self._boot, str(entry.state), note],
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing.

        Raises:
            CannotWriteError: the disk refuses; the ledger is as it was.
            LedgerDamagedError: what is read isn't what was written.
        """
        connection = self._connection
        try:
            with self._in_our_terms("written"):
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

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
            raise _damaged(self._path, error) from error

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        found = schema.version(connection)
        if found > schema.VERSION:
            connection.close()
            raise LedgerNewerError(
                f"is of version {found}, and this nstd knows {schema.VERSION}",
                file=str(path),
                remedy="install the newer nstd again, or give this one another state folder",
            )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _check(connection)
        schema.migrate(connection)
    except sqlite3.OperationalError as error:
        raise CannotWriteError(
            f"the ledger can't be opened: {error}",
            file=str(path),
            remedy="let the service's user write to the state folder",
        ) from error
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from error
    return connection


def _check(connection: sqlite3.Connection) -> None:
    told = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if told != "ok":
        raise sqlite3.DatabaseError(told)


def _damaged(path: Path, error: sqlite3.Error) -> LedgerDamagedError:
    return LedgerDamagedError(
        f"the ledger is damaged: {error}",
        file=str(path),
        remedy="start nstd again: it sets the file aside and puts what was claimed back",
    )


def _values(row: dict[str, Any]) -> str:
    return f"({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
