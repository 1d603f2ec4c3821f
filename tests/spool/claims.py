"""Helpers: a claimed job without a scanner or a worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conftest import save_picture

from nstd import sidecar
from nstd.domain import Candidate, Claim, Rendered
from nstd.spool import claim, files, layout

if TYPE_CHECKING:
    from nstd.config import Config


def candidate(config: Config, name: str = "a", folder: str = ".", text: str = "") -> Candidate:
    """Drop a pair and return what a scan would make of it."""
    layout.create(config)
    place = config.folder("inbox") / folder
    content = save_picture(place / f"{name}.jpg")
    style = save_picture(place / f"{name}.style.png", seed=1)
    path = place / f"{name}.yaml"
    path.write_text(text or "preset: draft\n")
    parsed = sidecar.parse(path.read_bytes(), file=path.name)
    return Candidate(path, Path(folder), parsed, content, (style,))


def claimed(config: Config, name: str = "a", folder: str = ".", text: str = "") -> Claim:
    """Drop a pair and claim it."""
    return claim.claim(candidate(config, name, folder, text), config)


def rendered(of: Claim, config: Config) -> Rendered:
    """Leave a result in the claim's work folder, as a worker does."""
    path = save_picture(layout.work(config) / of.job_id / "result.png", seed=5)
    return Rendered(path, files.sha256(path), 64, 48, {})


def tree(root: Path) -> set[str]:
    """Every file below a folder, relative to it."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
