"""Which file a picture of a job's is; nobody outside ever names one.

A picture is asked for by its job's id and its role. What file that means is the ledger's to say,
and the file is opened below a folder of the configuration's without following a link. It must be
the version that the ledger knows: another file that has taken its name since isn't the job's.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from nstd.domain import SNAPSHOT_FOLDER, Checkpoint
from nstd.entry import Role, State
from nstd.spool import beneath, layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nstd.config import Config
    from nstd.domain import FileIdentity
    from nstd.entry import Entry, Input

RESULT: Final = "result"
SNAPSHOT: Final = "snapshot"
_STYLE: Final = re.compile(r"style-([1-9]\d{0,3})", re.ASCII)
_PUBLISHED: Final = (State.PUBLISHED, State.RETIRED)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a picture may lie.

    Attributes:
        root: a folder of the configuration's, which is trusted.
        relative: its place below that, which isn't.
        identity: of the version that is meant; None if whatever lies there is.
    """

    root: Path
    relative: Path
    identity: FileIdentity | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A picture that is there.

    Attributes:
        file: open for reading.
        identity: of what was opened.
        is_checkpoint: it is a checkpoint, which holds a picture, and not an image file.
    """

    file: BinaryIO
    identity: FileIdentity
    is_checkpoint: bool = False


def style_role(number: int) -> str:
    """A style's role on the page, counted from 1."""
    return f"style-{number}"


def is_role(text: str) -> bool:
    """Whether a picture may be asked for by this."""
    return text in {"content", "start", RESULT, SNAPSHOT} or _STYLE.fullmatch(text) is not None


def find(
    config: Config, entry: Entry, role: str, filed: Sequence[tuple[Path, FileIdentity]]
) -> Found | None:
    """Open a job's picture; None if it isn't there, or isn't the job's any more.

    Args:
        config: whose folders are looked into.
        entry: the job.
        role: see `is_role`.
        filed: what was put into done/ and failed/ of it.
    """
    if role == SNAPSHOT:
        newest = snapshot(config, entry.job_id) if entry.state is State.RUNNING else None
        found = _open(newest) if newest else None
        if found and newest and newest.relative == _checkpoint(config, entry.job_id):
            return Found(found.file, found.identity, is_checkpoint=True)
        return found
    places = _of_result(config, entry) if role == RESULT else _of_input(config, entry, role, filed)
    return next(filter(None, map(_open, places)), None)


def snapshot(config: Config, job_id: str) -> Place | None:
    """The newest picture that a running job has left; None if it has left none.

    The worker leaves snapshots if the job asks for them, and else checkpoints, which hold the
    iterate too.
    """
    work = layout.work(config)
    places = [_checkpoint(config, job_id)]
    # Only numbered folders are attempts'; whoever can write here is the daemon's own group.
    with contextlib.suppress(OSError):
        for attempt in (work / job_id).iterdir():
            if attempt.name.isdecimal():
                places += _latest(work, attempt / SNAPSHOT_FOLDER)
    known = [(beneath.identity(work, place), place) for place in places]
    newest = max(
        ((found.mtime_ns, str(place), found) for found, place in known if found), default=None
    )
    return Place(work, Path(newest[1]), newest[2]) if newest else None


def _checkpoint(config: Config, job_id: str) -> Path:
    """A job's checkpoint, relative to the work folder."""
    file = Checkpoint(layout.checkpoint(config, job_id)).path
    return file.relative_to(layout.work(config))


def _latest(work: Path, folder: Path) -> list[Path]:
    """The snapshot with the highest number below the work folder, if there is one."""
    try:
        names = [one.name for one in folder.iterdir() if one.suffix == ".jpg"]
    except OSError:
        return []
    return [(folder / max(names)).relative_to(work)] if names else []


def _of_result(config: Config, entry: Entry) -> Iterator[Place]:
    target = entry.target
    if target is None or entry.state not in _PUBLISHED:
        return
    # A duplicate's result is another job's, whose identity isn't known here.
    yield from _below(config.folder("outbox"), target.final, target.identity)


def _of_input(
    config: Config, entry: Entry, role: str, filed: Sequence[tuple[Path, FileIdentity]]
) -> Iterator[Place]:
    one = _input(entry, role)
    if one is None or one.identity is None:
        return
    if one.copy:
        # Ours, and of the version that was claimed: it is there for as long as the job is open.
        yield Place(layout.work(config) / entry.job_id, Path(one.copy))
    for path, identity in sorted(filed, key=lambda row: row[0].name != one.source.relative.name):
        if _are_same(identity, one.identity):
            for root in (config.folder("done"), config.folder("failed")):
                yield from _below(root, path, identity)
    if one.source.root in {config.folder("inbox"), *config.styles}:
        yield Place(one.source.root, one.source.relative, one.identity)


def _input(entry: Entry, role: str) -> Input | None:
    """The job's image with this role."""
    style = _STYLE.fullmatch(role)
    kind: Role = "style" if style else "init" if role == "start" else "content"
    number = int(style[1]) if style else 1
    known = [one for one in entry.inputs if one.source.role == kind]
    return known[number - 1] if number <= len(known) else None


def _below(root: Path, path: Path, identity: FileIdentity | None) -> Iterator[Place]:
    if path.is_relative_to(root):
        yield Place(root, path.relative_to(root), identity)


def _open(place: Place) -> Found | None:
    try:
        descriptor = beneath.open_file(place.root, place.relative)
    except (OSError, ValueError):  # gone, a link, no file; or a name that can't be one
        return None
    identity = beneath.identity_of(os.fstat(descriptor))
    if place.identity is not None and not _are_same(identity, place.identity):
        os.close(descriptor)
        return None
    return Found(os.fdopen(descriptor, "rb"), identity)


def _are_same(one: FileIdentity, other: FileIdentity) -> bool:
    """Whether two files are the same version: one that was copied has another inode."""
    return (one.size, one.mtime_ns) == (other.size, other.mtime_ns)
