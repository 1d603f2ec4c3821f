"""What to do next for a job: pure functions of its entry and of what the folders show.

Every step is safe to repeat. After a `kill -9` anywhere, looking again and deciding again leads
to the same end, so recovery needs no code of its own. Limits and times come in as values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from nstd.domain import Failure
from nstd.entry import Entry, Fate, State
from nstd.errors import DeviceMemoryError, Disposition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nstd.entry import Input

Originals = Literal["archive", "keep", "delete"]


class Do(StrEnum):
    """One step. `index` of a `Step` says for which input, where that matters."""

    TAKE = "take"  # rename the sidecar out of the inbox: from here on the job is ours
    FORGET = "forget"  # its owner withdrew the sidecar before it was run: there is no job
    COPY = "copy"  # copy and hash the images
    RUN = "run"  # nothing, until a worker is free
    RENDER_AGAIN = "render_again"  # the worker's result is gone
    STAGE = "stage"  # complete result, temporary name, the outbox's file system
    PLACE = "place"  # its final name, unless that is taken
    TELL = "tell"  # the manifest
    CONFIRM = "confirm"  # both are there: published
    HOUSE = "house"  # choose where the originals go
    EXPLAIN = "explain"  # likewise, and write the reason there
    SET_ASIDE = "set_aside"  # take an original out of the inbox to look at it undisturbed
    GIVE_BACK = "give_back"  # it isn't the version that the job used: a new input
    FILE = "file"  # into done/ or failed/
    COPY_OUT = "copy_out"  # likewise, and others keep the original
    DELETE = "delete"  # as `originals: delete` asks
    LEAVE = "leave"  # it stays where it is
    LOSE = "lose"  # it isn't there any more
    FILE_TOKEN = "file_token"  # noqa: S105 - the sidecar follows, last of all
    SETTLE = "settle"  # clean up; nothing is left
    WAIT = "wait"  # for others, or for time
    NOTHING = "nothing"  # it has ended


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, and for which input."""

    do: Do
    index: int = -1


class Where(StrEnum):
    """Where an original is."""

    THERE = "there"  # in its place, the version that the job used
    ASIDE = "aside"  # taken out of the inbox, that version
    OTHER_ASIDE = "other_aside"  # taken out of the inbox, another version
    GONE = "gone"  # not in its place, or another version is


@dataclass(frozen=True, slots=True)
class Original:
    """What the folders show of one input.

    Attributes:
        wanted_by_job: another job that is not settled uses it.
        wanted_by_sidecar: a sidecar in the inbox asks for it.
        may_be_wanted: a sidecar in the inbox hasn't been read yet, and may ask for it.
        must_go: it lies in a hot folder, where it would be a job again if it was kept.
    """

    where: Where
    wanted_by_job: bool = False
    wanted_by_sidecar: bool = False
    may_be_wanted: bool = False
    must_go: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the folders show of a job; what its state makes irrelevant is not looked at.

    Attributes:
        offered: the sidecar lies in the inbox, unchanged since it was read.
        token: the sidecar lies where claimed ones do.
        copies: every private copy is there.
        result: the worker's result is there.
        staged: the result is complete under its temporary name.
        placed: it has its final name.
        manifest: the manifest has its own, and is this job's.
        may_file: a scan has looked for other sidecars that ask for the same images, after the
            time in which one might turn up.
    """

    offered: bool = False
    token: bool = False
    copies: bool = False
    result: bool = False
    staged: bool = False
    placed: bool = False
    manifest: bool = False
    may_file: bool = True
    originals: tuple[Original, ...] = ()


def next_step(entry: Entry, seen: Seen, originals: Originals = "archive") -> Step:
    """The step that takes a job on."""
    if entry.settled:
        return Step(Do.NOTHING)
    match entry.state:
        case State.QUEUED:
            if seen.token:
                return Step(Do.COPY)
            return Step(Do.TAKE if seen.offered else Do.FORGET)
        case State.CLAIMED:
            if not seen.token:
                return Step(Do.FORGET)
            return Step(Do.RUN if seen.copies else Do.COPY)
        case State.RUNNING:
            return Step(Do.WAIT)
        case State.RENDERED:
            return _publishing(entry, seen)
        case State.PUBLISHED:
            return _retiring(entry, seen, originals)
        case _:
            return _quarantining(entry, seen)


def _publishing(entry: Entry, seen: Seen) -> Step:
    has_result = not entry.duplicate_of
    if has_result and not seen.placed:
        if seen.staged:
            return Step(Do.PLACE)
        return Step(Do.STAGE if seen.result else Do.RENDER_AGAIN)
    return Step(Do.CONFIRM if seen.manifest else Do.TELL)


def _retiring(entry: Entry, seen: Seen, policy: Originals) -> Step:
    for index, (one, original) in enumerate(zip(entry.inputs, seen.originals, strict=True)):
        if one.fate is not Fate.PENDING:
            continue
        match original.where:
            case Where.OTHER_ASIDE:
                return Step(Do.GIVE_BACK, index)
            case Where.ASIDE:
                return _housed(entry, Step(Do.DELETE if policy == "delete" else Do.FILE, index))
            case Where.GONE:
                return Step(Do.LOSE, index)
        is_kept = policy == "keep" and not original.must_go
        if is_kept or one.source.stays or original.wanted_by_job:
            return Step(Do.LEAVE, index)
        if original.wanted_by_sidecar or original.may_be_wanted or not seen.may_file:
            return Step(Do.WAIT)
        return Step(Do.SET_ASIDE, index)
    if seen.token:
        return _housed(entry, Step(Do.DELETE if policy == "delete" else Do.FILE_TOKEN))
    return Step(Do.SETTLE)


def _quarantining(entry: Entry, seen: Seen) -> Step:
    if not seen.token and seen.offered:
        return Step(Do.TAKE)  # it was refused before it was claimed
    if entry.home is None:
        if not seen.token and not any(o.where is not Where.GONE for o in seen.originals):
            return Step(Do.SETTLE)  # its owner took everything back: nothing to explain it beside
        return Step(Do.EXPLAIN)
    for index, (one, original) in enumerate(zip(entry.inputs, seen.originals, strict=True)):
        if one.fate is Fate.PENDING:
            return _quarantining_image(one, original, seen, index)
    return Step(Do.FILE_TOKEN if seen.token else Do.SETTLE)


def _quarantining_image(one: Input, original: Original, seen: Seen, index: int) -> Step:
    match original.where:
        case Where.OTHER_ASIDE:
            return Step(Do.GIVE_BACK, index)
        case Where.ASIDE:
            return Step(Do.FILE, index)
        case Where.GONE:
            return Step(Do.LOSE, index)
    if one.source.stays:
        return Step(Do.LEAVE, index)
    if original.wanted_by_job or original.wanted_by_sidecar:
        return Step(Do.COPY_OUT, index)
    if original.may_be_wanted or not seen.may_file:
        return Step(Do.WAIT)
    return Step(Do.SET_ASIDE, index)


def _housed(entry: Entry, step: Step) -> Step:
    """The step, once it is decided where the originals go."""
    return step if entry.home is not None or step.do is Do.DELETE else Step(Do.HOUSE)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a job is tried.

    Attributes:
        attempts: failures of a worker before the job is given up.
        crashes: deaths of the daemon under it before the job is given up.
        backoff: seconds before the second attempt; doubled for each further one.
        longest: seconds that no wait exceeds.
        pause: seconds before a resource is asked for again.
        shrinks: whether a job that exceeds the device's memory is tried again smaller.
    """

    attempts: int
    crashes: int
    backoff: float
    longest: float
    pause: float
    shrinks: bool = False


def after_crash(entry: Entry, patience: Patience) -> Mapping[str, Any]:
    """Changes to a job that was running when the daemon died."""
    crashes = entry.crashes + 1
    if crashes < patience.crashes:
        return {"state": State.CLAIMED, "crashes": crashes}
    failure = Failure(
        "poison",
        Disposition.QUARANTINE,
        f"The daemon died {crashes} times (limits.crashes) while a worker had this job. "
        "Try a smaller size; if it happens again, report it, with this job's files.",
    )
    return {"state": State.FAILED, "crashes": crashes, "failure": failure}


def after_failure(
    entry: Entry, failure: Failure, patience: Patience, now: float
) -> Mapping[str, Any]:
    """Changes to a job whose attempt has failed.

    Args:
        entry: running.
        failure: says by its disposition whose fault it is.
        patience: how often to try.
        now: seconds since the epoch.
    """
    if failure.code == DeviceMemoryError.code and patience.shrinks:
        return _shrunk(entry, failure)
    match failure.disposition:
        case Disposition.HOLD:  # the job is not to blame
            return {
                "state": State.CLAIMED,
                "hold": failure.message,
                "not_before": now + patience.pause,
            }
        case Disposition.RETRY if entry.attempts + 1 < patience.attempts:
            wait = min(patience.backoff * 2**entry.attempts, patience.longest)
            return {
                "state": State.CLAIMED,
                "attempts": entry.attempts + 1,
                "not_before": now + wait,
                "hold": "",
            }
        case _:
            return {
                "state": State.FAILED,
                "attempts": entry.attempts + 1,
                "failure": failure,
                "hold": "",
            }


# Memory goes with the area: half of it at each try.
_SHRINKING = math.sqrt(0.5)
_SMALLEST_SIDE = 128


def _shrunk(entry: Entry, failure: Failure) -> Mapping[str, Any]:
    """Changes to a job that is tried again at a smaller size, down to a point."""
    assert entry.params is not None  # noqa: S101 - it was running
    side = round(int(failure.details["long_side"]) * _SHRINKING)
    changes = {"attempts": entry.attempts + 1, "hold": "", "not_before": 0.0}
    if side < _SMALLEST_SIDE:
        return {**changes, "state": State.FAILED, "failure": failure}
    smaller = entry.params.model_copy(update={"size": side})
    return {**changes, "state": State.CLAIMED, "params": smaller}
