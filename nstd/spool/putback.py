"""Try a failed job again: its files go back from failed/ to their places in the inbox.

There they are a new submission; the old job's row stays in the history. Images go first and the
sidecar last, so that no scan sees an incomplete set. A name that is taken is never written over.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nstd.entry import Fate, State
from nstd.errors import RequestRefusedError
from nstd.spool import beneath, crashpoint, files, retire
from nstd.spool.retention import remove_empty

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.entry import Entry
    from nstd.spool.desk import Desk

# The job whose files are on their way: tells a sidecar that we have put back from one that its
# owner has.
_FACT = "retrying"


@dataclass(frozen=True, slots=True)
class _Move:
    """A file's way: from below failed/ to below the inbox."""

    source: Path
    place: Path


def put_back(desk: Desk, entry: Entry) -> Entry:
    """Put a job's files back into the inbox.

    After a crash anywhere, doing it again does the rest.

    Returns:
        The old job's entry, which has no files any more.

    Raises:
        RequestRefusedError: there is nothing to put back, a name is taken, or a folder refuses;
            everything is where it was.
        InboxAbsentError: the inbox can't be reached.
    """
    images, sidecar = _moves(desk, entry)
    failed = desk.config.folder("failed")
    if beneath.identity(failed, sidecar.source) is None:
        if desk.ledger.fact(_FACT) != entry.job_id:
            raise _refusal(entry, f"{sidecar.source} isn't in failed/ any more")
    else:
        desk.require_inbox()
        for move in (*images, sidecar):
            _refuse_taken(desk, entry, move)
        desk.ledger.set_fact(_FACT, entry.job_id)
        crashpoint.reached("retrying")
        _bring_all(desk, entry, images, sidecar)
    crashpoint.reached("sidecar_put_back")
    _remove_reasons(desk, entry, sidecar.source.parent)
    for move in (*images, sidecar):
        desk.ledger.forget_filed(failed / move.source)
        remove_empty((failed / move.source).parent, failed)
    entry = desk.ledger.advance(entry, "tried again", home=None)
    desk.ledger.set_fact(_FACT, "")
    return entry


def _moves(desk: Desk, entry: Entry) -> tuple[list[_Move], _Move]:
    """The ways of the images that are in failed/, and of the sidecar."""
    if entry.state not in {State.FAILED, State.CANCELLED}:
        raise _refusal(entry, f"it is {entry.state}, not failed")
    if not entry.settled:
        raise RequestRefusedError(
            "its files are still on their way to failed/",
            file=entry.name,
            remedy="ask again when they are there",
        )
    if entry.home is None:
        raise _refusal(entry, "its files aren't in failed/ any more")
    try:
        home = entry.home.relative_to(desk.config.folder("failed"))
    except ValueError as error:
        raise _refusal(entry, f"its files are in {entry.home}, outside of failed/") from error
    places = {
        one.source.relative: None
        for one in entry.inputs
        if one.fate is Fate.FILED and not one.source.stays
    }
    images = [_Move(home / place.relative_to(entry.folder), place) for place in places]
    return images, _Move(home / entry.sidecar, entry.place)


def _refuse_taken(desk: Desk, entry: Entry, move: _Move) -> None:
    """Refuse to begin when a file's place has another file."""
    failed, inbox = desk.config.folder("failed"), desk.inbox
    try:
        with (
            beneath.folder(inbox, move.place.parent) as there,
            beneath.folder(failed, move.source.parent) as here,
        ):
            source = beneath.through(here, move.source.name)
            target = beneath.through(there, move.place.name)
            is_free = not os.path.lexists(target)
            # It may be there already: put back before a crash, or never taken.
            if is_free or files.identity(source) is None or files.are_same(source, target):
                return
    except FileNotFoundError:  # no folder, no file
        return
    except OSError as error:
        raise _refusal(entry, f"{move.place} can't be put back: {error.strerror}") from error
    raise _taken(entry, move)


def _bring_all(desk: Desk, entry: Entry, images: list[_Move], sidecar: _Move) -> None:
    """Move all files, or none."""
    moved: list[_Move] = []
    for move in (*images, sidecar):
        try:
            if _bring(desk, entry, move):
                moved.append(move)
        except OSError as error:
            for one in reversed(moved):
                _take_back(desk, entry, one)
            desk.ledger.set_fact(_FACT, "")
            desk.require_inbox()
            if isinstance(error, FileExistsError):
                raise _taken(entry, move) from error
            raise _refusal(entry, f"{move.place} can't be put back: {error.strerror}") from error
        if move is not sidecar:
            crashpoint.reached("image_put_back")


def _bring(desk: Desk, entry: Entry, move: _Move) -> bool:
    """Move a file; whether it was moved, and not there already, or nowhere."""
    with (
        beneath.folder(desk.config.folder("failed"), move.source.parent) as here,
        beneath.folder(desk.inbox, move.place.parent, create=True) as there,
    ):
        source = beneath.through(here, move.source.name)
        target = beneath.through(there, move.place.name)
        if files.identity(source) is None:
            return False
        if os.path.lexists(target) and files.are_same(source, target):
            source.unlink()
            return False
        files.move_exactly(source, target, entry.job_id)
        return True


def _take_back(desk: Desk, entry: Entry, move: _Move) -> None:
    with (
        contextlib.suppress(OSError),  # then it is in the inbox, whole
        beneath.folder(desk.config.folder("failed"), move.source.parent) as here,
        beneath.folder(desk.inbox, move.place.parent) as there,
    ):
        files.move_exactly(
            beneath.through(there, move.place.name),
            beneath.through(here, move.source.name),
            entry.job_id,
        )


def _remove_reasons(desk: Desk, entry: Entry, home: Path) -> None:
    """The reason is no longer true."""
    failed = desk.config.folder("failed")
    facts, text = retire.reasons(entry)
    if not retire.tells_of(failed / home / facts, entry.job_id):
        return
    with files.writing(failed / home), beneath.folder(failed, home) as folder:
        for name in (text, facts):
            beneath.through(folder, name).unlink(missing_ok=True)
    for name in (text, facts):
        desk.ledger.forget_filed(failed / home / name)
    crashpoint.reached("unexplained")


def _taken(entry: Entry, move: _Move) -> RequestRefusedError:
    return _refusal(entry, f"{move.place} is in the inbox already, and is another file")


def _refusal(entry: Entry, what: str) -> RequestRefusedError:
    return RequestRefusedError(
        what, file=entry.name, remedy="see to that and ask again, or move its files by hand"
    )
