"""Progress bars, at a terminal and elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

SCRIPT = """
from nstd.progress import IterationBar
with IterationBar() as bar:
    bar.tell("2 pictures")
    bar.show(iteration=2, planned=3, loss=0.5, seconds=0.25)
"""


def test_a_terminal_shows_a_bar() -> None:
    """With iterations, loss and seconds."""
    terminal, stderr = pty.openpty()
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], stderr=stderr, env=environment, check=True
    )
    os.close(stderr)
    shown = os.read(terminal, 2**16).decode()
    os.close(terminal)
    assert done.returncode == 0
    assert "2 pictures" in shown
    assert "3/3  loss 0.5  0.250 s/iteration" in shown


def test_a_file_gets_none() -> None:
    """It would be noise there; what is told is told."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr == "2 pictures\n"
