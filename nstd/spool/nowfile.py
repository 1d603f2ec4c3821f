"""`state/now.json`: what only the daemon's memory knows, for the commands that tell of it.

How far the running jobs have come and how the devices are is nowhere else; what the ledger knows is
not repeated here. It is a snapshot that may be a moment old, and means nothing once its daemon is
gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from nstd.spool import files, layout

if TYPE_CHECKING:
    from pathlib import Path

_PAUSE = 1.0
_LIMIT = 2**22


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job has come.

    Attributes:
        device: that it runs on.
        done: iterations.
        planned: iterations in all.
        seconds: of the latest iteration.
        loss: the latest total, if there is one.
    """

    name: str
    device: str
    done: int
    planned: int
    seconds: float
    job_id: str = ""
    loss: float | None = None

    @property
    def seconds_left(self) -> float:
        """What the rest takes if every iteration takes as long as the latest."""
        return (self.planned - self.done) * self.seconds


@dataclass(frozen=True, slots=True)
class Device:
    """A device and its worker.

    Attributes:
        name: as the configuration has it.
        what: as the engine calls it; empty before there was one.
        condition: `resting` after deaths that came before the worker was ready.
        deaths: of workers since one was last ready.
        jobs: that the present worker has finished.
    """

    name: str
    what: str
    condition: Literal["starting", "idle", "working", "resting"]
    deaths: int
    jobs: int


@dataclass(frozen=True, slots=True)
class Now:
    """The daemon at one moment.

    Attributes:
        started_at: seconds since the epoch.
        held: why no job is begun; empty if jobs are.
        incomplete: sidecars that wait in the inbox, and for what.
        written_at: seconds since the epoch.
    """

    pid: int
    version: str
    started_at: float
    held: str = ""
    running: tuple[Progress, ...] = ()
    devices: tuple[Device, ...] = ()
    incomplete: dict[str, str] = field(default_factory=dict)
    written_at: float = field(default=0.0, compare=False)

    def progress(self, job_id: str) -> Progress | None:
        """How far a running job has come, if that is known."""
        return next((one for one in self.running if one.job_id == job_id), None)


class NowFile:
    """Keeps the file up to date, by rename and not too often.

    Args:
        path: see `layout.now_file`.

    Attributes:
        wakes_at: monotonic seconds at which something new may be written; infinite if nothing is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = 0.0
        self._told: Now | None = None
        self.wakes_at = math.inf

    def update(self, now: Now) -> None:
        """Write the file if it is time and there is something new."""
        if now == self._told:
            self.wakes_at = math.inf
            return
        moment = time.monotonic()
        if moment < self._next:
            self.wakes_at = self._next
            return
        self._next, self._told, self.wakes_at = moment + _PAUSE, now, math.inf
        plain = dataclasses.asdict(dataclasses.replace(now, written_at=time.time()))
        written = self._path.with_name(f".{self._path.name}{layout.TEMPORARY}")
        # Not synced: after a power cut it is void anyway. A disk that refuses stops nothing here;
        # the ledger has more to say about that.
        with contextlib.suppress(OSError):
            written.write_text(json.dumps(plain), encoding="ascii")
            written.replace(self._path)

    def close(self) -> None:
        """Remove the file: there is no present any more."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


def read(path: Path) -> Now | None:
    """The file; None if there is none, or none that can be understood.

    Whether its daemon is still there is for `lock.is_held` to say.
    """
    try:
        data = files.read_bounded(path.parent, path.relative_to(path.parent), _LIMIT)
        return None if data is None else _now(json.loads(data))
    except (OSError, ValueError, TypeError, LookupError):
        return None


def _now(plain: dict[str, Any]) -> Now:
    """What a daemon has written. Its words are taken as they are; another version has others."""
    running = tuple(Progress(**one) for one in plain["running"])
    devices = tuple(Device(**one) for one in plain["devices"])
    return Now(**{**plain, "running": running, "devices": devices})
