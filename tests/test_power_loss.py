"""A power cut at any moment of a publication (ACCEPTANCE 28)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from daemon_process import DaemonProcess, drop
from lost_power import CALLS, Data, Folder, replay

if TYPE_CHECKING:
    from pathlib import Path


def torn(folder: Folder) -> list[set[str]]:
    """Every possible aftermath with a manifest that is not whole, or whose result is not."""
    found = []
    for names in folder.after_power_loss():
        result, manifest = names.get("a.png"), names.get("a.json")
        if manifest and not (manifest.is_whole and result and result.is_whole):
            found.append(set(names))
    return found


def test_no_power_cut_leaves_a_manifest_without_its_whole_result(tmp_path: Path) -> None:
    """28. After any prefix of the calls, less what was not synced, no manifest tells an untruth."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    drop(tmp_path / "inbox", "a")
    trace = tmp_path / "trace"
    wrapper = [strace, "-f", "-y", "-qq", "-e", f"trace={CALLS}", "-s", "0", "-o", str(trace)]
    daemon = DaemonProcess(tmp_path, "once", copying=True, wrapper=wrapper)
    code = daemon.ended()
    if code and "PTRACE" in "".join(daemon.other_lines):
        pytest.skip("tracing is not permitted here")
    assert code == 0
    moments = 0
    for folder in replay(trace.read_text(errors="replace"), tmp_path / "outbox"):
        moments += 1
        assert torn(folder) == [], f"after {moments} calls"
    assert moments > 8, "the trace shows the publication"
    assert folder.now.keys() == {"a.png", "a.json"}
    assert folder.safe.keys() == {"a.png", "a.json"}, "and in the end it is on disk"


def test_the_model_finds_a_missing_sync() -> None:
    """Without the sync of the result, or of its name, the model shows what would be lost."""
    whole, unsynced = Data(9, 9), Data(9, 0)
    assert torn(Folder({}, [("a.png", whole), ("a.json", whole)])), "the order of names"
    assert torn(Folder({"a.png": unsynced}, [("a.json", whole)])), "the result's data"
    assert torn(Folder({"a.png": whole}, [("a.json", unsynced)])), "the manifest's data"
    assert not torn(Folder({"a.png": whole}, [("a.json", whole)]))
