"""What is told of jobs, from their rows."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jobs import FAILURE, an_entry, full_entry

from nstd.domain import FileIdentity
from nstd.entry import State, Target
from nstd.spool import history

if TYPE_CHECKING:
    from nstd.spool.ledger import Ledger

TARGET = Target(Path("/s"), None, Path("/out/a.png"), Path("/out/a.json"))
ODD = os.fsdecode(b"caf\xe9\n\xff")


def job(number: int) -> str:
    """Make up an id; a higher number is newer."""
    return f"20260102T0304{number:02}-0000000{number % 10}"


def add(ledger: Ledger, number: int, name: str = "a", **changes: object) -> str:
    """Write a job's row."""
    place = Path(f"{name}.yaml")
    entry = an_entry(job(number), folder=place.parent, sidecar=place.name, **changes)
    ledger.admit(entry)
    return entry.job_id


def age(path: Path, job_id: str, seconds: float) -> None:
    """Let everything that happened to a job have happened earlier."""
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE transitions SET at = at - ? WHERE job_id = ?", [seconds, job_id])


def ids(records: object) -> list[str]:
    """Name the records."""
    return [record.job_id for record in records]  # type: ignore[attr-defined]


def test_a_record_tells_what_the_row_holds(ledger: Ledger) -> None:
    """Name, times, preset, reason, result; whatever the bytes of the names."""
    entry = full_entry()
    ledger.admit(entry)
    (found,) = history.records(ledger)
    assert found.name == entry.name
    assert (found.state, found.settled, found.preset) == (State.RENDERED, True, "fast")
    assert (found.code, found.reason) == ("code", "what")
    assert found.result is None, "it isn't published yet"
    assert found.home == entry.home
    assert found.at == pytest.approx(time.time(), abs=60)


def test_a_record_of_next_to_nothing(ledger: Ledger) -> None:
    """A sidecar that was never understood has no parameters and no result."""
    add(ledger, 1, state=State.FAILED, params=None, failure=FAILURE)
    (found,) = history.records(ledger)
    assert (found.preset, found.code, found.result, found.home) == ("", "image", None, None)
    assert found.reason == "a.jpg: is damaged. Save it again."
    assert history.plain(found)["preset"] is None
    assert time.gmtime(found.came)[:6] == (2026, 1, 2, 3, 4, 1)


def test_the_newest_come_first_and_filters_add_up(ledger: Ledger, ledger_path: Path) -> None:
    """By state, by what has happened since, and by name or last part of it."""
    one = add(ledger, 1, "album/one", state=State.FAILED, failure=FAILURE)
    two = add(ledger, 2, "album/two", state=State.RETIRED, target=TARGET)
    three = add(ledger, 3, "three", state=State.RETIRED, target=TARGET)
    age(ledger_path, two, 7200.0)
    assert ids(history.records(ledger)) == [three, two, one]
    assert ids(history.records(ledger, states=[State.RETIRED])) == [three, two]
    assert ids(history.records(ledger, since=time.time() - 3600)) == [three, one]
    assert ids(history.records(ledger, pattern="album/*")) == [two, one]
    assert ids(history.records(ledger, pattern="t*")) == [three, two]
    assert ids(history.records(ledger, states=[State.FAILED], pattern="t*")) == []
    assert next(history.records(ledger)).result == Path("/out/a.png")


def test_a_job_is_found_by_id_beginning_or_name(ledger: Ledger) -> None:
    """What is a pattern elsewhere is only text here."""
    one, two = add(ledger, 1, "sub/a"), add(ledger, 12, "b[1]")
    assert ids(history.matching(ledger, one)) == [one]
    assert ids(history.matching(ledger, "20260102T030401")) == [one]
    assert ids(history.matching(ledger, "2026")) == [one, two]
    assert ids(history.matching(ledger, "sub/a")) == [one]
    assert ids(history.matching(ledger, "b[1]")) == [two]
    for text in ("", "a", "2027", "*", "2026*"):
        assert ids(history.matching(ledger, text)) == []


def test_what_was_published_last(ledger: Ledger) -> None:
    """By the time of publication, not of arrival."""
    entries = [an_entry(job(number), target=TARGET) for number in (1, 2, 3)]
    for entry in entries:
        ledger.admit(entry)
    for entry in (entries[2], entries[0]):
        ledger.advance(entry, state=State.PUBLISHED)
    assert ids(history.last_done(ledger, 5)) == [job(1), job(3)]
    assert ids(history.last_done(ledger, 1)) == [job(1)]


def test_failures_whose_files_are_gone_are_not_shown(ledger: Ledger) -> None:
    """They were tried again, or taken back."""
    failed = {"state": State.FAILED, "failure": FAILURE}
    filed = add(ledger, 1, home=Path("/failed"), settled=True, **failed)
    add(ledger, 2, settled=True, **failed)
    moving = add(ledger, 3, **failed)
    assert ids(history.last_failed(ledger, 5)) == [moving, filed]


def test_who_waits_longest(ledger: Ledger) -> None:
    """Of those that have not ended; a running one doesn't wait."""
    assert history.oldest_waiting(ledger) is None
    add(ledger, 1, state=State.RUNNING)
    add(ledger, 4)
    add(ledger, 3, state=State.CLAIMED)
    oldest = history.oldest_waiting(ledger)
    assert oldest is not None
    assert time.gmtime(oldest)[:6] == (2026, 1, 2, 3, 4, 3)


def test_who_is_next(ledger: Ledger) -> None:
    """In the order in which they run; a deferred one is among them."""
    low = add(ledger, 1, priority=-1)
    deferred = add(ledger, 2, not_before=time.time() + 3600, identity=FileIdentity(1, 2, 3, 9))
    assert ledger.next_up_ids(5, math.inf) == [deferred, low]
    assert ledger.next_up_ids(5, time.time()) == [low]
    assert ids(history.of_ids(ledger, [low, "none", deferred])) == [low, deferred]


@pytest.mark.parametrize("old", [0, 1, 5, 11, 12])
def test_what_ended_within_a_time(ledger: Ledger, ledger_path: Path, old: int) -> None:
    """The search for the first moment that counts hits it, gaps or not."""
    entries = [an_entry(job(number)) for number in range(12)]
    for entry in entries:
        ledger.admit(entry)
        ledger.advance(entry, state=State.FAILED, failure=FAILURE)
        ledger.advance(entry, "said twice", state=State.FAILED)
    for entry in entries[:old]:
        age(ledger_path, entry.job_id, 7200.0)
    gap = entries[6]
    ledger.forget(gap)
    expected = 12 - old - (old <= 6)
    found = history.ended_since(ledger, time.time() - 3600)
    assert found == ({State.FAILED: expected} if expected else {})
