"""The ledger: nothing that is written comes back different, and nobody waits for a reader."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from jobs import BIG, ODD, an_entry, full_entry

from nstd.domain import FileIdentity
from nstd.entry import Entry, Fate, Input, Source, State
from nstd.errors import CannotWriteError
from nstd.spool.ledger import Ledger


def test_priority_then_age_orders(ledger: Ledger) -> None:
    """Higher priority first; among equals the older sidecar; then the id. Across both states."""
    jobs = {"young": (0, 9), "old": (0, 1), "urgent": (5, 9), "twin-a": (0, 5), "twin-b": (0, 5)}
    for number, (job_id, (priority, age)) in enumerate(jobs.items()):
        state = State.CLAIMED if number % 2 else State.QUEUED
        identity = FileIdentity(1, 1, 1, age)
        ledger.admit(an_entry(job_id, priority=priority, identity=identity, state=state))
    order = ["urgent", "old", "twin-a", "twin-b", "young"]
    assert [e.job_id for e in ledger.next_up(9, 0.0)] == order
    assert [e.job_id for e in ledger.next_up(2, 0.0)] == order[:2]
    both = ledger.unsettled(State.QUEUED, State.CLAIMED)
    assert [entry.job_id for entry in both] == order


def test_only_what_waits_for_its_turn_is_up_next(ledger: Ledger) -> None:
    """Neither what is deferred, nor what is settled, nor what a worker has, nor what has ended."""
    for state in State:
        ledger.admit(an_entry(str(state), state=state))
    ledger.admit(an_entry("later", not_before=100.0))
    ledger.admit(an_entry("past", settled=True))
    assert {entry.job_id for entry in ledger.next_up(99, 99.0)} == {"queued", "claimed"}
    assert {e.job_id for e in ledger.next_up(99, 100.0)} == {"queued", "claimed", "later"}


def test_the_next_time_is_that_of_the_first_deferred_job(ledger: Ledger) -> None:
    """Jobs whose time has come don't count, nor do those that are settled."""
    assert ledger.next_time(0.0) is None
    ledger.admit(an_entry("a", not_before=300.0))
    ledger.admit(an_entry("b", not_before=200.0))
    ledger.admit(an_entry("c", not_before=100.0))
    ledger.admit(an_entry("d", not_before=250.0, settled=True))
    assert ledger.next_time(150.0) == 200.0
    assert ledger.next_time(300.0) is None


@pytest.mark.parametrize("sidecar", ["a.yaml", "a.yml", "a.YAML"])
def test_jobs_are_found_by_the_name_in_the_inbox(ledger: Ledger, sidecar: str) -> None:
    """Whatever the suffix; in that folder only, and as long as they are not settled."""
    ledger.admit(an_entry("it", folder=Path("deep"), sidecar=sidecar))
    ledger.admit(an_entry("elsewhere", sidecar=sidecar))
    ledger.admit(an_entry("longer", folder=Path("deep"), sidecar=f"a{sidecar}"))
    ledger.admit(an_entry("past", folder=Path("deep"), sidecar=sidecar, settled=True))
    assert [entry.job_id for entry in ledger.named(Path("deep"), "a")] == ["it"]


def wanting(job_id: str, identity: FileIdentity | None, **changes: object) -> Entry:
    """Make up a job with one image."""
    image = Input(Source("content", Path("/in"), Path("x.jpg")), identity)
    changes.setdefault("inputs", (image,))
    return an_entry(job_id, **changes)


@pytest.mark.parametrize("state", State)
def test_an_image_is_wanted_until_each_of_its_jobs_has_seen_to_it(
    ledger: Ledger, state: State
) -> None:
    """Whatever has become of the other job; not by the job that asks itself."""
    version = FileIdentity(1, 2**63 + 5, 6, 7)
    ledger.admit(wanting("it", version, state=State.CLAIMED))
    assert not ledger.is_wanted(Path("/in"), Path("x.jpg"), version, "it")
    other = wanting("other", version, state=state)
    ledger.admit(other)
    assert ledger.is_wanted(Path("/in"), Path("x.jpg"), version, "it")
    assert not ledger.is_wanted(Path("/lib"), Path("x.jpg"), version, "it")
    assert not ledger.is_wanted(Path("/in"), Path("y.jpg"), version, "it")
    filed = (dataclasses.replace(other.inputs[0], fate=Fate.LEFT),)
    ledger.advance(other, inputs=filed)
    assert not ledger.is_wanted(Path("/in"), Path("x.jpg"), version, "it")


def test_a_settled_job_wants_nothing(ledger: Ledger) -> None:
    """Even if it was cut off before it had said so of every image."""
    version = FileIdentity(1, 5, 6, 7)
    ledger.admit(wanting("past", version, state=State.FAILED, settled=True))
    assert not ledger.is_wanted(Path("/in"), Path("x.jpg"), version, "it")


def test_another_version_is_wanted_only_by_jobs_that_are_not_copied_yet(ledger: Ledger) -> None:
    """A job with its copies has no more interest in what has the name now."""
    now = FileIdentity(1, 5, 6, 8)
    ledger.admit(wanting("copied", FileIdentity(1, 5, 6, 7), state=State.RUNNING))
    assert not ledger.is_wanted(Path("/in"), Path("x.jpg"), now, "it")
    ledger.admit(wanting("absent", None, state=State.QUEUED))
    assert ledger.is_wanted(Path("/in"), Path("x.jpg"), now, "it")


def test_a_published_duplicate_is_found_by_its_fingerprint(ledger: Ledger) -> None:
    """The latest; not one that failed, and not one that was a duplicate itself."""
    assert ledger.published("f") is None
    ledger.admit(an_entry("j1", fingerprint="f", state=State.RETIRED, settled=True))
    ledger.admit(an_entry("j2", fingerprint="f", state=State.PUBLISHED))
    ledger.admit(an_entry("j3", fingerprint="f", state=State.RETIRED, duplicate_of="j1"))
    ledger.admit(an_entry("j4", fingerprint="f", state=State.FAILED))
    ledger.admit(an_entry("j5", fingerprint="g", state=State.RETIRED))
    found = ledger.published("f")
    assert found is not None
    assert found.job_id == "j2"


def test_what_was_filed_is_known_by_folder_time_and_inode(ledger: Ledger) -> None:
    """A folder whose name begins alike is another folder."""
    entry = an_entry("job")
    ledger.admit(entry)
    for name in (f"done/{ODD}", "done-too/b", "failed/c"):
        ledger.record_filed(entry, Path("/r") / name, BIG)
    later = float(2**40)
    assert ledger.filed_before(Path("/r/done"), later, 9) == [(Path("/r/done") / ODD, BIG)]
    assert ledger.filed_before(Path("/r/done"), 0.0, 9) == []
    ledger.forget_filed(Path("/r/done") / ODD)
    assert ledger.filed_before(Path("/r/done"), later, 9) == []


def test_a_forgotten_job_leaves_nothing(ledger: Ledger, ledger_path: Path) -> None:
    """Neither its images nor its history."""
    entry = full_entry()
    ledger.admit(entry)
    ledger.forget(entry)
    assert ledger.entry("job") is None
    with contextlib.closing(sqlite3.connect(ledger_path)) as reader:
        for table in ("inputs", "transitions"):
            assert reader.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608


def test_the_history_has_a_line_for_every_state_and_note(ledger: Ledger, ledger_path: Path) -> None:
    """With both clocks and the boot that the monotonic one belongs to."""
    entry = an_entry("job")
    ledger.admit(entry, "new")
    entry = ledger.advance(entry, hold="no room")
    entry = ledger.advance(entry, "second try", attempts=1)
    ledger.advance(entry, state=State.CLAIMED)
    with contextlib.closing(sqlite3.connect(ledger_path)) as reader:
        found = reader.execute("SELECT state, note, at, monotonic, boot FROM transitions")
        lines = found.fetchall()
    told = [("queued", "new"), ("queued", "second try"), ("claimed", "")]
    assert [line[:2] for line in lines] == told
    assert all(at > 1e9 and monotonic > 0 and boot for _, _, at, monotonic, boot in lines)


def test_seconds_in_a_state_are_those_of_the_monotonic_clock(
    ledger: Ledger, ledger_path: Path
) -> None:
    """A wall clock that jumps between two states of one boot doesn't matter; else it has to do."""
    ledger.admit(an_entry("job"))
    lines = [
        ("job", 1000.0, 10.0, "x", "queued", ""),
        ("job", 99.0, 13.0, "x", "claimed", ""),
        ("job", 104.0, 2.0, "y", "running", ""),
        ("job", 100.0, 2.5, "y", "claimed", ""),
        ("job", 0.0, 2.75, "z", "running", ""),
    ]
    with contextlib.closing(sqlite3.connect(ledger_path)) as writer, writer:
        writer.execute("DELETE FROM transitions")
        writer.executemany("INSERT INTO transitions VALUES (?, ?, ?, ?, ?, ?)", lines)
    assert ledger.seconds("job") == {"queued": 3.0, "claimed": 5.0, "running": 0.5}


def test_counts(ledger: Ledger) -> None:
    """By state; and of those with something left to do."""
    ledger.admit(an_entry("a", state=State.RETIRED, settled=True))
    ledger.admit(an_entry("b", state=State.RETIRED, settled=True))
    ledger.admit(an_entry("c", state=State.FAILED))
    assert ledger.count() == {State.RETIRED: 2, State.FAILED: 1}
    assert ledger.count_unsettled() == 1
    assert [e.job_id for e in ledger.latest(State.RETIRED, 1)] == ["b"]


def test_a_readers_snapshot_keeps_nobody_waiting(ledger: Ledger, ledger_path: Path) -> None:
    """`nstd status` may sit in an open transaction; the daemon writes, and the reader sees none."""
    entry = an_entry("job")
    ledger.admit(entry)
    query = "SELECT state FROM jobs"
    with contextlib.closing(
        sqlite3.connect(f"file:{ledger_path}?mode=ro", uri=True, timeout=0)
    ) as reader:
        reader.execute("BEGIN")
        assert reader.execute(query).fetchall() == [("queued",)]
        ledger.advance(entry, state=State.CLAIMED)
        assert reader.execute(query).fetchall() == [("queued",)]
        reader.execute("COMMIT")
        assert reader.execute(query).fetchall() == [("claimed",)]


def test_a_refused_write_changes_nothing(ledger: Ledger, ledger_path: Path) -> None:
    """Disk trouble is a matter of resources, and a transaction is whole or not at all."""
    entry = full_entry()
    ledger.admit(entry)
    ledger._connection.execute("PRAGMA query_only = ON")
    inputs = tuple(dataclasses.replace(one, fate=Fate.GONE) for one in entry.inputs)
    with pytest.raises(CannotWriteError, match=str(ledger_path)):
        ledger.advance(entry, state=State.FAILED, inputs=inputs)
    ledger._connection.execute("PRAGMA query_only = OFF")
    assert ledger.entry("job") == entry
    ledger.advance(entry, state=State.FAILED)


def test_a_full_disk_is_a_matter_of_resources(ledger: Ledger) -> None:
    """31. The page limit of the ledger stands in for the disk's; afterwards all goes on."""
    entry = an_entry("job")
    ledger.admit(entry)
    ledger._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(CannotWriteError, match="full"):
        ledger.advance(entry, hold="x" * 2**20)
    ledger._connection.execute("PRAGMA max_page_count = 100000")
    assert ledger.entry("job") == entry
    ledger.advance(entry, hold="x" * 2**20)


def test_what_was_written_survives_a_kill(ledger_path: Path) -> None:
    """27. A transition that was returned from is on disk, without any closing."""
    code = (
        "import os, signal, sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from jobs import an_entry\n"
        "from nstd.entry import State\n"
        "from nstd.spool.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "ledger.advance((e := an_entry('job'), ledger.admit(e))[0], state=State.CLAIMED)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    tests = Path(__file__).parent
    command = [sys.executable, "-c", code, str(ledger_path), str(tests), str(tests.parent)]
    assert subprocess.run(command, check=False).returncode == -9
    ledger = Ledger(ledger_path)
    found = ledger.entry("job")
    ledger.close()
    assert found is not None
    assert found.state is State.CLAIMED


def test_facts_are_remembered(ledger: Ledger, ledger_path: Path) -> None:
    """The last word counts, and it outlives the process."""
    assert ledger.fact("inbox") is None
    ledger.set_fact("inbox", "one")
    ledger.set_fact("inbox", "two")
    ledger.close()
    again = Ledger(ledger_path)
    assert again.fact("inbox") == "two"
    again.close()
