"""What the daemon tells a service manager, heard on a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from daemon_process import DaemonProcess, drop
from notify_listener import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    """Listen as systemd does."""
    made = Listener(str(tmp_path / "notify"))
    yield made
    made.close()


def served(tmp_path: Path, listener: Listener, **environment: object) -> DaemonProcess:
    """Start a daemon that has a service manager."""
    told = {"NOTIFY_SOCKET": listener.environment["NOTIFY_SOCKET"], **environment}
    wrapper = ["env", *(f"{key}={value}" for key, value in told.items())]
    return DaemonProcess(tmp_path, copying=True, wrapper=wrapper)


def test_ready_is_said_when_jobs_can_be_done(tmp_path: Path, listener: Listener) -> None:
    """After the worker's engine is built, not before; until then the start is given more time."""
    daemon = served(tmp_path, listener)
    listener.wait_for("READY=1")
    early = listener.log[: listener.log.index("READY=1")]
    assert any(message.startswith("EXTEND_TIMEOUT_USEC=") for message in early)
    daemon.wait_for("worker.ready")
    assert daemon.stop() == 0


def test_ready_waits_for_the_inbox(tmp_path: Path, listener: Listener) -> None:
    """A share that is not mounted at the start delays READY and is named in the status."""
    first = served(tmp_path, listener)
    listener.wait_for("READY=1")
    assert first.stop() == 0
    inbox, away = tmp_path / "inbox", tmp_path / "unmounted"
    inbox.rename(away)
    inbox.mkdir()
    listener.heard()
    listener.log.clear()
    daemon = served(tmp_path, listener)
    listener.wait_for("STATUS=held: the inbox is absent")
    assert "READY=1" not in listener.log
    inbox.rmdir()
    away.rename(inbox)
    listener.wait_for("READY=1")
    assert daemon.stop() == 0


def test_the_status_has_queue_and_running_job(tmp_path: Path, listener: Listener) -> None:
    """In one line, such as `systemctl status` shows."""
    daemon = served(tmp_path, listener)
    listener.wait_for("STATUS=idle; 0 jobs waiting")
    for name in ("first", "second"):
        drop(tmp_path / "inbox", name, "preset: fast\niterations: 400\n")
    status = listener.wait_for("STATUS=first on ")
    assert "of 400 iterations, about " in status
    assert status.endswith(" left; 1 job waiting")
    assert daemon.stop() == 0


def test_a_stop_is_announced_with_the_time_it_may_take(tmp_path: Path, listener: Listener) -> None:
    """The grace time and what follows it."""
    daemon = served(tmp_path, listener)
    listener.wait_for("READY=1")
    assert daemon.stop() == 0
    message = listener.wait_for("STOPPING=1")
    assert int(message.partition("EXTEND_TIMEOUT_USEC=")[2]) > 20_000_000


def test_the_watchdog_is_fed_while_nothing_happens_and_while_a_job_runs(
    tmp_path: Path, listener: Listener
) -> None:
    """An idle loop wakes for it: far more often than it would for a rescan."""
    daemon = served(tmp_path, listener, WATCHDOG_USEC=100_000)
    listener.wait_for("READY=1")
    listener.log.clear()
    drop(tmp_path / "inbox", "a", "preset: fast\niterations: 100\n")
    daemon.wait_for("job.retired")
    assert listener.heard().count("WATCHDOG=1") >= 10
    assert daemon.stop() == 0
