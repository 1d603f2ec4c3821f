"""What a disk may hold after a power cut: a model fed with the system calls of a real process.

Data that was not synced may be missing; a name that was not synced with its directory may be there
or not, each for itself. `strace` tells the calls.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALLS = "openat,write,fsync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,ftruncate"
_CALL = re.compile(r"^\d+\s+(\w+)\((.*)\)\s+= (-?\d+)")
_DESCRIPTOR = re.compile(r"^\d+<([^>]*)>")
_QUOTED = re.compile(r'"([^"]*)"')


@dataclass(eq=False)
class Data:
    """A file's bytes: how many were written, and how many are safe."""

    written: int = 0
    safe: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all that was ever written would survive."""
        return self.safe == self.written


@dataclass
class Folder:
    """One directory: the names that are safe, and the changes that may be lost."""

    safe: dict[str, Data] = field(default_factory=dict)
    pending: list[tuple[str, Data | None]] = field(default_factory=list)

    @property
    def now(self) -> dict[str, Data]:
        """The names as the process sees them."""
        return self._with(self.pending)

    def after_power_loss(self) -> Iterator[dict[str, Data]]:
        """Every set of names that may be found after a power cut at this moment."""
        for count in range(len(self.pending) + 1):
            for kept in itertools.combinations(self.pending, count):
                yield self._with(kept)

    def _with(self, changes: object) -> dict[str, Data]:
        names = dict(self.safe)
        for name, data in changes:  # type: ignore[attr-defined]
            if data is None:
                names.pop(name, None)
            else:
                names[name] = data
        return names


def replay(trace: str, watched: Path) -> Iterator[Folder]:
    """Follow a trace; yields the watched directory after every call that concerns it.

    Args:
        trace: what `strace -f -y -e trace=CALLS` wrote.
        watched: the directory.
    """
    folder, place = Folder(), str(watched)
    for line in trace.splitlines():
        match = _CALL.match(line)
        if match is None or match[3].startswith("-") or place not in line:
            continue
        call, arguments = match[1], match[2]
        paths = [path for path in _QUOTED.findall(arguments) if path.startswith(f"{place}/")]
        names = [path.removeprefix(f"{place}/") for path in paths]
        opened = _DESCRIPTOR.match(arguments)
        if call == "openat" and names and "O_CREAT" in arguments:
            _create(folder, names[0], truncate="O_TRUNC" in arguments)
        elif call == "write" and opened and opened[1].startswith(f"{place}/"):
            folder.now[opened[1].removeprefix(f"{place}/")].written += int(match[3])
        elif call == "fsync" and opened and opened[1] == place:
            folder.safe, folder.pending = folder.now, []
        elif call == "fsync" and opened and opened[1].startswith(f"{place}/"):
            data = folder.now[opened[1].removeprefix(f"{place}/")]
            data.safe = data.written
        elif call.startswith("rename") and len(names) == 2:
            folder.pending += [(names[1], folder.now[names[0]]), (names[0], None)]
        elif call.startswith("link") and len(names) == 2:
            folder.pending.append((names[1], folder.now[names[0]]))
        elif call.startswith("unlink") and names:
            folder.pending.append((names[0], None))
        else:
            continue
        yield folder


def _create(folder: Folder, name: str, *, truncate: bool) -> None:
    data = folder.now.get(name)
    if data is None:
        folder.pending.append((name, Data()))
    elif truncate:
        data.written = data.safe = 0
