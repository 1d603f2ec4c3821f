"""Fixtures and helpers of the weights' tests: a cache, a small release, and damage to both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from weights_doubles import Published, publish

from nstd.engine.weights import container

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use an empty cache."""
    monkeypatch.setenv("NSTD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small(tmp_path: Path) -> Published:
    """Publish a small release."""
    return publish(tmp_path / "published")


def converted(small: Published, path: Path) -> Path:
    """Write the converted file of a release, anywhere."""
    container.write(path, small.arrays)
    return path


def flip(path: Path, offset: int = -1) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def leftovers(cache: Path) -> list[str]:
    """List what is in the cache besides its lock."""
    return sorted(path.name for path in cache.iterdir() if path.name != ".lock")
