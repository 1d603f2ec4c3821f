"""Workers that hang, die, explode or grow; devices that aren't there; a new configuration."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml
from conftest import save_picture
from daemon_process import DaemonProcess, drop
from PIL import Image

import nstd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.engine.engine import Engine

TWO = {"device": ["cpu:0", "cpu:1"]}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """Run a daemon with the copying engine, short of patience."""
    process = DaemonProcess(
        tmp_path, copying=True, stall_seconds=1.0, attempts=2, backoff_seconds=0.1
    )
    process.wait_for("worker.ready")
    yield process
    assert process.stop() == 0
    assert process.count("internal.error") == 0
    assert process.other_lines == []


def commit(daemon: DaemonProcess, fault: str, text: str = "", side: int = 64) -> None:
    """Drop a job that makes its worker commit a fault, and a good one after it."""
    inbox = daemon.root / "inbox"
    save_picture(inbox / f"{fault}.jpg", side, side)
    save_picture(inbox / f"{fault}.style.png", seed=1)
    (inbox / f"{fault}.yaml").write_text(f"priority: 9\npreset: fast\niterations: 3\n{text}")
    drop(inbox, "good")


@pytest.mark.parametrize(
    ("fault", "code", "attempts"),
    [("die", "worker_died", 2), ("explode", "internal", 1), ("diverge", "non_finite_loss", 1)],
)
def test_a_job_that_fails_its_worker_ends_and_the_next_runs(
    daemon: DaemonProcess, fault: str, code: str, attempts: int
) -> None:
    """29, 30, 35. A dying worker is poison after `limits.attempts`; an exception is final."""
    commit(daemon, fault)
    assert daemon.wait_for("job.failed", name=fault)["code"] == code
    daemon.wait_for("job.done", name="good")
    started = [e for e in daemon.events if e["event"] == "job.started" and e["name"] == fault]
    assert len(started) == attempts
    assert (daemon.root / "failed" / f"{fault}.reason.txt").exists()


def test_a_hung_worker_is_killed(daemon: DaemonProcess) -> None:
    """36. Without a sign of life, and deaf to SIGTERM, it is killed; the job is tried once more."""
    commit(daemon, "hang")
    first = daemon.worker()
    daemon.wait_for("worker.killed", count=2)
    failed = daemon.wait_for("job.failed", name="hang")
    assert failed["code"] == "stalled"
    assert "limits.stall_seconds" in failed["message"]
    daemon.wait_for("job.done", name="good")
    assert not Path(f"/proc/{first}").exists()


def test_a_job_may_not_take_for_ever(tmp_path: Path) -> None:
    """A job over `limits.job_timeout_seconds` is ended though its worker is lively."""
    daemon = DaemonProcess(tmp_path, copying=True, job_timeout_seconds=1.0, attempts=1)
    drop(tmp_path / "inbox", "long", "preset: fast\niterations: 100000\n")
    failed = daemon.wait_for("job.failed", name="long")
    assert "limits.job_timeout_seconds" in failed["message"]
    assert daemon.stop() == 0


def test_too_little_device_memory_fails_the_job(daemon: DaemonProcess) -> None:
    """34. By default the job fails at once, its worker is replaced, and the next job runs."""
    commit(daemon, "exhaust", "size: 200\n", side=200)
    failed = daemon.wait_for("job.failed", name="exhaust")
    assert failed["code"] == "out_of_memory"
    daemon.wait_for("worker.recycled")
    daemon.wait_for("job.done", name="good")


def test_too_little_device_memory_may_shrink_the_job(tmp_path: Path) -> None:
    """34. With `limits.oom: shrink` it is tried again at half the area; the manifest says so."""
    daemon = DaemonProcess(tmp_path, copying=True, oom="shrink", attempts=5)
    daemon.wait_for("daemon.started")
    commit(daemon, "exhaust", "size: 200\n", side=200)
    line = daemon.wait_for("job.done", name="exhaust")
    assert (line["width"], line["height"]) == (141, 141)
    manifest = json.loads((tmp_path / "outbox" / "exhaust.json").read_text())
    assert manifest["parameters"]["size"] == 141
    assert manifest["attempt"] == 2
    assert daemon.stop() == 0


def test_workers_are_replaced_after_a_number_of_jobs(tmp_path: Path) -> None:
    """`limits.worker_jobs` is the last that one worker does."""
    daemon = DaemonProcess(tmp_path, copying=True, worker_jobs=2)
    for number in range(5):
        drop(tmp_path / "inbox", f"job{number}")
    for number in range(5):
        daemon.wait_for("job.done", name=f"job{number}")
    assert daemon.stop() == 0
    assert daemon.count("worker.recycled") == 2


def test_a_worker_that_grows_is_replaced(tmp_path: Path) -> None:
    """Above `limits.worker_bytes` it is ended between two jobs."""
    daemon = DaemonProcess(tmp_path, copying=True, worker_bytes=220 * 2**20)
    daemon.wait_for("worker.ready")
    for folder in ("a", "b"):
        (tmp_path / "inbox" / folder).mkdir()
        save_picture(tmp_path / "inbox" / folder / "leak.jpg")
        save_picture(tmp_path / "inbox" / folder / "leak.style.png", seed=1)
        (tmp_path / "inbox" / folder / "leak.yaml").write_text("preset: fast\niterations: 4\n")
        daemon.wait_for("job.done", name=f"{folder}/leak")
    assert daemon.wait_for("worker.recycled")["cause"] == "limits.worker_bytes"
    assert daemon.stop() == 0


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """38. Exit code 69, with what was found; never silently the CPU."""
    daemon = DaemonProcess(tmp_path, settings={"device": "gpu:7"})
    assert daemon.ended() == 69
    (event,) = (event for event in daemon.events if event["event"] == "daemon.failed")
    assert "gpu:7 is not there" in event["message"]
    assert "found:" in event["message"].lower()


def test_two_workers_run_two_jobs_at_once(tmp_path: Path) -> None:
    """Each device has a process of its own, and both have a job at the same time."""
    daemon = DaemonProcess(tmp_path, copying=True, settings=TWO)
    for name in ("a", "b"):
        drop(tmp_path / "inbox", name, "preset: fast\niterations: 200\n")
    devices = {daemon.wait_for("job.started", name=name)["device"] for name in ("a", "b")}
    assert devices == {"cpu:0", "cpu:1"}
    assert daemon.count("job.done") == 0, "both had begun before one was done"
    for name in ("a", "b"):
        daemon.wait_for("job.retired", name=name)
    assert daemon.stop() == 0


def rewrite(daemon: DaemonProcess, **changes: object) -> None:
    """Change the configuration and tell the daemon."""
    path = daemon.root / "config.yaml"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    daemon.process.send_signal(signal.SIGHUP)


def test_a_new_configuration_waits_for_the_running_job(daemon: DaemonProcess) -> None:
    """SIGHUP: the running job ends under the old one, the next is run under the new one."""
    drop(daemon.root / "inbox", "before", "preset: fast\niterations: 100\n")
    daemon.wait_for("job.started", name="before")
    rewrite(daemon, defaults={"preset": "draft", "size": 32})
    daemon.wait_for("config.reloaded")
    told = [event["event"] for event in daemon.events]
    assert told.index("config.reloaded") > told.index("job.started")
    assert daemon.wait_for("job.done", name="before")["width"] == 64
    drop(daemon.root / "inbox", "after")
    assert daemon.wait_for("job.done", name="after")["width"] == 32
    assert daemon.count("worker.ready") == 1, "nothing of the worker's has changed"


def test_a_new_device_replaces_the_workers(daemon: DaemonProcess) -> None:
    """SIGHUP: what concerns the workers is done by new ones."""
    rewrite(daemon, **TWO)
    daemon.wait_for("worker.ready", pin="cpu:1")
    assert daemon.wait_for("config.reloaded")["workers"] == "replaced"
    drop(daemon.root / "inbox", "after")
    daemon.wait_for("job.done", name="after")


def test_a_new_way_of_watching_is_that_of_requests_too(tmp_path: Path) -> None:
    """SIGHUP: events wake the daemon where only the rescan did, which comes in an hour."""
    settings = {"watch": {"mode": "polling"}, "rescan_seconds": 3600}
    daemon = DaemonProcess(tmp_path, copying=True, settings=settings)
    daemon.wait_for("worker.ready")
    rewrite(daemon, watch={"mode": "inotify"})
    daemon.wait_for("config.reloaded")
    (tmp_path / "state" / "requests" / "a.json").write_text('{"kind": "pause"}')
    daemon.wait_for("request.heeded", kind="pause")
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"settle_secnds": 3}, "did you mean 'settle_seconds'?"),
        ({"inbox": "/somewhere/else"}, "Restart nstd"),
        ({"device": "gpu:9"}, "gpu:9 is not there"),
    ],
)
def test_a_bad_configuration_changes_nothing(
    daemon: DaemonProcess, changes: dict[str, object], clause: str
) -> None:
    """41. The old one stays in force, and the error is logged."""
    rewrite(daemon, **changes)
    assert clause in daemon.wait_for("config.refused")["reason"]
    drop(daemon.root / "inbox", "still")
    daemon.wait_for("job.done", name="still")


def test_a_long_job_goes_on_after_a_restart(tmp_path: Path, engine: Engine) -> None:
    """40. A daemon that is killed mid-job resumes; the result is an uninterrupted run's."""
    values = {"preset": "classic", "size": 64, "iterations": 60, "precision": "float32"}
    settings = {"checkpoint_seconds": 0.0}
    daemon = DaemonProcess(tmp_path, settings=settings)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "a", yaml.safe_dump(values))
    daemon.wait_for("job.progress", count=4)
    daemon.stop(signal.SIGKILL)
    daemon = DaemonProcess(tmp_path, settings=settings)
    daemon.wait_for("job.retired", name="a")
    assert daemon.stop() == 0
    manifest = json.loads((tmp_path / "outbox" / "a.json").read_text())
    assert any("resumed" in note for note in manifest["notes"])
    assert manifest["iterations"] == 60
    done = tmp_path / "done"
    pair = done / "a.jpg", done / "a.style.png"
    whole = nstd.stylize(*pair, nstd.StyleParams.parse(values), using=engine)
    with Image.open(tmp_path / "outbox" / "a.png") as image:
        assert np.abs(np.asarray(image) / 255 - whole.image).max() <= 1.5 / 255


def test_many_jobs_leave_the_supervisor_as_it_was(tmp_path: Path) -> None:
    """43. Memory, descriptors and threads are flat; benchmarks/spool.py has ten thousand."""
    daemon = DaemonProcess(tmp_path, copying=True)
    daemon.wait_for("worker.ready")

    def burden() -> tuple[int, int, int]:
        proc = Path(f"/proc/{daemon.process.pid}")
        status = dict(
            line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line
        )
        resident = int(status["VmRSS"].split()[0]) // 1024
        return resident, len(list((proc / "fd").iterdir())), int(status["Threads"])

    burdens = []
    for batch in range(3):
        for number in range(50):
            drop(tmp_path / "inbox", f"b{batch}-{number}", size=(16, 16))
        daemon.wait_for("job.retired", count=50 * (batch + 1))
        time.sleep(0.5)
        burdens.append(burden())
    assert daemon.stop() == 0
    _, second, third = burdens
    assert third[0] <= second[0] + 4, "MiB"
    assert third[1] <= second[1] + 2
    assert third[2] <= second[2]
