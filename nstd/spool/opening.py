"""Start: open the ledger, or set a damaged one aside, and account for all that lies about.

What an earlier daemon left half done needs next to no code here: the next steps of its jobs are
decided as ever. What no row knows goes back where it came from.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING

import structlog

from nstd import telemetry
from nstd.entry import State
from nstd.errors import LedgerDamagedError, UntouchableError
from nstd.spool import claim, layout
from nstd.spool.decide import Do, after_crash, next_step
from nstd.spool.ledger import Ledger
from nstd.spool.look import look

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from nstd.config import Config
    from nstd.entry import Entry
    from nstd.spool.decide import Patience
    from nstd.spool.desk import Desk

_log = structlog.get_logger()


def open_ledger(config: Config) -> Ledger:
    """The ledger; one that is damaged is set aside, and a new one begun.

    Raises:
        LedgerNewerError: a later version of nstd has written it.
        CannotWriteError: the state folder refuses.
    """
    path = layout.ledger(config)
    try:
        return Ledger(path)
    except LedgerDamagedError as error:
        aside = path.with_name(f"ledger.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
        for end in ("", "-wal", "-shm"):
            part = path.with_name(path.name + end)
            if part.exists():
                part.rename(aside.with_name(f"{aside.name}.sqlite{end}"))
        _log.error(
            telemetry.LEDGER_DAMAGED,
            reason=error.what,
            set_aside=f"{aside}.sqlite",
            consequence="claimed jobs go back to the inbox and are done again; history is lost",
        )
        _sweep(config)
        return Ledger(path)


def recover(desk: Desk, patience: Patience, besides: Collection[Entry] = ()) -> None:
    """Account for what an earlier daemon left; the inbox is there.

    Args:
        desk: of this daemon.
        patience: how often a job may see its daemon die.
        besides: the jobs that this daemon itself is running.
    """
    ours = {entry.job_id for entry in besides}
    for entry in desk.ledger.unsettled(State.RUNNING):
        if entry.job_id in ours:
            continue
        changes = after_crash(entry, patience)
        desk.ledger.advance(entry, "the daemon had died", **changes)
        _log.warning(
            telemetry.JOB_RECOVERED,
            job_id=entry.job_id,
            name=entry.name,
            crashes=changes["crashes"],
            state=str(changes["state"]),
        )
    # Before the first scan, which would take such a sidecar for a new one that wants the images.
    for entry in desk.ledger.unsettled(State.QUEUED, State.FAILED, State.CANCELLED):
        if next_step(entry, look(desk, entry)).do is Do.TAKE:
            with contextlib.suppress(UntouchableError):
                claim.take(desk, entry)
    for root in (layout.claimed(desk.config), layout.asides(desk.config)):
        _put_back_unknown(desk, root)
    layout.order(desk.config).unlink(missing_ok=True)
    for work in layout.work(desk.config).iterdir():
        if not _is_known(desk, work.name):
            shutil.rmtree(work, ignore_errors=True)


def _put_back_unknown(desk: Desk, root: Path) -> None:
    """Return what no row knows to the inbox."""
    for folder in root.iterdir():
        if _is_known(desk, folder.name):
            continue
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                place = claim.put_back(desk.inbox, path, path.relative_to(folder), folder.name)
                _log.warning(telemetry.INBOX_RETURNED, file=str(place))
        claim.remove_empty(folder)


def _is_known(desk: Desk, job_id: str) -> bool:
    entry = desk.ledger.entry(job_id)
    return entry is not None and not entry.settled


def _sweep(config: Config) -> None:
    """Remove our temporary files, which no ledger knows any more, from the users' folders."""
    for name in ("outbox", "done", "failed"):
        for path in config.folder(name).rglob(f".*{layout.TEMPORARY}"):
            if claim.is_id(path.name[1:].split(".")[0]):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
