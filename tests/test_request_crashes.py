"""A `kill -9` between the steps of a request: the next daemon ends in the same place."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from daemon_process import DaemonProcess, drop

from nstd.config import Config
from nstd.entry import State
from nstd.spool import history, layout, reading, requests
from nstd.spool.requests import Cancel, Pause, Prune, Retry

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.spool.history import Record
    from nstd.spool.requests import Request

RETRYING = ("retrying", "image_put_back", "sidecar_put_back", "unexplained", "heeded")


def jobs(root: Path) -> list[Record]:
    """List the jobs, newest first."""
    path = layout.ledger(Config(root=root))
    return reading.ask(path, lambda queries: list(history.records(queries)))


def ask(root: Path, request: Request) -> None:
    """Leave a request while no daemon runs."""
    requests.leave(layout.requests(Config(root=root)), request)


def once(root: Path, *crash: str, code: int = 0) -> DaemonProcess:
    """Drain the inbox; the last run of it, or one that is killed."""
    daemon = DaemonProcess(root, "once", copying=True, crash=crash)
    assert daemon.ended() == (-signal.SIGKILL if crash else code), (crash, daemon.events)
    return daemon


def names(folder: Path) -> set[str]:
    """List a folder's files."""
    return {path.name for path in folder.iterdir() if path.is_file() and path.name != "STATUS.txt"}


@pytest.mark.parametrize("point", RETRYING)
def test_a_job_that_is_tried_again(tmp_path: Path, point: str) -> None:
    """Its corrected files are done once, and nothing is left in failed/ or half way."""
    drop(tmp_path / "inbox", "a", "sise: 3\n")
    once(tmp_path, code=1)
    (tmp_path / "failed" / "a.yaml").write_text("preset: draft\n")
    (first,) = jobs(tmp_path)
    ask(tmp_path, Retry(job_ids=(first.job_id,)))
    once(tmp_path, point)
    once(tmp_path)
    assert names(tmp_path / "inbox") == set()
    assert names(tmp_path / "failed") == set()
    assert names(tmp_path / "done") == {"a.yaml", "a.jpg", "a.style.png"}
    assert names(tmp_path / "outbox") == {"a.png", "a.json"}
    assert sorted(job.state for job in jobs(tmp_path)) == [State.FAILED, State.RETIRED]
    # Done a second time, it may be refused, and answered though nobody asks any more.
    assert not list((tmp_path / "state" / "requests").glob("*.json"))


@pytest.mark.parametrize("point", ["pruned", "heeded"])
def test_old_jobs_that_are_pruned(tmp_path: Path, point: str) -> None:
    """Files and rows are gone in the end; the results stay."""
    drop(tmp_path / "inbox", "a")
    once(tmp_path)
    ask(tmp_path, Prune(before=time.time() + 3600, states=(State.RETIRED,)))
    once(tmp_path, point)
    once(tmp_path)
    assert jobs(tmp_path) == []
    assert names(tmp_path / "done") == set()
    assert names(tmp_path / "outbox") == {"a.png", "a.json"}


def test_a_pause(tmp_path: Path) -> None:
    """It is in force however often the daemon dies over it; draining says that jobs are left."""
    drop(tmp_path / "inbox", "a")
    once(tmp_path, "admitted")
    ask(tmp_path, Pause())
    once(tmp_path, "heeded")
    once(tmp_path, code=75)
    assert names(tmp_path / "outbox") == set()


def test_a_job_that_waits_and_is_cancelled(tmp_path: Path) -> None:
    """Its files are in failed/, and it never runs."""
    drop(tmp_path / "inbox", "a")
    once(tmp_path, "claimed")
    (job,) = jobs(tmp_path)
    ask(tmp_path, Cancel(job_id=job.job_id))
    once(tmp_path, "heeded")
    once(tmp_path)
    assert [job.state for job in jobs(tmp_path)] == [State.CANCELLED]
    assert "a.yaml" in names(tmp_path / "failed")
    assert names(tmp_path / "outbox") == set()


def test_a_running_job_whose_daemon_dies_over_its_end(tmp_path: Path) -> None:
    """The request outlives both, and the next daemon doesn't begin the job again."""
    daemon = DaemonProcess(tmp_path, copying=True)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "a", "preset: fast\niterations: 100000\n")
    job_id = daemon.wait_for("job.progress")["job_id"]
    daemon.process.send_signal(signal.SIGSTOP)
    ask(tmp_path, Cancel(job_id=job_id))
    daemon.process.send_signal(signal.SIGKILL)
    daemon.ended()
    once(tmp_path)
    assert [job.state for job in jobs(tmp_path)] == [State.CANCELLED]
