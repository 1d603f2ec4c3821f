"""The ledger: nothing that is written comes back different, and nobody waits for a reader."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jobs import an_entry

from nstd.domain import Failure, FileIdentity, Rendered
from nstd.entry import Entry, Fate, Input, Source, State, Target
from nstd.errors import CannotWriteError, Disposition, LedgerDamagedError, LedgerNewerError
from nstd.params import StyleParams
from nstd.spool import schema
from nstd.spool.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

BIG = FileIdentity(2**64 - 1, 2**64 - 2, 2**40, 2**62)
ODD = os.fsdecode(b"caf\xe9\n\xff")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file for a ledger."""
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    """Open a new one."""
    ledger = Ledger(path)
    yield ledger
    ledger.close()


def full_entry() -> Entry:
    """Fill in every field, with names of any bytes and numbers of 64 bits."""
    inputs = (
        Input(Source("content", Path("/in"), Path(ODD) / "a.jpg"), BIG, "aa", ODD, Fate.FILED),
        Input(Source("style", Path("/lib"), Path("b.jpg"), from_library=True, weight=0.1), None),
        Input(Source("style", Path("/in"), Path("b.jpg")), FileIdentity(0, 2**63, 0, 0), "cc", "d"),
    )
    return Entry(
        job_id="job",
        folder=Path("deep") / ODD,
        sidecar=f"{ODD}.yaml",
        identity=BIG,
        inputs=inputs,
        params=StyleParams.model_validate({"preset": "fast", "size": 333, "style_weight": 2.5}),
        output=ODD,
        priority=-7,
        state=State.RENDERED,
        attempts=2,
        crashes=3,
        not_before=1.5e9,
        hold=f"no room in {Path('/x')}",
        fingerprint="f" * 64,
        duplicate_of="other",
        failure=Failure("code", Disposition.HOLD, "what", "file", "key", "remedy", {"n": [1, 2]}),
        rendered=Rendered(
            Path("/state") / ODD, "ee", 640, 480, {"seconds": {"load": 0.5}}, (Path("/s") / ODD,)
        ),
        target=Target(Path("/out") / ODD, BIG, Path("/out/a.png"), Path("/out") / f"{ODD}.json"),
        home=Path("/done") / ODD,
        settled=True,
    )


def test_every_field_comes_back(ledger: Ledger, path: Path) -> None:
    """12. Whatever the bytes of a name and however large an inode's number, after a restart too."""
    entry = full_entry()
    unlike = {f.name for f in dataclasses.fields(Entry) if f.default == getattr(entry, f.name)}
    assert not unlike, "a field with its default shows nothing"
    ledger.admit(entry)
    assert ledger.entry("job") == entry
    ledger.close()
    again = Ledger(path)
    found = again.entry("job")
    again.close()
    assert found == entry
    assert found.identity.device == BIG.device, "not compared, and told all the same"
    assert found.target is not None
    assert found.target.identity is not None
    assert found.target.identity.device == BIG.device
    assert [one.identity and one.identity.inode for one in found.inputs] == [2**64 - 2, None, 2**63]


def test_the_least_comes_back(ledger: Ledger) -> None:
    """A sidecar that could not be understood has no parameters, images, or anything else."""
    entry = an_entry("job", params=None)
    ledger.admit(entry)
    assert ledger.entry("job") == entry


@pytest.mark.parametrize(
    "name", [f.name for f in dataclasses.fields(Entry) if f.name not in {"job_id", "inputs"}]
)
def test_every_field_can_be_changed_and_changed_back(ledger: Ledger, name: str) -> None:
    """One by one, each as a transaction of its own; the others stay."""
    plain, full = an_entry("job"), full_entry()
    ledger.admit(plain)
    after = ledger.advance(plain, **{name: getattr(full, name)})
    assert ledger.entry("job") == after == dataclasses.replace(plain, **{name: getattr(full, name)})
    ledger.advance(after, **{name: getattr(plain, name)})
    assert ledger.entry("job") == plain


def test_an_inputs_fate_is_written_alone(ledger: Ledger) -> None:
    """The other inputs keep theirs."""
    entry = full_entry()
    ledger.admit(entry)
    inputs = list(entry.inputs)
    inputs[2] = dataclasses.replace(inputs[2], fate=Fate.LEFT)
    ledger.advance(entry, inputs=tuple(inputs))
    found = ledger.entry("job")
    assert found is not None
    assert [one.fate for one in found.inputs] == [Fate.FILED, Fate.PENDING, Fate.LEFT]


def test_a_duplicates_target_has_no_identity(ledger: Ledger) -> None:
    """It has no result of its own."""
    target = Target(Path("/o/t"), None, Path("/o/a.png"), Path("/o/a-2.json"))
    entry = an_entry("job", target=target)
    ledger.admit(entry)
    assert ledger.entry("job") == entry


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


def test_a_forgotten_job_leaves_nothing(ledger: Ledger, path: Path) -> None:
    """Neither its images nor its history."""
    entry = full_entry()
    ledger.admit(entry)
    ledger.forget(entry)
    assert ledger.entry("job") is None
    with contextlib.closing(sqlite3.connect(path)) as reader:
        for table in ("inputs", "transitions"):
            assert reader.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608


def test_the_history_has_a_line_for_every_state_and_note(ledger: Ledger, path: Path) -> None:
    """With both clocks and the boot that the monotonic one belongs to."""
    entry = an_entry("job")
    ledger.admit(entry, "new")
    entry = ledger.advance(entry, hold="no room")
    entry = ledger.advance(entry, "second try", attempts=1)
    ledger.advance(entry, state=State.CLAIMED)
    with contextlib.closing(sqlite3.connect(path)) as reader:
        found = reader.execute("SELECT state, note, at, monotonic, boot FROM transitions")
        lines = found.fetchall()
    told = [("queued", "new"), ("queued", "second try"), ("claimed", "")]
    assert [line[:2] for line in lines] == told
    assert all(at > 1e9 and monotonic > 0 and boot for _, _, at, monotonic, boot in lines)


def test_seconds_in_a_state_are_those_of_the_monotonic_clock(ledger: Ledger, path: Path) -> None:
    """A wall clock that jumps between two states of one boot doesn't matter; else it has to do."""
    ledger.admit(an_entry("job"))
    lines = [
        ("job", 1000.0, 10.0, "x", "queued", ""),
        ("job", 99.0, 13.0, "x", "claimed", ""),
        ("job", 104.0, 2.0, "y", "running", ""),
        ("job", 100.0, 2.5, "y", "claimed", ""),
        ("job", 0.0, 2.75, "z", "running", ""),
    ]
    with contextlib.closing(sqlite3.connect(path)) as writer, writer:
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


def test_a_readers_snapshot_keeps_nobody_waiting(ledger: Ledger, path: Path) -> None:
    """`nstd status` may sit in an open transaction; the daemon writes, and the reader sees none."""
    entry = an_entry("job")
    ledger.admit(entry)
    query = "SELECT state FROM jobs"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0)) as reader:
        reader.execute("BEGIN")
        assert reader.execute(query).fetchall() == [("queued",)]
        ledger.advance(entry, state=State.CLAIMED)
        assert reader.execute(query).fetchall() == [("queued",)]
        reader.execute("COMMIT")
        assert reader.execute(query).fetchall() == [("claimed",)]


def test_a_refused_write_changes_nothing(ledger: Ledger, path: Path) -> None:
    """Disk trouble is a matter of resources, and a transaction is whole or not at all."""
    entry = full_entry()
    ledger.admit(entry)
    ledger._connection.execute("PRAGMA query_only = ON")
    inputs = tuple(dataclasses.replace(one, fate=Fate.GONE) for one in entry.inputs)
    with pytest.raises(CannotWriteError, match=str(path)):
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


def test_what_was_written_survives_a_kill(path: Path) -> None:
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
    command = [sys.executable, "-c", code, str(path), str(tests), str(tests.parent)]
    assert subprocess.run(command, check=False).returncode == -9
    ledger = Ledger(path)
    found = ledger.entry("job")
    ledger.close()
    assert found is not None
    assert found.state is State.CLAIMED


def test_facts_are_remembered(ledger: Ledger, path: Path) -> None:
    """The last word counts, and it outlives the process."""
    assert ledger.fact("inbox") is None
    ledger.set_fact("inbox", "one")
    ledger.set_fact("inbox", "two")
    ledger.close()
    again = Ledger(path)
    assert again.fact("inbox") == "two"
    again.close()


def test_an_empty_file_becomes_a_ledger(path: Path) -> None:
    """Version 0 is no tables at all; every migration is applied, and only once."""
    path.touch()
    for _ in range(2):
        ledger = Ledger(path)
        assert schema.version(ledger._connection) == schema.VERSION
        assert ledger.count() == {}
        ledger.close()


def test_a_migration_is_whole_or_not_at_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails half way leaves the version before, and its tables."""
    Ledger(path).close()
    broken = (*schema._MIGRATIONS, "CREATE TABLE more (x TEXT) STRICT; CREATE TABLE jobs (y TEXT);")
    with monkeypatch.context() as patched:
        patched.setattr(schema, "_MIGRATIONS", broken)
        patched.setattr(schema, "VERSION", len(broken))
        with pytest.raises(CannotWriteError, match="already exists"):
            Ledger(path)
    with contextlib.closing(sqlite3.connect(path)) as found:
        assert schema.version(found) == len(broken) - 1
        assert not found.execute("SELECT * FROM sqlite_master WHERE name = 'more'").fetchall()


def test_a_newer_ledger_is_refused(path: Path) -> None:
    """Exit code 78, with both versions and what to do; the file is not touched."""
    Ledger(path).close()
    with contextlib.closing(sqlite3.connect(path)) as writer:
        writer.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(LedgerNewerError, match=rf"version {schema.VERSION + 1}.*newer") as caught:
        Ledger(path)
    assert caught.value.exit_code == 78
    assert path.read_bytes() == before


def damage(path: Path, how: str) -> None:
    """Damage a ledger file as disks and people do."""
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "overwritten":
        middle = len(data) // 3
        path.write_bytes(data[:middle] + b"\xa5" * middle + data[2 * middle :])
    else:
        path.write_bytes(b"certainly not a database\n" * 200)


@pytest.mark.parametrize("how", ["truncated", "overwritten", "not a database"])
def test_a_damaged_ledger_is_recognised(path: Path, how: str) -> None:
    """At the start, before anything relies on it; the message says what will happen."""
    ledger = Ledger(path)
    for number in range(200):
        ledger.admit(an_entry(f"job-{number:04}", hold="x" * 200))
    ledger.close()
    damage(path, how)
    with pytest.raises(LedgerDamagedError, match="sets the file aside"):
        Ledger(path)


def test_damage_that_shows_later_is_named_too(path: Path) -> None:
    """A page that goes bad under a running daemon is the same error."""
    ledger = Ledger(path)
    for number in range(200):
        ledger.admit(an_entry(f"job-{number:04}", hold="x" * 200))
    ledger.close()
    ledger = Ledger(path)
    ledger._connection.execute("PRAGMA shrink_memory")  # forget the pages that were checked
    damage(path, "overwritten")
    with pytest.raises(LedgerDamagedError):
        ledger.unsettled(State.QUEUED)
    ledger.close()


def test_a_torn_end_of_the_log_costs_only_what_was_not_acknowledged(
    ledger: Ledger, path: Path, tmp_path: Path
) -> None:
    """Garbage after the last commit, as a power cut leaves it, is passed over."""
    ledger.admit(an_entry("job"))
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", f"{copy}{end}")
    with Path(f"{copy}-wal").open("ab") as log:
        log.write(os.urandom(5000))
    again = Ledger(copy)
    assert again.entry("job") is not None
    again.close()


def test_a_file_that_may_not_be_read_is_a_matter_of_rights(path: Path) -> None:
    """A folder in its place stands for all that can't be opened."""
    path.mkdir()
    with pytest.raises(CannotWriteError, match="can't be opened"):
        Ledger(path)
