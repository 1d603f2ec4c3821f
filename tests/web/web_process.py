"""`nstd web` as a subprocess."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from daemon_process import PATIENCE
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class WebProcess:
    """The page of a root, on a port of its own, or on one that is given."""

    def __init__(self, root: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        command = ["web", "--root", str(root), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nstd", *command],
            env={**os.environ, "NSTD_CACHE_DIR": str(root / "cache")},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.first: dict[str, Any] = json.loads(self.process.stderr.readline())

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, list[str]]:
        """End it; returns the exit code and the rest of its log."""
        self.process.send_signal(number)
        _, rest = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, rest.splitlines()


@contextlib.contextmanager
def served(root: Path) -> Iterator[WebProcess]:
    """Serve a root's page; it must end in order."""
    web = WebProcess(root)
    try:
        yield web
    finally:
        if web.process.poll() is None:
            code, rest = web.stop()
            assert code == 0, rest
