"""Reading a ledger that is another's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nstd.errors import (
    CannotWriteError,
    LedgerAbsentError,
    LedgerDamagedError,
    LedgerNewerError,
    NstdError,
)
from nstd.spool import reading, schema
from nstd.spool.ledger import Ledger

if TYPE_CHECKING:
    from nstd.spool.queries import Queries

KILLED = """
import os, signal
from pathlib import Path
from nstd.spool.ledger import Ledger
Ledger(Path({path!r})).set_fact("key", "{value}")
os.kill(os.getpid(), signal.SIGKILL)
"""
ASKING = """
from pathlib import Path
from nstd.spool import reading
print(reading.ask(Path({path!r}), lambda found: found.fact("key")))
"""


def fact(found: Queries) -> str | None:
    """Ask for what the tests write."""
    return found.fact("key")


def names(path: Path) -> set[str]:
    """List the ledger's folder."""
    return {found.name for found in path.parent.iterdir()}


def leave_killed(path: Path, value: str = "killed") -> None:
    """Leave a ledger as a daemon does that is killed after it has written something."""
    code = KILLED.format(path=str(path), value=value)
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_running_daemons_ledger(ledger_path: Path) -> None:
    """What it has just written is there."""
    ledger = Ledger(ledger_path)
    ledger.set_fact("key", "now")
    assert reading.ask(ledger_path, fact) == "now"
    ledger.close()


def test_a_stopped_daemons_ledger_is_left_without_a_trace(ledger_path: Path) -> None:
    """No file is made that the daemon would find in its way."""
    ledger = Ledger(ledger_path)
    ledger.set_fact("key", "then")
    ledger.close()
    assert reading.ask(ledger_path, fact) == "then"
    assert names(ledger_path) == {"ledger.sqlite"}


def test_a_killed_daemons_ledger(ledger_path: Path) -> None:
    """What lies in the write-ahead log alone is read, and the log stays as it was."""
    leave_killed(ledger_path)
    before = names(ledger_path)
    assert reading.ask(ledger_path, fact) == "killed"
    assert names(ledger_path) == before
    ledger = Ledger(ledger_path)
    assert fact(ledger) == "killed"
    ledger.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
@pytest.mark.parametrize("is_killed", [False, True])
def test_by_somebody_who_may_only_read(*, is_killed: bool) -> None:
    """A member of the group, who may write in the folder but not the ledger itself."""
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    with tempfile.TemporaryDirectory() as folder:  # pytest's are its user's alone
        path = Path(folder) / "ledger.sqlite"
        leave_killed(path)
        if not is_killed:
            Ledger(path).close()
        for found in path.parent.iterdir():
            found.chmod(0o644)
        path.parent.chmod(0o777)
        before = names(path)
        code = ASKING.format(path=str(path))
        asked = subprocess.run(
            [*other, sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert asked.stdout == "killed\n", asked.stderr
        assert names(path) == before


def test_a_daemon_that_starts_meanwhile_is_waited_for(ledger_path: Path) -> None:
    """The answer is never a mixture of before and after."""
    Ledger(ledger_path).close()
    started: list[Ledger] = []

    def question(found: Queries) -> str | None:
        if not started:
            started.append(Ledger(ledger_path))
            started[0].set_fact("key", "new")
        return found.fact("key")

    assert reading.ask(ledger_path, question) == "new"
    started[0].close()


@pytest.mark.parametrize("makes", [None, b""])
def test_one_that_is_not_there_yet(ledger_path: Path, makes: bytes | None) -> None:
    """Says where it should be, and how it comes there."""
    if makes is not None:
        ledger_path.write_bytes(makes)
    with pytest.raises(LedgerAbsentError, match=r"ledger\.sqlite: there is no ledger.*--root") as e:
        reading.ask(ledger_path, fact)
    assert e.value.exit_code == 78


def test_one_that_is_newer_than_the_program(
    ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It isn't guessed at."""
    Ledger(ledger_path).close()
    monkeypatch.setattr(schema, "VERSION", 0)
    with pytest.raises(LedgerNewerError) as raised:
        reading.ask(ledger_path, fact)
    assert raised.value.exit_code == 78


@pytest.mark.parametrize("damage", [b"no ledger at all" * 300, None])
def test_a_damaged_one(ledger_path: Path, damage: bytes | None) -> None:
    """Another file in its place, or a page of noise in its middle."""
    ledger = Ledger(ledger_path)
    ledger.set_fact("key", "x")
    ledger.close()
    data = ledger_path.read_bytes()
    ledger_path.write_bytes(damage or data[:4096] + b"\xff" * 4096 * 8 + data[4096 * 9 :])
    with pytest.raises(LedgerDamagedError) as raised:
        reading.ask(ledger_path, fact)
    assert raised.value.exit_code == 73


def test_a_log_without_its_index_is_not_touched(ledger_path: Path) -> None:
    """Making the index anew is for the daemon's own user; the message says so."""
    leave_killed(ledger_path)
    ledger_path.with_name("ledger.sqlite-shm").unlink()
    with pytest.raises(CannotWriteError, match="start nstd"):
        reading.ask(ledger_path, fact)
    assert "ledger.sqlite-shm" not in names(ledger_path)


def test_what_the_question_raises_is_passed_on(ledger_path: Path) -> None:
    """It is no trouble of the ledger's."""
    Ledger(ledger_path).close()

    def question(_: Queries) -> None:
        raise NstdError("of another kind")

    with pytest.raises(NstdError, match="of another kind"):
        reading.ask(ledger_path, question)
