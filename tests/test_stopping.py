"""How a daemon and its workers end: by a signal, by a kill, and what goes on afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from daemon_process import DaemonProcess, drop
from folders import names

from nstd import sidecar
from nstd.entry import State
from nstd.params import StyleParams
from nstd.spool.ledger import Ledger

# Fetched before, so that no daemon's patience is spent on it.
pytestmark = pytest.mark.usefixtures("weights_file")

LONG = "preset: classic\nsize: 256\niterations: 100000\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order(tmp_path: Path, number: int) -> None:
    """The running job goes back to the queue when the grace time is over; exit code 0."""
    daemon = DaemonProcess(tmp_path, copying=True, grace_seconds=0.5)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "long", LONG)
    drop(tmp_path / "inbox", "next", LONG)
    daemon.wait_for("job.claimed", name="next")
    daemon.wait_for("job.progress")
    assert daemon.stop(number) == 0
    assert names(tmp_path / "outbox") == set()
    assert daemon.count("daemon.stopped") == 1
    assert "2 jobs will go on when it starts" in (tmp_path / "inbox" / "STATUS.txt").read_text()
    with contextlib.closing(Ledger(tmp_path / "state" / "ledger.sqlite")) as ledger:
        waiting = ledger.unsettled(State.CLAIMED)
    assert [(entry.name, entry.attempts, entry.crashes) for entry in waiting] == [
        ("long", 0, 0),
        ("next", 0, 0),
    ]


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """40. Long before the grace time is over; the running job goes on at the next start."""
    daemon = DaemonProcess(tmp_path, copying=True, grace_seconds=3600.0)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "long", LONG)
    daemon.wait_for("job.progress")
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait_for("daemon.stopping", grace_seconds=3600.0)
    assert daemon.process.poll() is None, "it waits for the job"
    assert daemon.stop() == 0
    assert names(tmp_path / "outbox") == set()
    with contextlib.closing(Ledger(tmp_path / "state" / "ledger.sqlite")) as ledger:
        (entry,) = ledger.unsettled(State.CLAIMED)
    assert (entry.name, entry.attempts, entry.crashes) == ("long", 0, 0)


def test_a_job_within_the_grace_time_is_finished(tmp_path: Path) -> None:
    """A stop does not throw away what is nearly done."""
    daemon = DaemonProcess(tmp_path, copying=True, grace_seconds=50.0)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "short", "preset: classic\nsize: 64\niterations: 20\n")
    daemon.wait_for("job.started")
    assert daemon.stop() == 0
    assert names(tmp_path / "outbox") == {"short.png", "short.json"}


def test_a_killed_worker_is_replaced_and_its_job_repeated(tmp_path: Path) -> None:
    """The death counts as an attempt; the next one succeeds."""
    daemon = DaemonProcess(tmp_path, copying=True)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "a", "preset: classic\nsize: 64\niterations: 300\n")
    daemon.wait_for("job.progress")
    os.kill(daemon.worker(), signal.SIGKILL)
    assert daemon.wait_for("worker.died")["exit_code"] == -signal.SIGKILL
    assert daemon.wait_for("job.done")["attempt"] == 2
    assert daemon.stop() == 0


def test_a_job_that_keeps_killing_its_worker_is_quarantined(tmp_path: Path) -> None:
    """After `limits.attempts` deaths the queue moves on without it."""
    daemon = DaemonProcess(tmp_path, copying=True, attempts=2)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "poison", f"priority: 9\n{LONG}")
    for attempt in (1, 2):
        daemon.wait_for("job.started", attempt=attempt)
        daemon.wait_for("worker.ready", count=attempt)
        os.kill(daemon.worker(), signal.SIGKILL)
        daemon.wait_for("worker.died", count=attempt)
    assert daemon.wait_for("job.failed", name="poison")["code"] == "worker_died"
    drop(tmp_path / "inbox", "good")
    daemon.wait_for("job.done", name="good")
    assert daemon.stop() == 0


def test_a_killed_daemon_leaves_no_worker_and_loses_nothing(tmp_path: Path) -> None:
    """The orphan ends by itself; the next daemon puts the sidecar back and does the job."""
    daemon = DaemonProcess(tmp_path)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "a", "preset: classic\nsize: 64\niterations: 60\n")
    daemon.wait_for("job.progress")
    orphan = Path(f"/proc/{daemon.worker()}")
    daemon.stop(signal.SIGKILL)
    assert not (tmp_path / "inbox" / "a.yaml").exists()
    deadline = time.monotonic() + 20
    while orphan.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not orphan.exists()
    again = DaemonProcess(tmp_path)
    again.wait_for("job.recovered")
    again.wait_for("job.retired", name="a")
    assert again.stop() == 0
    assert names(tmp_path / "outbox") == {"a.png", "a.json"}
    assert names(tmp_path / "done") == {"a.yaml", "a.jpg", "a.style.png"}


def test_settings_and_sidecar_agree() -> None:
    """The sidecar used here for long jobs is one that the program accepts."""
    parsed = sidecar.parse(LONG.encode(), file="long.yaml")
    assert parsed.params == StyleParams(preset="classic", size=256, iterations=100_000)
