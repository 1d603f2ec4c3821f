"""How much memory this process may take of the machine; Linux tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_KIBIBYTE = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes for this process and all others that share its limits.

    Attributes:
        total: of the machine, or the lowest limit of the control groups that the process is in.
        available: of that, without making anybody swap.
    """

    total: int
    available: int


def host(root: Path = Path("/")) -> Memory | None:
    """The machine's memory; None where nothing tells.

    Args:
        root: of the file systems that tell.
    """
    try:
        facts = _numbers(root / "proc/meminfo")
        total, available = (facts[key] * _KIBIBYTE for key in ("MemTotal:", "MemAvailable:"))
    except (OSError, KeyError):
        return None
    for folder in _groups(root):
        try:
            limit = int((folder / "memory.max").read_text())  # or `max`: there is none
            used = int((folder / "memory.current").read_text())
            facts = _numbers(folder / "memory.stat")
        except (OSError, ValueError):
            continue
        # Files in memory file systems count as files there, and have nowhere else to go.
        cached = facts.get("file", 0) - facts.get("shmem", 0)
        total = min(total, limit)
        available = min(available, max(0, limit - used + cached))
    return Memory(total, available)


def _groups(root: Path) -> list[Path]:
    """The folders of the control groups (version 2) that this process is in, inner to outer."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    mount = root / "sys/fs/cgroup"
    found = []
    for line in lines:
        if line.startswith("0::/"):
            inner = mount / line.removeprefix("0::/")
            found = [inner, *(folder for folder in inner.parents if folder.is_relative_to(mount))]
    return found


def _numbers(path: Path) -> dict[str, int]:
    """The first two words of each line, a name and a number."""
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
