"""`nstd once`: drain the inbox, and say by the exit code what became of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from daemon_process import PATIENCE, DaemonProcess, drop
from folders import names

# Fetched before, so that no daemon's patience is spent on it.
pytestmark = pytest.mark.usefixtures("weights_file")


def test_once_drains_and_exits(tmp_path: Path) -> None:
    """Everything that lies there is done, then the exit code is 0."""
    for name in ("a", "b"):
        drop(tmp_path / "inbox", name)
    once = DaemonProcess(tmp_path, "once")
    assert once.ended() == 0
    assert names(tmp_path / "outbox") == {"a.png", "a.json", "b.png", "b.json"}


def test_once_says_that_a_job_failed(tmp_path: Path) -> None:
    """Exit code 1, after the jobs that could be done."""
    drop(tmp_path / "inbox", "good")
    drop(tmp_path / "inbox", "bad", "sise: 3")
    assert DaemonProcess(tmp_path, "once", copying=True).ended() == 1
    assert "good.png" in names(tmp_path / "outbox")


def test_once_says_that_a_job_is_incomplete(tmp_path: Path) -> None:
    """Exit code 75: the sidecar is still in the inbox, waiting for its image."""
    drop(tmp_path / "inbox", "early", "style: late.jpg")
    assert DaemonProcess(tmp_path, "once", copying=True, incomplete_seconds=600).ended() == 75
    assert "early.yaml" in names(tmp_path / "inbox")


def test_once_does_not_wait_for_a_disk(tmp_path: Path) -> None:
    """Exit code 75 when a result can't be written; the job is done when it can."""
    drop(tmp_path / "inbox" / "blocked", "a")
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "blocked").write_text("a file where a folder should be")
    assert DaemonProcess(tmp_path, "once", copying=True).ended() == 75
    (tmp_path / "outbox" / "blocked").unlink()
    assert DaemonProcess(tmp_path, "once", copying=True).ended() == 0
    assert names(tmp_path / "outbox" / "blocked") == {"a.png", "a.json"}


def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    """A full log disk costs the log, not the jobs."""
    drop(tmp_path / "inbox", "a", "preset: draft\n")
    command = [sys.executable, "-m", "nstd", "once", "--root", str(tmp_path)]
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, stderr=full, check=False, timeout=PATIENCE, env=environment)
    assert done.returncode == 0
    assert "a.png" in names(tmp_path / "outbox")
