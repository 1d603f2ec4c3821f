"""Folders that must not lie within each other, and daemons that must not share (26 and 39)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from daemon_process import DaemonProcess, drop
from folders import names, run_once, running

if TYPE_CHECKING:
    from pathlib import Path


def refused(root: Path, **placed: str) -> str:
    """Start a daemon with folders placed like that; it must refuse, and touch nothing."""
    before = sorted(root.rglob("*"))
    daemon = DaemonProcess(root, settings=placed)
    assert daemon.ended() == 78
    assert sorted(root.rglob("*")) == sorted({*before, root / "config.yaml"})
    said = " ".join(word for line in daemon.other_lines for word in line.split())
    assert "lies within" in said
    assert "Place the folders beside each other." in said
    return said


@pytest.mark.parametrize("inner", ["outbox", "failed", "done", "state"])
def test_no_folder_may_lie_in_the_inbox(tmp_path: Path, inner: str) -> None:
    """26. What is filed there would be an input; exit code 78, both folders named."""
    place = tmp_path / "inbox" / "deep" / inner
    assert f"config.yaml: {inner}: {place} lies within inbox" in refused(
        tmp_path, **{inner: str(place)}
    )


@pytest.mark.parametrize("how", ["link", "linked inbox", "same", "dots", "below a link"])
def test_no_way_into_the_inbox_is_overlooked(tmp_path: Path, how: str) -> None:
    """26. Links are resolved, of folders above too, and so are dots."""
    inbox, outbox = tmp_path / "inbox", tmp_path / "inbox" / "out"
    outbox.mkdir(parents=True)
    (tmp_path / "link").symlink_to(outbox)
    (tmp_path / "way").symlink_to(inbox)
    (tmp_path / "beside").mkdir()
    placed = {
        "link": {"outbox": tmp_path / "link"},
        "linked inbox": {"outbox": outbox, "inbox": tmp_path / "way"},
        "same": {"outbox": inbox},
        "dots": {"outbox": f"{tmp_path}/beside/../inbox/new"},
        "below a link": {"outbox": tmp_path / "way" / "not" / "there"},
    }[how]
    refused(tmp_path, **{name: str(place) for name, place in placed.items()})


@pytest.mark.parametrize(
    ("placed", "key"),
    [
        ({"inbox": "outbox/in"}, "inbox"),
        ({"inbox": "done/in"}, "inbox"),
        ({"failed": "done/failed"}, "failed"),
        ({"done": "outbox/done"}, "done"),
        ({"inbox": "state/in"}, "inbox"),
        ({"outbox": "state/deep/out"}, "outbox"),
    ],
)
def test_no_folder_may_lie_in_another(tmp_path: Path, placed: dict[str, str], key: str) -> None:
    """26. The same for every pair that could loop."""
    message = refused(tmp_path, **{name: str(tmp_path / place) for name, place in placed.items()})
    assert f"config.yaml: {key}: " in message


def test_the_style_library_may_not_lie_in_the_inbox(tmp_path: Path) -> None:
    """26. Its images would be inputs and library at once."""
    (tmp_path / "inbox" / "library").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "inbox" / "library")
    config = {"root": str(tmp_path), "styles": [str(tmp_path / "link")]}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    command = [sys.executable, "-m", "nstd", "run", "--config", str(tmp_path / "c.yaml")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert "styles" in done.stderr


def test_folders_side_by_side_may_be_reached_through_links(tmp_path: Path) -> None:
    """26. What is refused is the loop, not the link."""
    for name in ("inbox", "outbox"):
        (tmp_path / f"real-{name}").mkdir()
        (tmp_path / name).symlink_to(tmp_path / f"real-{name}")
    drop(tmp_path / "inbox" / "sub", "a")
    assert run_once(tmp_path)[0] == 0
    assert names(tmp_path / "real-outbox" / "sub") == {"a.png", "a.json"}
    with running(tmp_path, settings={"rescan_seconds": 30.0}) as daemon:
        drop(tmp_path / "inbox" / "sub", "b")  # heard of, long before the next rescan
        daemon.wait_for("job.done", name="sub/b")
        assert daemon.count("watch.degraded") == 0


@pytest.mark.parametrize("shared", ["inbox", "linked inbox", "state", "both"])
def test_a_second_daemon_is_refused(tmp_path: Path, shared: str) -> None:
    """39. One daemon for an inbox, one for a state folder; exit code 75, and the first goes on."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    placed = {
        "inbox": {"inbox": str(first / "inbox")},
        "linked inbox": {"inbox": str(tmp_path / "link")},
        "state": {"state": str(first / "state")},
        "both": {"inbox": str(first / "inbox"), "state": str(first / "state")},
    }[shared]
    with running(first) as daemon:
        (tmp_path / "link").symlink_to(first / "inbox")
        other = DaemonProcess(second, copying=True, settings=placed)
        assert other.ended() == 75
        (event,) = (event for event in other.events if event["event"] == "daemon.failed")
        assert event["code"] == "locked"
        assert "lock: another nstd holds this lock. Stop the other daemon" in event["message"]
        assert other.count("job.claimed") == 0
        drop(first / "inbox", "a")
        daemon.wait_for("job.retired", name="a")


def test_the_lock_ends_with_the_daemon(tmp_path: Path) -> None:
    """39. However it ended: a killed daemon's successor starts at once."""
    daemon = DaemonProcess(tmp_path, copying=True)
    daemon.wait_for("worker.ready")
    assert daemon.stop(9) == -9
    assert os.path.lexists(tmp_path / "inbox" / ".nstd" / "lock")
    drop(tmp_path / "inbox", "a")
    assert run_once(tmp_path)[0] == 0
