"""A real Prometheus asks a running daemon, and takes the alert rules."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from daemon_process import DaemonProcess, drop
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent
ALERTS = TESTS.parent / "docs" / "alerts.yml"
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(
    not shutil.which("prometheus") or not shutil.which("promtool"),
    reason="prometheus is not installed (Debian package `prometheus`)",
)


class Prometheus:
    """A server on a loopback port that asks one daemon each second.

    Args:
        folder: takes its configuration, its data and its log.
        target: the daemon's port.
    """

    def __init__(self, folder: Path, target: int) -> None:
        self.port = free_port()
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [
                {"job_name": "nstd", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._log = (folder / "prometheus.log").open("w")
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def ask(self, path: str, **query: str) -> dict[str, Any]:
        """Ask its API; empty while it can't answer yet."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.URLError:
            return {}

    def wait_for(self, query: str, value: str) -> list[dict[str, Any]]:
        """Wait until the first series of a query has a value; returns all of them."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = self.ask("query", query=query).get("result", [])
            if found and found[0]["value"][1] == value:
                return found
            time.sleep(0.2)
        raise AssertionError(f"{query}: {found}")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._log.close()


@pytest.fixture
def port() -> int:
    """Find a port for the daemon's metrics."""
    return free_port()


@pytest.fixture
def daemon(tmp_path: Path, port: int) -> Iterator[DaemonProcess]:
    """Run a daemon with the copying engine and an endpoint."""
    (tmp_path / "daemon").mkdir()
    process = DaemonProcess(tmp_path / "daemon", copying=True, settings={"metrics": {"port": port}})
    process.wait_for("worker.ready")
    yield process
    if process.process.poll() is None:
        assert process.stop() == 0


@pytest.fixture
def prometheus(tmp_path: Path, port: int) -> Iterator[Prometheus]:
    """Run Prometheus beside it."""
    process = Prometheus(tmp_path, port)
    yield process
    process.stop()


def test_prometheus_scrapes_a_running_daemon(daemon: DaemonProcess, prometheus: Prometheus) -> None:
    """Its target is up, a job's counter rises, the rules are loaded, and none of them fails."""
    drop(daemon.root / "inbox", "sea", "preset: fast\niterations: 3\n")
    daemon.wait_for("job.done", name="sea")
    (done,) = prometheus.wait_for('nstd_jobs_total{outcome="done",preset="fast"}', "1")
    assert done["metric"]["job"] == "nstd"
    prometheus.wait_for("nstd_build_info", "1")
    prometheus.wait_for("nstd_queue_jobs", "0")
    (target,) = prometheus.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    (group,) = prometheus.ask("rules")["groups"]
    assert len(group["rules"]) == len(yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"])
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
    assert {rule["state"] for rule in group["rules"]} == {"inactive"}


def test_an_alert_sees_what_is_amiss(daemon: DaemonProcess, prometheus: Prometheus) -> None:
    """A daemon that is stopped is down; the alert waits its five minutes before it fires."""
    prometheus.wait_for("up", "1")
    assert daemon.stop() == 0
    pending = 'ALERTS{alertname="NstdDown",alertstate="pending"}'
    assert prometheus.wait_for(pending, "1")[0]["metric"]["severity"] == "page"


@pytest.mark.parametrize(
    "words", [["check", "rules", ALERTS], ["test", "rules", "alerts_test.yml"]]
)
def test_promtool_accepts_the_alert_rules(words: list[str]) -> None:
    """Their syntax, and that they fire when they should and only then."""
    done = subprocess.run(
        ["promtool", *words], cwd=TESTS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
