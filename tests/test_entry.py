"""A job as the ledger knows it."""

from __future__ import annotations

from pathlib import Path

from jobs import an_entry

from nstd.entry import Source


def test_a_jobs_name_is_its_sidecars_place() -> None:
    """Below the inbox, without suffix; dots within a name are part of it."""
    entry = an_entry("job", folder=Path("deep/er"), sidecar="a.b.yaml")
    assert entry.name == "deep/er/a.b"
    assert entry.place == Path("deep/er/a.b.yaml")
    assert an_entry("job", sidecar="a.yml").name == "a"


def test_an_image_lies_below_its_root() -> None:
    """The inbox, or a folder of the style library."""
    assert Source("style", Path("/lib"), Path("dutch/a.jpg")).path == Path("/lib/dutch/a.jpg")
