"""The real daemon as a subprocess, driven through its folders and followed through its log."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conftest import save_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# For a real worker on a machine that is slow, or busy with other tests: its start alone takes 20 s.
PATIENCE = 150.0
COPYING = Path(__file__).parent / "doubles" / "copying_daemon.py"
SETTINGS: dict[str, Any] = {
    "settle_seconds": 0.2,
    "retire_grace_seconds": 0.1,
    "rescan_seconds": 0.5,
    "defaults": {"preset": "draft", "size": 64},
    "log": {"level": "debug", "format": "json"},
}
LIMITS: dict[str, float] = {"incomplete_seconds": 1.0, "backoff_seconds": 0.1, "min_free_bytes": 0}


class DaemonProcess:
    """`nstd run`, or another command, on a root of its own.

    Args:
        root: holds the folders and the configuration.
        command: `run` or `once`.
        wrapper: a command to run it under.
        copying: with an engine that only copies pixels; the spool is the real one.
        crash: a crash point, and optionally which passing of it is the last; copying only.
        settings: further keys of the configuration.
        limits: what the configuration limits.
    """

    def __init__(
        self,
        root: Path,
        command: str = "run",
        *,
        wrapper: Sequence[str] = (),
        copying: bool = False,
        crash: Sequence[str] = (),
        settings: Mapping[str, Any] | None = None,
        **limits: float | str,
    ) -> None:
        self.root = root
        self.events: list[dict[str, Any]] = []
        self.other_lines: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        config = root / "config.yaml"
        told = {"root": str(root), **SETTINGS, "limits": {**LIMITS, **limits}, **(settings or {})}
        config.write_text(json.dumps(told))  # YAML contains JSON
        program = [str(COPYING), command, str(config), *crash]
        if not copying:
            program = ["-m", "nstd", command, "--config", str(config)]
        self.process = subprocess.Popen(
            [*wrapper, sys.executable, *program],
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for(self, event: str, count: int = 1, **fields: object) -> dict[str, Any]:
        """Wait until an event with these fields has been logged `count` times; return the last."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = [
                logged
                for logged in self.events
                if logged["event"] == event and fields.items() <= logged.items()
            ]
            if len(found) >= count:
                return found[count - 1]
            line = None
            with contextlib.suppress(queue.Empty, ValueError):  # a negative time is none left
                line = self._lines.get(timeout=deadline - time.monotonic())
            told = "\n".join(map(str, [*self.events, *self.other_lines]))
            assert line is not None, f"no {event} {fields} in:\n{told}"
            self._take(line)

    def _take(self, line: str) -> None:
        try:
            self.events.append(json.loads(line))
        except ValueError:
            self.other_lines.append(line)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ended()

    def ended(self, seconds: float = PATIENCE) -> int:
        """Wait so long for the end, take the rest of the log, and return the exit code."""
        code = self.process.wait(seconds)
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self._take(line)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def count(self, event: str) -> int:
        """Count the events of a name so far."""
        return sum(logged["event"] == event for logged in self.events)

    def worker(self) -> int:
        """Find the worker's process id: the child that runs multiprocessing's spawned main."""
        for child in children(self.process.pid):
            if b"spawn_main" in command_line(child):
                return child
        raise AssertionError("no worker")


def children(pid: int) -> list[int]:
    """List a process's children, from every thread that may have started them."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> bytes:
    """Read a process's command line."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def drop(
    inbox: Path, name: str, text: str = "", *, size: tuple[int, int] = (64, 48), seed: int = 0
) -> None:
    """Drop a pair and, last, its sidecar."""
    save_picture(inbox / f"{name}.jpg", *size, seed=seed)
    save_picture(inbox / f"{name}.style.png", seed=seed + 1)
    (inbox / f"{name}.yaml").write_text(text or "# defaults\n")
