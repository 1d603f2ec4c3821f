"""How much is in the queue: read-only, and from whatever thread asks."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nstd.spool import layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Tally:
    """Jobs with something left to do.

    Attributes:
        states: how many, by state.
        is_paused: no job is begun until somebody says so.
        oldest: seconds since the epoch at which the first of those that wait for a worker came
            into the queue; None if none waits.
    """

    states: Mapping[str, int]
    is_paused: bool
    oldest: float | None

    @property
    def waiting(self) -> int:
        """Jobs that wait for a worker."""
        return self.states.get("queued", 0) + self.states.get("claimed", 0)


def tally(path: Path) -> Tally:
    """Count what a ledger holds; its writer goes on meanwhile.

    Args:
        path: the ledger's file.

    Raises:
        sqlite3.Error: it isn't there, or can't be read.
    """
    location = f"{path.absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(location, timeout=_PATIENCE, uri=True)) as ledger:
        ledger.execute("BEGIN")  # all answers from one moment
        states = dict(
            ledger.execute("SELECT state, count(*) FROM jobs WHERE NOT settled GROUP BY state")
        )
        paused = ledger.execute("SELECT value FROM facts WHERE key = ?", [layout.PAUSED])
        is_paused = any(value for (value,) in paused)
        # Ids are sorted by time. One that is tried again came into the queue more than once.
        (oldest,) = ledger.execute(
            "SELECT max(at) FROM transitions WHERE state = 'queued' AND job_id = "
            "(SELECT min(job_id) FROM jobs WHERE NOT settled AND state IN ('queued', 'claimed'))"
        ).fetchone()
    return Tally(states, is_paused, oldest)
