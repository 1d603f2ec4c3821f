"""Take a job on: look, decide, do, until it waits for something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nstd.spool import claim, publish, retire
from nstd.spool.decide import Do, Step, next_step
from nstd.spool.look import look

if TYPE_CHECKING:
    from collections.abc import Callable

    from nstd.entry import Entry
    from nstd.spool.desk import Desk

_RESTS = frozenset({Do.RUN, Do.WAIT, Do.NOTHING})
# The caller has something to say at these turns before the job goes on.
_TURNS = frozenset({Do.CONFIRM, Do.EXPLAIN, Do.RENDER_AGAIN, Do.SETTLE})


def advance(
    desk: Desk, entry: Entry, manifest: Callable[[Entry], dict[str, Any]]
) -> tuple[Entry | None, Do]:
    """Take a job as far as it goes without a worker or the passing of time.

    Args:
        desk: where it lies.
        entry: as the ledger has it.
        manifest: what to say about a job that is done.

    Returns:
        The entry, None if there is no such job any more; and what it waits for, or which turn
        it has just taken.

    Raises:
        NstdError: a step was refused; the same step is next when it is tried again.
    """
    while True:
        step = next_step(entry, look(desk, entry), desk.config.originals)
        if step.do in _RESTS:
            return entry, step.do
        after = perform(desk, entry, step, manifest)
        if after is None:
            return None, step.do
        if step.do is Do.TELL and _is_told(entry, after):
            # At once, without another look: whoever waits for the manifest may take it and the
            # result in this very moment, and what is gone would be made and published again.
            return publish.confirm(desk, after), Do.CONFIRM
        if step.do in _TURNS:
            return after, step.do
        entry = after


def _is_told(before: Entry, after: Entry) -> bool:
    """Whether the manifest has its name; if another's file had it, other names were chosen."""
    return after.target is not None and before.target in {None, after.target}


def perform(
    desk: Desk, entry: Entry, step: Step, manifest: Callable[[Entry], dict[str, Any]]
) -> Entry | None:
    """Do one step; None if that was the end of the job."""
    if step.do is Do.TELL:
        return publish.tell(desk, entry, manifest)
    if step.do in _OF_JOBS:
        return _OF_JOBS[step.do](desk, entry)
    return _OF_ORIGINALS[step.do](desk, entry, step.index)


_OF_JOBS: dict[Do, Callable[[Desk, Entry], Entry | None]] = {
    Do.TAKE: claim.take,
    Do.FORGET: claim.forget,
    Do.COPY: claim.copy,
    Do.RENDER_AGAIN: claim.render_again,
    Do.STAGE: publish.stage,
    Do.PLACE: publish.place,
    Do.CONFIRM: publish.confirm,
    Do.HOUSE: retire.house,
    Do.EXPLAIN: retire.explain,
    Do.FILE_TOKEN: retire.file_token,
    Do.SETTLE: retire.settle,
}
_OF_ORIGINALS: dict[Do, Callable[[Desk, Entry, int], Entry]] = {
    Do.SET_ASIDE: retire.set_aside,
    Do.GIVE_BACK: retire.give_back,
    Do.FILE: retire.file,
    Do.COPY_OUT: retire.copy_out,
    Do.DELETE: retire.delete,
    Do.LEAVE: retire.leave,
    Do.LOSE: retire.lose,
}
