"""The daemon's metrics from outside: a real process, asked over HTTP."""

from __future__ import annotations

import json
import signal
import socket
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from daemon_process import DaemonProcess, drop
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """Run a daemon with the copying engine and an endpoint."""
    process = DaemonProcess(tmp_path, copying=True, settings={"metrics": {"port": free_port()}})
    process.wait_for("worker.ready")
    yield process
    assert process.stop() == 0
    assert process.count("internal.error") == 0
    assert process.other_lines == []


def settings(daemon: DaemonProcess) -> dict[str, dict[str, int]]:
    """Read the configuration."""
    return json.loads((daemon.root / "config.yaml").read_text())


def reload(daemon: DaemonProcess, port: int) -> None:
    """Move the endpoint."""
    changed = {**settings(daemon), "metrics": {"port": port}}
    (daemon.root / "config.yaml").write_text(json.dumps(changed))
    daemon.process.send_signal(signal.SIGHUP)


def scrape(port: int) -> str:
    """Ask as Prometheus does."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def test_jobs_show_in_the_metrics(daemon: DaemonProcess) -> None:
    """One that is done, one that fails, and an empty queue after them."""
    drop(daemon.root / "inbox", "good", "preset: fast\niterations: 3\n")
    drop(daemon.root / "inbox", "bad", "presett: fast\n")
    daemon.wait_for("job.retired", name="good")
    daemon.wait_for("job.retired", name="bad")
    text = scrape(settings(daemon)["metrics"]["port"])
    for line in (
        'nstd_jobs_total{outcome="done",preset="fast"} 1.0',
        'nstd_jobs_total{outcome="failed",preset="unknown"} 1.0',
        'nstd_job_failures_total{code="sidecar"} 1.0',
        'nstd_iterations_total{preset="fast"} 3.0',
        'nstd_job_stage_seconds_count{stage="publish"} 1.0',
        'nstd_worker_ready{device="cpu"} 1.0',
        "nstd_queue_jobs 0.0",
        'nstd_scrape_problem{source="ledger"} 0.0',
    ):
        assert f"\n{line}\n" in text


def test_a_reload_moves_the_endpoint(daemon: DaemonProcess) -> None:
    """Its workers stay, and so do its counters."""
    old, new = settings(daemon)["metrics"]["port"], free_port()
    drop(daemon.root / "inbox", "good", "preset: draft\n")
    daemon.wait_for("job.retired", name="good")
    reload(daemon, new)
    assert daemon.wait_for("config.reloaded")["workers"] == "kept"
    assert '\nnstd_jobs_total{outcome="done",preset="draft"} 1.0\n' in scrape(new)
    with pytest.raises(urllib.error.URLError):
        scrape(old)


def test_a_reload_to_a_taken_port_is_refused(daemon: DaemonProcess) -> None:
    """The old configuration stays in force, and the old port answers."""
    old = settings(daemon)["metrics"]["port"]
    with socket.create_server(("127.0.0.1", 0)) as other:
        reload(daemon, other.getsockname()[1])
        assert "metrics.port: can't listen" in daemon.wait_for("config.refused")["reason"]
    assert '\nnstd_config_reloads_total{outcome="refused"} 1.0\n' in scrape(old)
    drop(daemon.root / "inbox", "good")
    daemon.wait_for("job.done", name="good")


def test_a_taken_port_ends_the_daemon_with_a_reason(tmp_path: Path) -> None:
    """Before it has taken anything; a service manager tries again."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        daemon = DaemonProcess(tmp_path, copying=True, settings={"metrics": {"port": port}})
        assert daemon.ended() == 69
    (failed,) = (event for event in daemon.events if event["event"] == "daemon.failed")
    assert "metrics.port" in failed["message"]
    assert "Name another port" in failed["message"]
