"""The unit under the real systemd."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING

import pytest
from service import SETTINGS

from nstd import daemon

if TYPE_CHECKING:
    from collections.abc import Callable

    from machine import Machine
    from service import Service

    Serve = Callable[..., Service]

RELOADS = "SIGHUP" in inspect.getsource(daemon)
LONG = "preset: fast\niterations: 600\n"  # six seconds


def results(service: Service) -> list[str]:
    """List what the outbox has."""
    return sorted(path.name for path in (service.folder / "outbox").iterdir())


def test_active_only_when_jobs_can_be_done(serve: Serve) -> None:
    """Activating while the inbox is absent, and says so; active once it is back."""
    service = serve()
    service.start()
    service.stop()
    inbox, away = service.folder / "inbox", service.folder / "unmounted"
    inbox.rename(away)
    service.start("--no-block")
    service.until(lambda: "inbox is absent" in service.show("StatusText"), "status text")
    assert service.show("ActiveState") == "activating"
    away.rename(inbox)
    service.until(lambda: service.show("ActiveState") == "active", "active")
    assert service.count("worker.ready") == 2


def test_a_job_is_done_under_the_hardening(serve: Serve) -> None:
    """As the service's user, who may write nothing but its folders."""
    service = serve()
    service.start()
    service.drop("sub/a")
    service.wait_for("job.retired")
    owner = service.machine.run("stat -c '%U %G %a' /var/lib/nstd/outbox/sub/a.png", check=True)
    assert owner.stdout == "nstd nstd 660\n"
    status = service.machine.run(f"cat /proc/{service.pid}/status", check=True).stdout
    facts = dict(line.split(":\t", 1) for line in status.splitlines())
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    assert int(facts["CapBnd"], 16) == 0
    assert facts["Uid"].split()[0] != "0"
    inside = f"nsenter -t {service.pid} -m"
    for place, may in (("/var/lib/nstd", True), ("/var/cache/nstd", True), ("/opt", False)):
        done = service.machine.run(f"{inside} touch {place}/probe")
        assert (done.returncode == 0) == may, place


@pytest.mark.parametrize("preset", ["draft", "fast"])
def test_the_real_engine_works_under_the_hardening(serve: Serve, preset: str) -> None:
    """TensorFlow compiles, allocates and threads as it needs; the system call filter permits it."""
    service = serve(copying=False)
    service.start()
    service.drop("a", f"preset: {preset}\n" + ("" if preset == "draft" else "iterations: 3\n"))
    service.wait_for("job.retired")
    manifest = json.loads((service.folder / "outbox/a.json").read_text())
    assert manifest["parameters"]["preset"] == preset
    assert manifest["device"].startswith(("cpu", "gpu"))
    assert service.show("NRestarts") == "0"


def test_the_status_text_has_queue_and_running_job(serve: Serve) -> None:
    """For `systemctl status`."""
    service = serve()
    service.start()
    service.drop("first", LONG)
    service.drop("second", LONG)
    service.until(lambda: "of 600 iterations" in service.show("StatusText"), "status text")
    assert service.show("StatusText").endswith("; 1 job waiting")
    assert "Status: " in service.machine.systemctl("status", "nstd")


def test_a_stop_in_mid_job_loses_nothing(serve: Serve) -> None:
    """In order, within TimeoutStopSec; the job is requeued, and done after the next start."""
    service = serve()
    service.start()
    service.drop("a", LONG)
    service.wait_for("job.started")
    service.stop()
    assert service.show("Result") == "success"
    assert service.show("ActiveState") == "inactive"
    assert service.count("job.requeued") == 1
    assert results(service) == []
    service.start()
    service.wait_for("job.retired")
    assert results(service) == ["a.json", "a.png"]


def test_a_long_grace_time_is_granted(serve: Serve) -> None:
    """The daemon asks for more time to stop than the unit has, and the job is finished in it."""
    limits = {**SETTINGS["limits"], "grace_seconds": 50.0}
    service = serve(unit="TimeoutStopSec=1s", settings={"limits": limits})
    service.start()
    service.drop("a", LONG)
    service.wait_for("job.started")
    service.stop()
    assert service.show("Result") == "success"
    assert service.count("job.done") == 1
    assert results(service) == ["a.json", "a.png"]


def test_a_supervisor_that_hangs_is_started_again(serve: Serve) -> None:
    """37. Stopped by SIGSTOP: the watchdog kills it, and the job is done once."""
    service = serve(unit="WatchdogSec=2s\nTimeoutAbortSec=2s")
    service.start()
    before = service.pid
    service.drop("a", LONG)
    service.wait_for("job.started")
    service.machine.run(f"kill -STOP {before}", check=True)
    service.until(lambda: service.show("NRestarts") == "1", "restart")
    service.wait_for("job.retired")
    assert service.pid != before
    assert service.count("job.recovered") == 1
    assert results(service) == ["a.json", "a.png"]


def test_a_busy_loop_keeps_the_watchdog_fed(serve: Serve) -> None:
    """Idle, and with a job that takes three intervals."""
    service = serve(unit="WatchdogSec=2s")
    service.start()
    service.drop("a", LONG)
    service.wait_for("job.retired")
    assert service.show("NRestarts") == "0"


def test_a_killed_supervisor_is_started_again(serve: Serve) -> None:
    """Kill -9 of the main process: the job is done once, and no worker is left behind."""
    service = serve()
    service.start()
    service.drop("a", LONG)
    service.wait_for("job.started")
    service.machine.run(f"kill -KILL {service.pid}", check=True)
    service.wait_for("job.retired")
    assert service.show("NRestarts") == "1"
    assert service.count("job.done") == 1
    assert results(service) == ["a.json", "a.png"]
    workers = service.machine.run("pgrep --count --full '[s]pawn_main'").stdout
    assert workers.strip() == "1"


@pytest.mark.parametrize("text", ["rot: /x\n", "root: [\n"])
def test_a_wrong_configuration_is_not_tried_again(serve: Serve, text: str) -> None:
    """Exit code 78: a restart would mend nothing."""
    service = serve(copying=False)
    (service.machine.root / "etc/nstd/config.yaml").write_text(text)
    assert service.machine.run("systemctl start nstd").returncode != 0
    service.until(lambda: service.show("ActiveState") == "failed", "failed")
    assert service.show("ExecMainStatus") == "78"
    assert service.show("NRestarts") == "0"


@pytest.mark.skipif(not RELOADS, reason="the daemon does not handle SIGHUP yet")
def test_a_reload_reads_the_configuration_again(serve: Serve) -> None:
    """The next job has the new defaults; the process is the same."""
    service = serve()
    service.start()
    before = service.pid
    service.configure({**SETTINGS, "defaults": {"preset": "draft", "size": 48}})
    service.machine.systemctl("reload", "nstd")
    service.until(lambda: service.show("ActiveState") == "active", "active")
    service.drop("a")
    service.wait_for("job.retired")
    manifest = json.loads((service.folder / "outbox/a.json").read_text())
    assert manifest["parameters"]["size"] == 48
    assert service.pid == before


@pytest.mark.skipif(not RELOADS, reason="the daemon does not handle SIGHUP yet")
def test_a_reload_of_a_wrong_configuration_changes_nothing(serve: Serve) -> None:
    """The service stays active, and does the next job as before."""
    service = serve()
    service.start()
    before = service.pid
    (service.machine.root / "etc/nstd/config.yaml").write_text("rot: /x\n")
    service.machine.systemctl("reload", "nstd")
    service.until(lambda: service.show("ActiveState") == "active", "active")
    service.drop("a")
    service.wait_for("job.retired")
    assert service.pid == before


def test_systemd_finds_no_fault_with_the_unit(machine: Machine) -> None:
    """Where its program is installed and its user exists."""
    done = machine.run("systemd-analyze verify nstd.service")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
