"""Look at a daemon from time to time, once for everybody who wants to know."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import anyio
import anyio.to_thread

from nstd import overview
from nstd.spool import layout, reading
from nstd.web import pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nstd.config import Config
    from nstd.entry import Entry
    from nstd.overview import Overview
    from nstd.spool.queries import Queries

Answer = TypeVar("Answer")

SHOWN: Final = 12
PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """A daemon and its jobs at one moment, with what the page tells beyond `nstd status`.

    Attributes:
        overview: as `nstd status` has it.
        entries: of the jobs that run and the last few that were published: all that the ledger
            knows of them, by their ids.
        snapshots: for running jobs, what tells their newest picture from an earlier one.
    """

    overview: Overview
    entries: Mapping[str, Entry]
    snapshots: Mapping[str, str]


def look(config: Config) -> Seen:
    """Look once.

    Raises:
        NstdError: as `reading.ask`.
    """
    runs, now = overview.present(config)

    def question(queries: Queries) -> tuple[Overview, dict[str, Entry]]:
        found = overview.of(queries, now, runs=runs, shown=SHOWN)
        known = (queries.entry(record.job_id) for record in (*found.running, *found.done))
        return found, {entry.job_id: entry for entry in known if entry is not None}

    seen, entries = reading.ask(layout.ledger(config), question)
    snapshots = {}
    for record in seen.running:
        newest = pictures.snapshot(config, record.job_id)
        if newest is not None and newest.identity is not None:
            snapshots[record.job_id] = f"{newest.identity.mtime_ns:x}"
    return Seen(seen, entries, snapshots)


class Lookout(Generic[Answer]):
    """Shares one look among all who ask within a moment.

    Args:
        look: takes the time that it takes, in a thread; must not raise.
    """

    def __init__(self, look: Callable[[], Answer]) -> None:
        self._look = look
        self._lock = asyncio.Lock()
        # One thread of its own: pictures that take long, or a dead share, don't delay it.
        self._limiter = anyio.CapacityLimiter(1)
        self._answer: Answer | None = None
        self._next = 0.0

    async def answer(self) -> Answer:
        """The latest answer; a new one if that is old."""
        async with self._lock:
            if self._answer is None or time.monotonic() >= self._next:
                self._answer = await anyio.to_thread.run_sync(self._look, limiter=self._limiter)
                self._next = time.monotonic() + PAUSE_SECONDS
            return self._answer
