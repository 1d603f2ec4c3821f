"""The ledger's file: new, older, newer, damaged, torn, and not ours to read."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jobs import an_entry

from nstd.entry import State
from nstd.errors import CannotWriteError, LedgerDamagedError, LedgerNewerError
from nstd.spool import history, schema
from nstd.spool.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable


def test_an_empty_file_becomes_a_ledger(ledger_path: Path) -> None:
    """Version 0 is no tables at all; every migration is applied, and only once."""
    ledger_path.touch()
    for _ in range(2):
        ledger = Ledger(ledger_path)
        assert schema.version(ledger._connection) == schema.VERSION
        assert ledger.count() == {}
        ledger.close()


def test_a_migration_is_whole_or_not_at_all(
    ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails half way leaves the version before, and its tables."""
    Ledger(ledger_path).close()
    broken = (*schema._MIGRATIONS, "CREATE TABLE more (x TEXT) STRICT; CREATE TABLE jobs (y TEXT);")
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_MIGRATIONS", broken)
        patched.setattr(schema, "VERSION", len(broken))
        with pytest.raises(CannotWriteError, match="already exists"):
            Ledger(ledger_path)
    with contextlib.closing(sqlite3.connect(ledger_path)) as found:
        assert schema.version(found) == len(broken) - 1
        assert not found.execute("SELECT * FROM sqlite_master WHERE name = 'more'").fetchall()


def test_a_newer_ledger_is_refused(ledger_path: Path) -> None:
    """Exit code 78, with both versions and what to do; the file is not touched."""
    Ledger(ledger_path).close()
    with contextlib.closing(sqlite3.connect(ledger_path)) as writer:
        writer.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = ledger_path.read_bytes()
    with pytest.raises(LedgerNewerError, match=rf"version {schema.VERSION + 1}.*newer") as caught:
        Ledger(ledger_path)
    assert caught.value.exit_code == 78
    assert ledger_path.read_bytes() == before


def damage(ledger_path: Path, how: str) -> None:
    """Damage a ledger file as disks and people do."""
    data = ledger_path.read_bytes()
    if how == "truncated":
        ledger_path.write_bytes(data[: len(data) // 2])
    elif how == "overwritten":
        middle = len(data) // 3
        ledger_path.write_bytes(data[:middle] + b"\xa5" * middle + data[2 * middle :])
    else:
        ledger_path.write_bytes(b"certainly not a database\n" * 200)


@pytest.mark.parametrize("how", ["truncated", "overwritten", "not a database"])
def test_a_damaged_ledger_is_recognised(ledger_path: Path, how: str) -> None:
    """At the start, before anything relies on it; the message says what will happen."""
    ledger = Ledger(ledger_path)
    for number in range(200):
        ledger.admit(an_entry(f"job-{number:04}", hold="x" * 200))
    ledger.close()
    damage(ledger_path, how)
    with pytest.raises(LedgerDamagedError, match="sets the file aside"):
        Ledger(ledger_path)


def test_damage_that_shows_later_is_named_too(ledger_path: Path) -> None:
    """A page that goes bad under a running daemon is the same error."""
    ledger = Ledger(ledger_path)
    for number in range(200):
        ledger.admit(an_entry(f"job-{number:04}", hold="x" * 200))
    ledger.close()
    ledger = Ledger(ledger_path)
    ledger._connection.execute("PRAGMA shrink_memory")  # forget the pages that were checked
    damage(ledger_path, "overwritten")
    with pytest.raises(LedgerDamagedError):
        ledger.unsettled(State.QUEUED)
    ledger.close()


def test_a_torn_end_of_the_log_costs_only_what_was_not_acknowledged(
    ledger: Ledger, ledger_path: Path, tmp_path: Path
) -> None:
    """Garbage after the last commit, as a power cut leaves it, is passed over."""
    ledger.admit(an_entry("job"))
    copy = tmp_path / "copy" / ledger_path.name
    copy.parent.mkdir()
    for end in ("", "-wal"):
        shutil.copy(f"{ledger_path}{end}", f"{copy}{end}")
    with Path(f"{copy}-wal").open("ab") as log:
        log.write(os.urandom(5000))
    again = Ledger(copy)
    assert again.entry("job") is not None
    again.close()


def test_a_file_that_may_not_be_read_is_a_matter_of_rights(ledger_path: Path) -> None:
    """A folder in its place stands for all that can't be opened."""
    ledger_path.mkdir()
    with pytest.raises(CannotWriteError, match="can't be opened"):
        Ledger(ledger_path)


def test_the_latest_of_a_kind_is_found_without_sorting(ledger: Ledger) -> None:
    """However often the same was done: thousands of rows are not read for one."""
    steps = plan_of(ledger, lambda: ledger.published("a fingerprint"))
    assert steps == ["SEARCH jobs USING INDEX fingerprints (fingerprint=?)"]


def test_names_are_looked_through_without_their_rows(ledger: Ledger) -> None:
    """All of them lie in an index, in the order in which they are told."""
    steps = plan_of(ledger, lambda: list(history.records(ledger, pattern="a*")))
    assert steps == ["SCAN jobs USING COVERING INDEX names"]


def plan_of(ledger: Ledger, action: Callable[[], object]) -> list[str]:
    """Find out how SQLite goes about the one question that an action asks."""
    asked: list[str] = []
    connection = ledger._connection
    connection.set_trace_callback(asked.append)
    action()
    connection.set_trace_callback(None)
    (query,) = asked
    return [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
