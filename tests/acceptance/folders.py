"""What the acceptance tests share: a daemon to talk to, and ways to look at its folders."""

from __future__ import annotations

import contextlib
import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from daemon_process import PATIENCE, DaemonProcess
from PIL import Image

from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def running(root: Path, **given: Any) -> Iterator[DaemonProcess]:
    """Lend a daemon that copies; it must end in order, without a mistake of its own."""
    process = DaemonProcess(root, **{"copying": True, **given})
    try:
        process.wait_for("worker.ready")
        yield process
        code = process.stop()
        assert code == 0, (code, process.events[-4:], process.other_lines)
        mistakes = [event for event in process.events if event["event"] == "internal.error"]
        assert not mistakes, mistakes[0]["exception"]
        assert process.other_lines == [], process.other_lines
    finally:
        # However the test went, nothing of this daemon's is left for the next one to be blamed for.
        if process.process.poll() is None:
            process.process.kill()
            process.ended()


def run_once(root: Path, **given: Any) -> tuple[int, DaemonProcess]:
    """Drain the inbox; returns the exit code and what was said."""
    process = DaemonProcess(root, "once", **{"copying": True, **given})
    code = process.ended()
    assert process.count("internal.error") == 0
    assert process.other_lines == [], process.other_lines
    return code, process


def names(folder: Path) -> set[str]:
    """List what lies in a folder, but for the daemon's own."""
    if not folder.exists():
        return set()
    return {path.name for path in folder.iterdir()} - {".nstd", "STATUS.txt"}


def visible(folder: Path) -> dict[str, str]:
    """Every file below a folder that isn't the daemon's own, and its SHA-256."""
    return {
        str(path.relative_to(folder)): files.sha256(path)
        for path in folder.rglob("*")
        if path.is_file() and ".nstd" not in path.parts and path.name != "STATUS.txt"
    }


def reason(root: Path, name: str) -> dict[str, Any]:
    """Read why a job failed; the text for people says the same as the facts."""
    facts: dict[str, Any] = json.loads((root / "failed" / f"{name}.reason.json").read_bytes())
    text = (root / "failed" / f"{name}.reason.txt").read_text()
    assert facts["message"].strip() in text
    return facts


def manifest(root: Path, name: str) -> dict[str, Any]:
    """Read a result's manifest; the result is what it says."""
    path = root / "outbox" / f"{name}.json"
    facts: dict[str, Any] = json.loads(path.read_bytes())
    assert files.sha256(path.parent / facts["output"]["name"]) == facts["output"]["sha256"]
    return facts


def logged_at(event: dict[str, Any]) -> float:
    """Seconds since the epoch at which something was logged."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()


def until(condition: Callable[[], object]) -> None:
    """Wait for something that no event tells."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def peak(pid: int) -> int:
    """Most memory that a process has ever had resident, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def watched_inodes(pid: int) -> set[int]:
    """Inodes that a process watches with inotify."""
    found: set[int] = set()
    for entry in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            told = entry.read_text()
            found |= {
                int(ino, 16) for ino in re.findall(r"^inotify wd:\w+ ino:(\w+)", told, re.MULTILINE)
            }
    return found


def blocks(path: Path, across: int = 3, down: int = 2) -> np.ndarray:
    """Mean colours [down, across, 3] of a picture's parts, from 0 to 255."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.float32)
    rows = np.array_split(pixels, down, axis=0)
    return np.array(
        [[part.mean((0, 1)) for part in np.array_split(row, across, axis=1)] for row in rows]
    )
