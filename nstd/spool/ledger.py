"""The ledger: what every job is, was and waits for; the queue and the history.

SQLite on the daemon's local disk, in WAL mode, so that readers never block the daemon. Each
transition is one transaction, on disk before the step that relies on it is taken.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstd.errors import CannotWriteError
from nstd.spool import rows, schema
from nstd.spool.deliveries import Deliveries
from nstd.spool.queries import Queries, damaged, refuse_newer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nstd.domain import FileIdentity
    from nstd.entry import Entry
    from nstd.spool.deliveries import Delivery

_BUSY_SECONDS = 30.0


class Ledger(Queries):
    """One daemon's ledger; nobody else writes to it.

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
        super().__init__(path, _connect(path))
        self._boot = _boot_id()
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

    def forget_settled(self, job_ids: Sequence[str]) -> None:
        """Remove jobs with their whole history; those with something left to do stay."""
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM jobs WHERE job_id = ? AND settled", [[one] for one in job_ids]
            )

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

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        refuse_newer(path, connection)
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
        raise damaged(path, error) from error
    return connection


def _check(connection: sqlite3.Connection) -> None:
    told = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if told != "ok":
        raise sqlite3.DatabaseError(told)


def _values(row: dict[str, Any]) -> str:
    return f"({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})"


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
