"""How much is in the queue: read-only, and from whatever thread asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nstd.spool import history, layout, reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nstd.spool.queries import Queries


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
        NstdError: as `reading.ask`.
    """
    return reading.ask(path, _tally)


def _tally(queries: Queries) -> Tally:
    counted = queries.select(
        "SELECT state, count(*) AS jobs FROM jobs WHERE NOT settled GROUP BY state"
    )
    return Tally(
        {row["state"]: row["jobs"] for row in counted},
        bool(queries.fact(layout.PAUSED)),
        history.oldest_waiting(queries),
    )
