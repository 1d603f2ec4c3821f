"""Follow a submission from the inbox to its outcome, through the ledger and the daemon's word."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nstd.entry import State
from nstd.errors import JobFailedError
from nstd.spool import history, layout, lock, nowfile, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nstd.config import Config
    from nstd.progress import IterationBar
    from nstd.spool.history import Record
    from nstd.spool.nowfile import Progress

_PAUSE = 0.25
_STAGES = {
    State.QUEUED: "waiting for its turn",
    State.CLAIMED: "waiting for its turn",
    State.RUNNING: "reading the pictures",
    State.RENDERED: "publishing",
}


def follow(config: Config, name: str, since: float, bar: IterationBar) -> Path:
    """Wait for a job's result.

    Args:
        config: of the daemon that is to do it.
        name: the job's.
        since: seconds since the epoch, before which no such job counts.
        bar: shows how far it has come.

    Returns:
        Where the result is.

    Raises:
        JobFailedError: the job failed, or was cancelled.
        NstdError: as `reading.ask`.
    """
    for record, runs in _records(config, name, since):
        if record is not None and record.result is not None:
            return record.result
        if record is not None and record.state in {State.FAILED, State.CANCELLED}:
            raise JobFailedError(record.reason.rstrip("."))
        progress = _progress(config, record) if runs else None
        if not runs:
            bar.say("waiting: nstd is not running")
        elif record is None:
            bar.say("in the inbox, settling")
        elif progress is None or record.state is not State.RUNNING:
            bar.say(record.reason or _STAGES[record.state])
        else:
            bar.show(
                iteration=progress.done - 1,
                planned=progress.planned,
                loss=progress.loss or 0.0,
                seconds=progress.seconds,
            )
        time.sleep(_PAUSE)
    raise AssertionError  # it has no end of its own


def _records(config: Config, name: str, since: float) -> Iterator[tuple[Record | None, bool]]:
    """The job's record, None before it is one; and whether a daemon runs."""
    path = layout.ledger(config)
    while True:
        runs = lock.is_held(config.folder("state"))
        # It may have been dropped before the first daemon.
        found = (
            reading.ask(path, lambda queries: history.first_since(queries, name, since))
            if path.exists()
            else None
        )
        yield found, runs


def _progress(config: Config, record: Record | None) -> Progress | None:
    now = nowfile.read(layout.now_file(config))
    return now.progress(record.job_id) if now and record else None
