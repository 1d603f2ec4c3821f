"""The queue of deliveries, in the real ledger."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest
from jobs import an_entry

from nstd.entry import State
from nstd.message import Message
from nstd.spool import rows, schema
from nstd.spool.deliveries import Delivery
from nstd.spool.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path


def delivery(hook: str = "h", job_id: str = "a", queued_at: float = 5.0) -> Delivery:
    """Make up a delivery."""
    return Delivery(hook, Message("published", job_id, job_id, 5.0, {}), queued_at)


def admitted(ledger: Ledger, *deliveries: Delivery) -> None:
    """Queue deliveries with a change of a job."""
    ledger.admit(entry := an_entry("job"))
    ledger.advance(entry, deliveries=deliveries, state=State.PUBLISHED)


def test_a_change_and_what_is_told_of_it_are_one_transaction(ledger: Ledger) -> None:
    """What can't be queued leaves the job as it was."""
    ledger.admit(entry := an_entry("job"))
    message = Message("published", "job", "job", 5.0, {"no JSON": object()})
    with pytest.raises(TypeError):
        ledger.advance(
            entry,
            deliveries=[delivery(), Delivery("h", message, 5.0)],
            state=State.PUBLISHED,
        )
    assert ledger.entry("job") == entry
    assert ledger.deliveries.count() == 0


def test_what_was_queued_survives_a_restart(ledger_path: Path) -> None:
    """With names of any bytes."""
    first = Ledger(ledger_path)
    message = Message("failed", "job", "caf\udce9", 5.5, {"a": [1, None]}, "x", {"reason": "/r"})
    admitted(first, Delivery("h", message, 7.5))
    first.close()
    second = Ledger(ledger_path)
    assert second.deliveries.next_for("h", 9.0) == Delivery("h", message, 7.5)
    second.close()


def test_the_same_event_is_queued_once_for_each_hook(ledger: Ledger) -> None:
    """A step that is repeated after a crash tells nothing twice."""
    admitted(ledger, delivery(), delivery(), delivery("other"))
    assert ledger.deliveries.count() == 2


def test_the_longest_due_is_next(ledger: Ledger) -> None:
    """Of the same hook, and not before its time."""
    admitted(
        ledger, delivery(job_id="b", queued_at=2.0), delivery(job_id="a"), delivery("x", "c", 1.0)
    )
    deliveries = ledger.deliveries
    first = deliveries.next_for("h", 10.0)
    assert first is not None
    assert first.message.job_id == "b"
    deliveries.put_off(first, 30.0)
    second = deliveries.next_for("h", 20.0)
    assert second is not None
    assert second.message.job_id == "a"
    deliveries.remove(second)
    assert deliveries.next_for("h", 20.0) is None
    assert deliveries.next_time("h") == 30.0
    again = deliveries.next_for("h", 30.0)
    assert again is not None
    assert again.attempts == 1
    assert deliveries.next_time("nobody") is None


def test_a_delivery_outlives_its_job(ledger: Ledger) -> None:
    """Whoever prunes the history takes no event from anybody."""
    admitted(ledger, delivery())
    ledger.forget(an_entry("job"))
    assert ledger.entry("job") is None
    assert ledger.deliveries.count() == 1


def test_an_older_ledger_gets_the_table_and_keeps_its_jobs(ledger_path: Path) -> None:
    """Version 1 knew of no hooks."""
    with contextlib.closing(sqlite3.connect(ledger_path)) as old:
        old.executescript(f"{schema._MIGRATIONS[0]} PRAGMA user_version = 1;")
        row = rows.of_entry(an_entry("job"))
        old.execute(
            f"INSERT INTO jobs ({', '.join(row)}) VALUES ({', '.join(f':{n}' for n in row)})",  # noqa: S608
            row,
        )
        old.commit()
    ledger = Ledger(ledger_path)
    assert ledger.entry("job") == an_entry("job")
    admitted_entry = an_entry("job")
    ledger.advance(admitted_entry, deliveries=[delivery()], state=State.PUBLISHED)
    assert ledger.deliveries.count() == 1
    ledger.close()
