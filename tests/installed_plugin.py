"""Plugins as an installation leaves them: a module, and the metadata that names its entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "import numpy as np\nfrom nstd.plugins import hookimpl\n\n"


def install(folder: Path, name: str, code: str) -> None:
    """Install a plugin of this name and code, version 1.5, into a folder of the import path."""
    module = f"plugin_{name}"
    (folder / f"{module}.py").write_text(HEAD + code)
    info = folder / f"{module}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[nstd]\n{name} = {module}\n")
