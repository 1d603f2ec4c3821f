"""Full disks, read-only folders, folders that refuse (ACCEPTANCE 31 to 33)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from daemon_process import DaemonProcess, drop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOW = "iterations: 150\npreset: fast\n"
UNPRIVILEGED = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """Mount a file system of a few bytes."""
    path.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def fill(folder: Path) -> Path:
    """Take whatever room there is."""
    filler = folder / ".filler"
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            os.write(file.fileno(), bytes(4096))
    return filler


@pytest.mark.parametrize("place", ["outbox", "state/work", "state"])
def test_a_full_disk_holds_jobs_and_costs_no_attempt(tmp_path: Path, place: str) -> None:
    """31. The job waits, is done when there is room again, and at its first attempt."""
    with small_disk(tmp_path / place, "1m") as disk:
        daemon = DaemonProcess(tmp_path, copying=True)
        daemon.wait_for("worker.ready")
        filler = fill(disk)
        drop(tmp_path / "inbox", "a")
        daemon.wait_for("job.held" if place == "outbox" else "daemon.held")
        time.sleep(1.2)
        assert daemon.count("job.done") == 0
        filler.unlink()
        assert daemon.wait_for("job.done", name="a")["attempt"] == 1
        daemon.wait_for("job.retired", name="a")
        assert daemon.stop() == 0
        assert daemon.count("job.failed") == daemon.count("internal.error") == 0
        assert {path.name for path in (tmp_path / "outbox").iterdir()} == {"a.png", "a.json"}


def test_too_little_room_is_noticed_before_a_job_begins(tmp_path: Path) -> None:
    """31. Below `limits.min_free_bytes` nothing is copied or started, and the log says why."""
    with small_disk(tmp_path / "outbox", "1m"):
        daemon = DaemonProcess(tmp_path, copying=True, min_free_bytes=2 * 2**20)
        drop(tmp_path / "inbox", "a")
        assert "limits.min_free_bytes" in daemon.wait_for("daemon.held")["reason"]
        daemon.wait_for("job.claimed")
        time.sleep(1.2)
        assert daemon.stop() == 0
    assert daemon.count("job.started") == 0
    assert daemon.count("daemon.held") == 1, "said once"
    assert list((tmp_path / "state" / "work").iterdir()) == []


def test_a_read_only_outbox_holds_jobs_before_they_run(tmp_path: Path) -> None:
    """32. No device time is spent on a result that could not be written."""
    with small_disk(tmp_path / "outbox", "1m") as disk:
        daemon = DaemonProcess(tmp_path, copying=True)
        daemon.wait_for("worker.ready")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        drop(tmp_path / "inbox", "a")
        assert "Read-only file system" in daemon.wait_for("job.held", name="a")["reason"]
        time.sleep(1.2)
        assert daemon.count("job.started") == 0
        assert daemon.count("job.held") == 1, "said once"
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert daemon.wait_for("job.done", name="a")["attempt"] == 1
        assert daemon.stop() == 0


def test_an_original_that_cannot_be_moved_is_not_done_again(tmp_path: Path) -> None:
    """33. The folder turns read-only under the job: one result, one alert, retired when it can."""
    if os.geteuid() == 0 and subprocess.run([*UNPRIVILEGED, "true"], check=False).returncode:
        pytest.skip("setpriv can't drop root's right to write everywhere")
    theirs = tmp_path / "inbox" / "theirs"
    daemon = DaemonProcess(
        tmp_path, copying=True, wrapper=UNPRIVILEGED if os.geteuid() == 0 else ()
    )
    daemon.wait_for("worker.ready")
    drop(theirs, "a", SLOW)
    daemon.wait_for("job.started")
    theirs.chmod(0o555)
    daemon.wait_for("job.done", name="theirs/a")
    held = daemon.wait_for("job.held", name="theirs/a")
    assert "can't be moved out of the inbox" in held["reason"]
    time.sleep(1.5)
    assert daemon.count("job.claimed") == daemon.count("job.done") == 1
    assert daemon.count("job.held") == 1, "said once"
    theirs.chmod(0o755)
    daemon.wait_for("job.retired", name="theirs/a")
    assert daemon.stop() == 0
    assert {path.name for path in (tmp_path / "done" / "theirs").iterdir()} == {
        "a.yaml",
        "a.jpg",
        "a.style.png",
    }


def test_a_folder_that_may_not_be_changed_holds_nobody_else(tmp_path: Path) -> None:
    """A colleague's sidecar that can't be moved is complained of once; the next job runs."""
    drop(tmp_path / "inbox" / "theirs", "stuck", "priority: 9\n")
    drop(tmp_path / "inbox", "good")
    for folder in ("inbox", "outbox", "failed", "done", "state"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder).chmod(0o777)
    tmp_path.chmod(0o777)
    (tmp_path / "inbox" / "theirs").chmod(0o555)
    if os.geteuid() == 0 and subprocess.run([*UNPRIVILEGED, "true"], check=False).returncode:
        pytest.skip("setpriv can't drop root's right to write everywhere")
    daemon = DaemonProcess(
        tmp_path, copying=True, wrapper=UNPRIVILEGED if os.geteuid() == 0 else []
    )
    daemon.wait_for("job.done", name="good")
    daemon.wait_for("scan.waiting")
    time.sleep(1.2)
    assert daemon.stop() == 0
    complaints = [event for event in daemon.events if event["event"] == "scan.waiting"]
    assert len(complaints) == 1
    assert "stuck.yaml: can't be moved out of its folder" in complaints[0]["reason"]
    assert (tmp_path / "inbox" / "theirs" / "stuck.yaml").exists()


def test_one_outbox_folder_that_refuses_holds_nobody_else(tmp_path: Path) -> None:
    """The blocked result waits, the others are published, and it follows when it can."""
    daemon = DaemonProcess(tmp_path, copying=True)
    daemon.wait_for("daemon.started")
    (tmp_path / "outbox" / "blocked").write_text("a file where a folder should be")
    drop(tmp_path / "inbox" / "blocked", "a", "priority: 9\n")
    drop(tmp_path / "inbox", "good")
    daemon.wait_for("job.done", name="good")
    daemon.wait_for("job.held", name="blocked/a")
    (tmp_path / "outbox" / "blocked").unlink()
    daemon.wait_for("job.done", name="blocked/a")
    assert daemon.stop() == 0
