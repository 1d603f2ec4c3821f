"""A `kill -9` at every named point of the spool (ACCEPTANCE 27)."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest
from daemon_process import DaemonProcess, drop

from nstd.spool import crashpoint, files

if TYPE_CHECKING:
    from pathlib import Path

# Points that only a failing job passes.
FAILING = {"failing", "explained"}


def visible(folder: Path) -> dict[str, str]:
    """Every file below a folder that isn't the daemon's own, and its SHA-256."""
    return {
        str(path.relative_to(folder)): files.sha256(path)
        for path in folder.rglob("*")
        if path.is_file() and ".nstd" not in path.parts and path.name != "STATUS.txt"
    }


@pytest.mark.parametrize("point", crashpoint.NAMES)
def test_a_kill_at_any_point_leaves_one_result_and_every_original(
    tmp_path: Path, point: str
) -> None:
    """27. After a restart: one result with the right hash, all originals, no temporary files."""
    inbox = tmp_path / "inbox"
    drop(inbox / "sub", "a", "sise: 3\n" if point in FAILING else "report: true\n")
    dropped = visible(inbox)
    killed = DaemonProcess(tmp_path, "once", copying=True, crash=[point])
    assert killed.ended() == -signal.SIGKILL, f"{point} was not passed"
    again = DaemonProcess(tmp_path, "once", copying=True)
    assert again.ended() == (1 if point in FAILING else 0)
    assert again.other_lines == []
    assert visible(inbox) == {}
    if point in FAILING:
        failed = visible(tmp_path / "failed")
        assert failed.keys() - dropped.keys() == {"sub/a.reason.txt", "sub/a.reason.json"}
        assert failed.items() >= dropped.items()
        assert visible(tmp_path / "outbox") == {}
    else:
        assert visible(tmp_path / "done") == dropped
        outbox = visible(tmp_path / "outbox")
        assert outbox.keys() == {"sub/a.png", "sub/a.json", "sub/a.report.html"}
        manifest = json.loads((tmp_path / "outbox/sub/a.json").read_text())
        assert manifest["output"]["sha256"] == outbox["sub/a.png"]
        assert manifest["report"] == "a.report.html"
    assert not list((tmp_path / "state" / "work").iterdir())
    assert not [p for p in (inbox / ".nstd").rglob("*") if p.is_dir() and p.parent.name != ".nstd"]
