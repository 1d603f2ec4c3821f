"""What is going on, from the outside."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from jobs import claimed, end, failed, published, queued

from nstd import overview
from nstd.entry import State
from nstd.errors import LedgerAbsentError
from nstd.spool import layout, lock
from nstd.spool.nowfile import Device, Now, NowFile, Progress

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.entry import Entry
    from nstd.spool.desk import Desk


def running(desk: Desk) -> Entry:
    """Bring a job into a worker's hands."""
    return desk.ledger.advance(claimed(desk, "r"), state=State.RUNNING)


def say(desk: Desk, *progress: Progress, held: str = "") -> None:
    """Leave a present."""
    devices = (Device("cpu", "cpu, float32", "working", 0, 3),)
    NowFile(layout.now_file(desk.config)).update(
        Now(7, "1.2", 1.5e9, held, progress, devices, {"i.yaml": "i.jpg is not there"})
    )


def test_a_running_daemons_jobs(desk: Desk) -> None:
    """Counts and rows are the ledger's; progress and devices the daemon's own word."""
    end(desk, published(desk, "p"))
    end(desk, failed(desk, "f"))
    queued(desk, "q")
    entry = running(desk)
    say(desk, Progress("r", "cpu", 3, 10, 2.0, entry.job_id, 0.5), held="no room")
    with lock.held(desk.config.folder("state")):
        seen = overview.take(desk.config)
    assert seen.runs
    assert (seen.number_waiting, seen.number_done) == (1, 1)
    assert [record.name for record in seen.waiting] == ["q"]
    assert [record.name for record in seen.done] == ["p"]
    assert [record.name for record in seen.failed] == ["f"]
    assert seen.last_hour == {State.PUBLISHED: 1, State.FAILED: 1}
    told = overview.plain(seen)
    assert told["running"][0]["seconds_left"] == 14.0
    assert told["devices"][0]["condition"] == "working"
    assert told["incomplete"] == {"i.yaml": "i.jpg is not there"}
    assert told["daemon"]["held"] == "no room"
    assert 0 <= told["oldest_waiting_seconds"] < 60
    json.dumps(told)


def test_a_killed_daemons_present_is_past(desk: Desk) -> None:
    """Nothing that it said last is passed on; its jobs are where the ledger has them."""
    entry = running(desk)
    say(desk, Progress("r", "cpu", 3, 10, 2.0, entry.job_id))
    seen = overview.take(desk.config)
    assert (seen.runs, seen.now, seen.held) == (False, None, "")
    assert [record.name for record in seen.running] == ["r"]
    assert overview.plain(seen)["running"][0]["seconds_left"] is None


def test_names_of_any_bytes(desk: Desk) -> None:
    """They pass through JSON as it knows them."""
    queued(desk, os.fsdecode(b"caf\xe9"))
    assert "caf\\udce9" in json.dumps(overview.plain(overview.take(desk.config)))


def test_a_pause_is_seen(desk: Desk) -> None:
    """It is a fact of the ledger, whether a daemon runs or not."""
    assert not overview.take(desk.config).is_paused
    desk.ledger.set_fact(layout.PAUSED, "1.5")
    assert overview.plain(overview.take(desk.config))["paused"] is True


def test_before_the_first_daemon(config: Config) -> None:
    """There is nothing to tell, which is not the same as no jobs."""
    with pytest.raises(LedgerAbsentError):
        overview.take(config)
