"""What is going on, from the outside: the ledger, and the daemon's own word where it has one."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nstd.entry import State
from nstd.spool import history, layout, lock, nowfile, reading

if TYPE_CHECKING:
    from nstd.folders import Folders
    from nstd.spool.history import Record
    from nstd.spool.nowfile import Now, Progress
    from nstd.spool.queries import Queries

HOUR = 3600.0
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Overview:
    """A daemon and its jobs at one moment.

    Attributes:
        moment: seconds since the epoch.
        runs: a daemon holds the state folder.
        now: its own word; None if it doesn't run or hasn't said anything yet.
        is_paused: no job is begun until somebody says so.
        counts: jobs by state, those that have ended too.
        oldest: when the job that waits longest came, in seconds since the epoch; None if none does.
        running: jobs that workers have, or had when the daemon died.
        waiting: the next few, in order.
        done: the last few that were published, the latest first.
        failed: the newest few whose files are in failed/.
        last_hour: jobs that came to an outcome within it, by outcome.
    """

    moment: float
    runs: bool
    now: Now | None
    is_paused: bool
    counts: dict[State, int]
    oldest: float | None
    running: list[Record]
    waiting: list[Record]
    done: list[Record]
    failed: list[Record]
    last_hour: dict[State, int]

    @property
    def number_waiting(self) -> int:
        """Jobs that have not been begun, or will be begun again."""
        return self.counts.get(State.QUEUED, 0) + self.counts.get(State.CLAIMED, 0)

    @property
    def number_done(self) -> int:
        """Jobs whose result was published."""
        return self.counts.get(State.PUBLISHED, 0) + self.counts.get(State.RETIRED, 0)

    @property
    def held(self) -> str:
        """Why no job is begun; empty if jobs are."""
        return self.now.held if self.now else ""

    def progress(self, record: Record) -> Progress | None:
        """How far a running job has come, if that is known."""
        return self.now.progress(record.job_id) if self.now else None


def take(folders: Folders) -> Overview:
    """Look at a daemon's ledger, lock and present.

    Raises:
        NstdError: as `reading.ask`.
    """
    runs, now = present(folders)
    return reading.ask(layout.ledger(folders), lambda queries: of(queries, now, runs=runs))


def present(folders: Folders) -> tuple[bool, Now | None]:
    """Whether a daemon runs, and its own word.

    Raises:
        CannotWriteError: the state folder can't be looked into.
    """
    runs = lock.is_held(folders.folder("state"))
    return runs, nowfile.read(layout.now_file(folders)) if runs else None


def of(queries: Queries, now: Now | None, *, runs: bool, shown: int = _SHOWN) -> Overview:
    """The overview as a ledger has it.

    Args:
        queries: of the ledger.
        now: the daemon's own word.
        runs: a daemon holds the state folder.
        shown: how many jobs to tell of that wait, are done and failed.
    """
    moment = time.time()
    return Overview(
        moment,
        runs,
        now,
        bool(queries.fact(layout.PAUSED)),
        queries.count(),
        history.oldest_waiting(queries),
        list(history.records(queries, states=[State.RUNNING])),
        history.of_ids(queries, queries.next_up_ids(shown, math.inf)),
        history.last_done(queries, shown),
        history.last_failed(queries, shown),
        history.ended_since(queries, moment - HOUR),
    )


def plain(seen: Overview) -> dict[str, Any]:
    """The overview as JSON knows values."""
    now = seen.now
    return {
        "moment": seen.moment,
        "daemon": {
            "runs": seen.runs,
            "pid": now.pid if now else None,
            "version": now.version if now else None,
            "started_at": now.started_at if now else None,
            "seen_at": now.written_at if now else None,
            "held": seen.held or None,
        },
        "paused": seen.is_paused,
        "counts": {str(state): seen.counts.get(state, 0) for state in State},
        "waiting": seen.number_waiting,
        "oldest_waiting_seconds": None if seen.oldest is None else seen.moment - seen.oldest,
        "running": [_running(seen, one) for one in seen.running],
        "next": [history.plain(one) for one in seen.waiting],
        "done": [history.plain(one) for one in seen.done],
        "failed": [history.plain(one) for one in seen.failed],
        "incomplete": now.incomplete if now else {},
        "devices": [dataclasses.asdict(one) for one in now.devices] if now else [],
        "last_hour": {
            "done": seen.last_hour.get(State.PUBLISHED, 0),
            "failed": seen.last_hour.get(State.FAILED, 0),
            "cancelled": seen.last_hour.get(State.CANCELLED, 0),
        },
    }


def _running(seen: Overview, record: Record) -> dict[str, Any]:
    progress = seen.progress(record)
    facts = dataclasses.asdict(progress) if progress else {}
    left = progress.seconds_left if progress else None
    return {**history.plain(record), **facts, "seconds_left": left}
