"""What the system tells of its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nstd.engine import memory
from nstd.engine.memory import Memory

if TYPE_CHECKING:
    from pathlib import Path

KIBI = 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with 1000 KiB, 700 of which are free."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text(
        "MemTotal:  1000 kB\nMemFree:  500 kB\nMemAvailable:  700 kB\nHugePages_Total:   0\n"
    )
    (tmp_path / "proc" / "self" / "cgroup").write_text("0::/system.slice/nstd.service\n")
    return tmp_path


def limit(root: Path, group: str, most: str, *, used: int, cached: int, shared: int = 0) -> None:
    """Limit a control group, in KiB; `shared` of what is cached is of memory file systems."""
    folder = root / "sys" / "fs" / "cgroup" / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{most}\n")
    (folder / "memory.current").write_text(f"{used * KIBI}\n")
    (folder / "memory.stat").write_text(f"anon 5\nfile {cached * KIBI}\nshmem {shared * KIBI}\n")


def test_the_machines_memory(root: Path) -> None:
    """Total, and what can be had without swapping."""
    assert memory.host(root) == Memory(1000 * KIBI, 700 * KIBI)


def test_the_services_limit(root: Path) -> None:
    """Lower than the machine's; what caches files counts as free."""
    limit(root, "system.slice/nstd.service", str(400 * KIBI), used=300, cached=50)
    assert memory.host(root) == Memory(400 * KIBI, 150 * KIBI)


def test_files_in_memory_are_not_free(root: Path) -> None:
    """They count as cached files, but there is no disk that holds them too."""
    limit(root, "system.slice/nstd.service", str(400 * KIBI), used=300, cached=50, shared=40)
    assert memory.host(root) == Memory(400 * KIBI, 110 * KIBI)


def test_the_limit_of_an_outer_group(root: Path) -> None:
    """The narrowest counts; `max` is none."""
    limit(root, "system.slice/nstd.service", "max", used=300, cached=50)
    limit(root, "system.slice", str(600 * KIBI), used=500, cached=0)
    assert memory.host(root) == Memory(600 * KIBI, 100 * KIBI)


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    """There is no answer then."""
    assert memory.host(tmp_path) is None


def test_this_system_tells_if_it_can() -> None:
    """Some of what there is is available."""
    found = memory.host()
    assert found is None or 0 < found.available <= found.total
