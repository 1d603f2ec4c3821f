"""What the tests of scans share: an inbox, who scans it, and what is dropped there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import save_picture

from nstd.config import Config, Limits
from nstd.spool.scan import Scan, Scanner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from clocks import Clock

    from nstd.domain import Candidate


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Make an inbox."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def make_scanner(tmp_path: Path, inbox: Path, clock: Clock) -> Callable[..., Scanner]:
    """Make scanners that want files to settle for 2 s and wait 60 s for missing ones."""
    assert inbox.is_dir()

    def make(**limits: int) -> Scanner:
        bounds = Limits(incomplete_seconds=60.0, **limits)
        return Scanner(Config(root=tmp_path, settle_seconds=2.0, limits=bounds), clock)

    return make


def drop(inbox: Path, name: str = "a", text: str | None = None) -> Path:
    """Drop a pair and its sidecar."""
    save_picture(inbox / f"{name}.jpg")
    save_picture(inbox / f"{name}.style.png", seed=1)
    path = inbox / f"{name}.yaml"
    path.write_text("preset: draft\n" if text is None else text)
    return path


def paths(candidate: Candidate) -> list[str]:
    """List a candidate's images, relative to where they were found."""
    return [str(source.relative) for source in candidate.sources]


def settled(scanner: Scanner, clock: Clock) -> Scan:
    """Scan until what lies there has settled."""
    scanner.scan()
    clock.now += 2.0
    return scanner.scan()
