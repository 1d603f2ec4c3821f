"""The demonstration, at a size that a test can afford."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from nstd import demonstration
from nstd.demonstration import DemoError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_demo_paints_its_pair(tmp_path: Path) -> None:
    """A daemon is started, the pair is dropped, the painting comes out, the daemon stops."""
    demo = demonstration.run(tmp_path / "demo", extra={"preset": "draft", "size": 96})
    assert demo.picture == tmp_path / "demo/outbox/harbour-painted.png"
    assert demo.manifest.exists()
    with Image.open(demo.picture) as image:
        assert image.size == (96, 64)
    assert {path.name for path in (tmp_path / "demo/done").iterdir()} == {
        "harbour.jpg",
        "brushwork.jpg",
        "harbour.yaml",
    }


def test_a_demo_that_fails_says_why(tmp_path: Path) -> None:
    """The job's own message is passed on."""
    with pytest.raises(DemoError, match="did you mean 'size'"):
        demonstration.run(tmp_path / "demo", extra={"sise": 96})
