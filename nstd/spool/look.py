"""What the folders show of a job, as far as its state makes it matter."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from nstd.entry import Fate, State
from nstd.spool import beneath, files, hot, layout
from nstd.spool.decide import Original, Seen, Where

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.entry import Entry, Input, Target
    from nstd.spool.desk import Desk

_MANIFEST_BYTES = 2**22


def look(desk: Desk, entry: Entry) -> Seen:
    """Look at a job's files.

    Raises:
        InboxAbsentError: what is missing may only seem so.
        OSError: a folder can't be read.
    """
    match entry.state:
        case State.QUEUED:
            seen = Seen(offered=_is_offered(desk, entry), token=_has_token(desk, entry))
        case State.CLAIMED:
            seen = Seen(token=_has_token(desk, entry), copies=_has_copies(desk, entry))
        case State.RUNNING:
            return Seen()
        case State.RENDERED:
            return _look_at_result(entry)
        case _:
            seen = Seen(
                offered=_is_offered(desk, entry),
                token=_has_token(desk, entry),
                may_file=desk.may_file(entry),
                originals=tuple(_original(desk, entry, one) for one in entry.inputs),
            )
    desk.require_inbox()
    return seen


def is_placed(target: Target, sha256: str) -> bool:
    """Whether the result has its final name.

    A rename keeps the file's identity; where a remounted share numbers its files afresh, what is
    in it decides. Then the temporary name must be free: equal jobs have equal results, and
    another's is not ours.
    """
    found = files.identity(target.final)
    if found is None or found == target.identity:
        return found is not None
    return files.identity(target.staged) is None and files.sha256(target.final) == sha256


def is_manifest_of(path: Path, job_id: str) -> bool:
    """Whether a file is a manifest, and this job's."""
    try:
        data = files.read_bounded(path.parent, path.relative_to(path.parent), _MANIFEST_BYTES)
        return data is not None and json.loads(data).get("job_id") == job_id
    except (OSError, ValueError, AttributeError):
        return False


def _is_offered(desk: Desk, entry: Entry) -> bool:
    return beneath.identity(desk.inbox, entry.place) == entry.identity


def _has_token(desk: Desk, entry: Entry) -> bool:
    return files.identity(layout.token(desk.config, entry)) is not None


def _has_copies(desk: Desk, entry: Entry) -> bool:
    work = layout.work(desk.config) / entry.job_id
    return all(files.identity(work / one.copy) is not None for one in entry.inputs)


def _look_at_result(entry: Entry) -> Seen:
    assert entry.rendered is not None  # noqa: S101 - what the state means
    target = entry.target
    result = files.identity(entry.rendered.path) is not None
    if target is None:
        return Seen(result=result)
    placed = is_placed(target, entry.rendered.sha256)
    return Seen(
        result=result,
        staged=not placed and files.identity(target.staged) == target.identity,
        placed=placed,
        manifest=is_manifest_of(target.manifest, entry.job_id),
    )


def _original(desk: Desk, entry: Entry, one: Input) -> Original:
    if one.fate is not Fate.PENDING:
        return Original(Where.GONE)
    source = one.source
    aside = layout.aside(desk.config, entry, source.relative)
    if os.path.lexists(aside) and not source.stays:  # a link that was swapped in, perhaps
        ours = one.identity is not None and files.identity(aside) == one.identity
        return Original(Where.ASIDE if ours else Where.OTHER_ASIDE)
    if one.identity is None or beneath.identity(source.root, source.relative) != one.identity:
        return Original(Where.GONE)
    return Original(
        Where.THERE,
        desk.is_wanted_by_job(entry, one),
        desk.is_wanted_by_sidecar(source),
        desk.may_be_wanted(entry, source),
        # As a question to the folder, since no scan may have been made yet.
        desk.config.originals == "keep" and hot.is_hot(source.root, source.relative.parent),
    )
