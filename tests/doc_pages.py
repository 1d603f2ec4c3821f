"""The code blocks of a page under docs/."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Collect a page's blocks in a language, in order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def environment() -> dict[str, str]:
    """Put this environment's programs first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path}


def shell(script: str, folder: Path) -> str:
    """Run a script that must succeed in a folder; returns what it prints."""
    done = subprocess.run(
        ["/bin/sh", "-ec", script],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
