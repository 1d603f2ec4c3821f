"""Make a candidate ours: take its sidecar out of the inbox, copy its images, hash the copies.

The sidecar is the commit token: one rename decides whose job it is, and while it lies under
`inbox/.nstd/claimed/` no other scan can see it. Images stay where they are until the job is done.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from typing import TYPE_CHECKING

from nstd.domain import Job, WeightedFile
from nstd.entry import Entry, Input, State
from nstd.errors import CancelledError, UntouchableError
from nstd.spool import announce, beneath, crashpoint, files, layout, renaming

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config
    from nstd.domain import Candidate, Failure
    from nstd.spool.desk import Desk

_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
_NOT_OURS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV})


def new_id() -> str:
    """A job id: unique, and sorted by time."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


def is_id(text: str) -> bool:
    """Whether a text is such an id."""
    return bool(_ID.fullmatch(text))


def admit(desk: Desk, candidate: Candidate, failure: Failure | None = None) -> Entry:
    """Write a candidate's row; with a failure, as one that is refused.

    Raises:
        CannotWriteError: the ledger can't be written.
    """
    state = State.QUEUED
    if failure:
        state = State.CANCELLED if failure.code == CancelledError.code else State.FAILED
    entry = Entry(
        new_id(),
        candidate.path.parent,
        candidate.path.name,
        candidate.identity,
        tuple(
            Input(source, beneath.identity(source.root, source.relative))
            for source in candidate.sources
        ),
        candidate.sidecar.params if candidate.sidecar else None,
        (candidate.sidecar and candidate.sidecar.output) or candidate.path.stem,
        candidate.sidecar.priority if candidate.sidecar else 0,
        state,
        failure=failure,
    )
    desk.ledger.admit(entry, failure.code if failure else "")
    crashpoint.reached("admitted")
    return entry


def take(desk: Desk, entry: Entry) -> Entry | None:
    """Rename the sidecar out of the inbox.

    Returns:
        The entry; None if the sidecar is gone or another one lies in its place.

    Raises:
        UntouchableError: its folder refuses.
        CannotWriteError: there is no room for it under `inbox/.nstd`.
    """
    token = layout.token(desk.config, entry)
    with files.writing(token):
        token.parent.mkdir(parents=True, exist_ok=True)
    try:
        with beneath.folder(desk.inbox, entry.folder) as parent:
            renaming.no_replace(entry.sidecar, token, source_folder=parent)
    except (FileNotFoundError, NotADirectoryError):  # gone, or a link is in its folder's place
        forget(desk, entry)
        return None
    except OSError as error:
        clean_up(desk.config, entry)
        if error.errno not in _NOT_OURS:
            raise
        raise UntouchableError(
            "lies on another file system than the inbox"
            if error.errno == errno.EXDEV
            else "can't be moved out of its folder",
            file=entry.sidecar,
            remedy="let the service's user write to the folder that it lies in",
        ) from error
    crashpoint.reached("taken")
    if files.identity(token) != entry.identity:
        give_back(desk, entry)
        return None
    return entry


def copy(desk: Desk, entry: Entry) -> Entry:
    """Copy and hash the images; the job is claimed.

    Raises:
        InputChangedError: an image changed or vanished.
        MissingInputError: an image can't be read.
        CannotWriteError: no room or no right to copy.
    """
    work = layout.work(desk.config) / entry.job_id
    with files.writing(work):
        work.mkdir(parents=True, exist_ok=True)
    copied: dict[Path, Input] = {}
    for index, one in enumerate(entry.inputs):
        source = one.source
        if source.path not in copied:
            name = f"input-{index}{source.relative.suffix.lower()[:10]}"
            identity, digest = files.copy_private(source, work / name)
            copied[source.path] = Input(source, identity, digest, name)
            crashpoint.reached("copying")
    inputs = tuple(
        dataclasses.replace(copied[one.source.path], source=one.source) for one in entry.inputs
    )
    with files.writing(work):
        files.fsync(work)
    entry = desk.ledger.advance(
        entry,
        deliveries=announce.claimed(desk, dataclasses.replace(entry, inputs=inputs)),
        state=State.CLAIMED,
        inputs=inputs,
        fingerprint=_fingerprint(entry, inputs),
        hold="",
    )
    crashpoint.reached("claimed")
    return entry


def render_again(desk: Desk, entry: Entry) -> Entry:
    """Go back to the worker: its result is gone."""
    return desk.ledger.advance(
        entry, "the result was lost", state=State.CLAIMED, rendered=None, target=None
    )


def job(config: Config, entry: Entry) -> Job:
    """What the worker is asked to do for a claimed job."""
    assert entry.params is not None  # noqa: S101 - a claimed job was understood
    work = layout.work(config) / entry.job_id

    def file(one: Input) -> WeightedFile:
        return WeightedFile(work / one.copy, one.source.relative.name, one.source.weight)

    contents = [file(one) for one in entry.inputs if one.source.role == "content"]
    styles = tuple(file(one) for one in entry.inputs if one.source.role == "style")
    starts = [file(one) for one in entry.inputs if one.source.role == "init"]
    masks = tuple(file(one) for one in entry.inputs if one.source.role == "mask")
    # Each attempt has a folder of its own: a worker that outlives its daemon for a moment must
    # not write where its successor does.
    attempt = work / str(attempt_number(entry))
    return Job(
        entry.job_id,
        entry.name,
        attempt,
        contents[0] if contents else None,
        styles,
        entry.params,
        starts[0] if starts else None,
        masks,
        layout.checkpoint(config, entry.job_id),
        config.checkpoint_seconds,
    )


def attempt_number(entry: Entry) -> int:
    """Which try this is, from 1."""
    return entry.attempts + entry.crashes + 1


def give_back(desk: Desk, entry: Entry) -> None:
    """Undo a claim: the sidecar goes back to the inbox, our copies go, the row too."""
    token = layout.token(desk.config, entry)
    if os.path.lexists(token):  # a link that was swapped in goes back too
        put_back(desk.inbox, token, entry.place, entry.job_id)
        desk.want(entry)
    forget(desk, entry)


def forget(desk: Desk, entry: Entry) -> None:
    """End a job that never was one."""
    clean_up(desk.config, entry)
    desk.ledger.forget(entry)


def put_back(inbox: Path, path: Path, place: Path, tag: str) -> Path:
    """Return a file to its place in the inbox, beside whatever took its name meanwhile.

    Returns:
        Its place, relative to the inbox.
    """
    with files.writing(inbox / place), beneath.folder(inbox, place.parent, create=True) as folder:
        target = files.move(path, beneath.through(folder, place.name), tag)
    return place.with_name(target.name)


def clean_up(config: Config, entry: Entry) -> None:
    """Remove a job's private copies, and the empty folders that held its files on the way."""
    shutil.rmtree(layout.work(config) / entry.job_id, ignore_errors=True)
    for root in (layout.claimed(config), layout.asides(config)):
        remove_empty(root / entry.job_id)


def remove_empty(folder: Path) -> None:
    """Remove a folder and those below it, as far as they are empty."""
    for path in [*sorted(folder.rglob("*"), reverse=True), folder]:
        with contextlib.suppress(OSError):  # it is a file, or not empty, or gone already
            path.rmdir()


def _fingerprint(entry: Entry, inputs: tuple[Input, ...]) -> str:
    """Of everything that determines the result."""
    assert entry.params is not None  # noqa: S101 - a job that is copied was understood
    told = [
        entry.params.model_dump(mode="json"),
        [(one.source.role, one.source.weight, one.sha256) for one in inputs],
    ]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
