"""The commands against a running daemon, as a user runs them; its engine only copies pixels."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import save_picture
from daemon_process import PATIENCE, DaemonProcess, drop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOW = "preset: fast\niterations: 100000\n"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """Run one; it is stopped at the end."""
    daemon = DaemonProcess(tmp_path, copying=True)
    daemon.wait_for("daemon.started")
    yield daemon
    if daemon.process.returncode is None:
        assert daemon.stop() == 0
    assert daemon.other_lines == []


def nstd(daemon: DaemonProcess, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command on the daemon's folders."""
    config = daemon.root / "config.yaml"
    return subprocess.run(
        [sys.executable, "-m", "nstd", *map(str, arguments), "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def done(daemon: DaemonProcess, *arguments: object) -> str:
    """Run a command that succeeds; returns what it prints."""
    ended = nstd(daemon, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def status(daemon: DaemonProcess) -> dict[str, Any]:
    """Ask what is going on."""
    told: dict[str, Any] = json.loads(done(daemon, "status", "--json"))
    return told


def running(daemon: DaemonProcess) -> dict[str, Any]:
    """Wait until a job's progress is known."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for job in status(daemon)["running"]:
            if job["seconds_left"] is not None:
                found: dict[str, Any] = job
                return found
    raise AssertionError("nothing runs")


def test_a_submission_is_followed_to_its_result(daemon: DaemonProcess, tmp_path: Path) -> None:
    """Stdout has the result's path and nothing else, stderr what goes on."""
    content, style = save_picture(tmp_path / "c.jpg"), save_picture(tmp_path / "s.png", seed=1)
    set_ = ["--set", "preset=fast", "--set", "iterations=100"]
    ended = nstd(daemon, "submit", content, style, *set_, "--wait")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{tmp_path / 'outbox' / 'c.png'}\n"
    assert (tmp_path / "outbox" / "c.png").exists()


def test_a_refusal_is_told_and_is_a_failure(daemon: DaemonProcess) -> None:
    """What the daemon says of a request, where whoever asked sees it."""
    drop(daemon.root / "inbox", "f", "sise: 3\n")
    daemon.wait_for("job.retired", name="f")
    (daemon.root / "inbox" / "f.jpg").write_text("another's")
    ended = nstd(daemon, "retry", "f")
    assert ended.returncode == 1
    assert "f.jpg is in the inbox already, and is another file. See to that" in ended.stderr
    assert ended.stdout == ""
    daemon.wait_for("request.refused")


def test_a_submission_that_fails(daemon: DaemonProcess, tmp_path: Path) -> None:
    """Exit code 1, with the reason."""
    content = save_picture(tmp_path / "c.png")
    data = content.read_bytes()
    content.write_bytes(data[: len(data) // 2])  # the header is whole
    ended = nstd(daemon, "submit", content, content, "--wait")
    assert ended.returncode == 1
    assert "nstd: c.png: " in ended.stderr
    assert ended.stdout == ""


def test_status_follows_a_job(daemon: DaemonProcess) -> None:
    """Progress, time left, device; and afterwards, that it was cancelled."""
    drop(daemon.root / "inbox", "album/slow", SLOW)
    job = running(daemon)
    assert job["name"] == "album/slow"
    assert 0 < job["done"] < job["planned"] == 100_000
    assert job["seconds_left"] > 100
    told = status(daemon)
    assert told["daemon"]["runs"]
    assert told["daemon"]["pid"] == daemon.process.pid
    assert told["devices"][0]["condition"] == "working"
    assert "of 100000" in done(daemon, "status")
    assert "nstd has taken it up" in done(daemon, "cancel", "album/slow")
    daemon.wait_for("job.cancelled", name="album/slow")
    assert status(daemon)["counts"]["cancelled"] == 1
    listed = json.loads(done(daemon, "history", "--state", "cancelled", "--json"))
    assert [one["name"] for one in listed] == ["album/slow"]


def test_a_pause_lets_what_runs_end_and_begins_nothing(daemon: DaemonProcess) -> None:
    """It is said wherever one looks, and outlives the daemon."""
    drop(daemon.root / "inbox", "first", "preset: fast\niterations: 200\n")
    daemon.wait_for("job.started", name="first")
    done(daemon, "pause")
    drop(daemon.root / "inbox", "second")
    daemon.wait_for("job.claimed", name="second")
    daemon.wait_for("job.done", name="first")
    assert "paused: no job is begun until" in done(daemon, "status")
    time.sleep(3.0)  # as often as it is written
    assert "Held: paused" in (daemon.root / "inbox" / "STATUS.txt").read_text()
    assert daemon.stop() == 0
    again = DaemonProcess(daemon.root, copying=True)
    again.wait_for("worker.ready")
    assert status(again)["paused"]
    assert status(again)["waiting"] == 1
    done(again, "resume")
    again.wait_for("job.done", name="second")
    assert not status(again)["paused"]
    assert again.stop() == 0


def test_a_failed_job_is_corrected_and_tried_again(daemon: DaemonProcess) -> None:
    """Its files go back by themselves; the reason goes away."""
    drop(daemon.root / "inbox", "bad", "sise: 3\n")
    daemon.wait_for("job.retired", name="bad")
    failed = daemon.root / "failed"
    (failed / "bad.yaml").write_text("preset: draft\n")
    assert "nstd has taken it up" in done(daemon, "retry", "bad")
    daemon.wait_for("job.done", name="bad")
    assert list(failed.iterdir()) == []
    assert "no failed job" in done(daemon, "retry", "--all-failed")


def test_old_jobs_are_pruned(daemon: DaemonProcess) -> None:
    """History and originals; the result stays."""
    drop(daemon.root / "inbox", "old")
    daemon.wait_for("job.retired", name="old")
    done(daemon, "prune", "--older-than", "0s", "--yes")
    daemon.wait_for("request.heeded", kind="prune")
    assert json.loads(done(daemon, "history", "--json")) == []
    assert list((daemon.root / "done").iterdir()) == []
    assert (daemon.root / "outbox" / "old.png").exists()


@pytest.fixture
def heeded_interrupts() -> Iterator[None]:
    """Undo what a shell does to programs in its background: they, and theirs, ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded_interrupts")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_watching_shows_it_again_until_it_is_interrupted(
    daemon: DaemonProcess, options: list[str]
) -> None:
    """Ctrl-C is its proper end."""
    config = str(daemon.root / "config.yaml")
    command = [sys.executable, "-m", "nstd", "status", "--watch", *options, "--config", config]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        for _ in range(2 if options else 1):
            assert "running" in watching.stdout.readline()
        time.sleep(0.2)  # not between a line and the next
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE) == 0


def test_nonsense_stops_nothing(daemon: DaemonProcess) -> None:
    """Whatever lies among the requests."""
    (daemon.root / "state" / "requests" / "0.json").write_text("{")
    daemon.wait_for("request.refused")
    drop(daemon.root / "inbox", "a")
    daemon.wait_for("job.done", name="a")
