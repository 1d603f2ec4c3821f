"""The decisions, as tables: state and what is seen -> the next step."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from jobs import FAILURE, an_entry

from nstd.domain import Failure, FileIdentity
from nstd.entry import Entry, Fate, Input, Source, State
from nstd.errors import Disposition
from nstd.spool import decide
from nstd.spool.decide import Do, Original, Patience, Seen, Step, Where

HOME = Path("/done")
VERSION = FileIdentity(1, 2, 3, 4)
THERE, ASIDE = Original(Where.THERE), Original(Where.ASIDE)
OTHER, GONE = Original(Where.OTHER_ASIDE), Original(Where.GONE)
BY_JOB = Original(Where.THERE, wanted_by_job=True)
UNREAD = Original(Where.THERE, may_be_wanted=True)
BY_SIDECAR = Original(Where.THERE, wanted_by_sidecar=True)
PATIENCE = Patience(attempts=3, crashes=4, backoff=10.0, longest=15.0, pause=2.0)


def job(state: State, *fates: Fate, library: bool = False, **changes: object) -> Entry:
    """Make up a job with an image for each fate."""
    source = Source("content", Path("/in"), Path("a.jpg"), library)
    inputs = tuple(Input(source, VERSION, fate=fate) for fate in fates)
    return an_entry("job", state=state, inputs=inputs, failure=FAILURE, **changes)


def test_every_step_can_be_performed() -> None:
    """No decision leads where nothing can be done."""
    from nstd.spool import steps  # noqa: PLC0415 - its tables are what this is about

    performed = {*steps._OF_JOBS, *steps._OF_ORIGINALS, *steps._RESTS, Do.TELL}
    assert performed == set(Do)


@pytest.mark.parametrize("state", State)
def test_a_settled_job_needs_nothing(state: State) -> None:
    """Whatever lies about."""
    seen = Seen(offered=True, token=True, copies=True, result=True, staged=True)
    assert decide.next_step(job(state, settled=True), seen) == Step(Do.NOTHING)


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (Seen(offered=True), Do.TAKE),
        (Seen(offered=True, token=True), Do.COPY),
        (Seen(token=True), Do.COPY),
        (Seen(), Do.FORGET),
    ],
)
def test_queued(seen: Seen, step: Do) -> None:
    """Ours already, still to be taken, or withdrawn."""
    assert decide.next_step(job(State.QUEUED), seen).do is step


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (Seen(token=True, copies=True), Do.RUN),
        (Seen(token=True), Do.COPY),
        (Seen(copies=True), Do.FORGET),
    ],
)
def test_claimed(seen: Seen, step: Do) -> None:
    """Copies that somebody removed are made again; a sidecar that is gone was taken back."""
    assert decide.next_step(job(State.CLAIMED), seen).do is step


def test_running() -> None:
    """It is the worker's turn."""
    assert decide.next_step(job(State.RUNNING), Seen()).do is Do.WAIT


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (Seen(result=True), Do.STAGE),
        (Seen(), Do.RENDER_AGAIN),
        (Seen(result=True, staged=True), Do.PLACE),
        (Seen(staged=True), Do.PLACE),
        (Seen(result=True, manifest=True), Do.STAGE),
        (Seen(placed=True), Do.TELL),
        (Seen(placed=True, result=True), Do.TELL),
        (Seen(placed=True, manifest=True), Do.CONFIRM),
    ],
)
def test_rendered(seen: Seen, step: Do) -> None:
    """Staged before it is placed, placed before it is told, told before it counts."""
    assert decide.next_step(job(State.RENDERED), seen).do is step


@pytest.mark.parametrize(("manifest", "step"), [(False, Do.TELL), (True, Do.CONFIRM)])
def test_rendered_as_a_duplicate(manifest: bool, step: Do) -> None:  # noqa: FBT001 - a column
    """It has nothing to stage or to place."""
    entry = job(State.RENDERED, duplicate_of="other")
    assert decide.next_step(entry, Seen(manifest=manifest)).do is step


@pytest.mark.parametrize(
    ("policy", "original", "may_file", "home", "step"),
    [
        ("archive", THERE, True, None, Do.SET_ASIDE),
        ("archive", THERE, False, None, Do.WAIT),
        ("archive", BY_SIDECAR, True, None, Do.WAIT),
        ("archive", UNREAD, True, None, Do.WAIT),
        ("keep", UNREAD, True, None, Do.LEAVE),
        ("archive", BY_JOB, True, None, Do.LEAVE),
        ("archive", BY_JOB, False, None, Do.LEAVE),
        ("archive", GONE, True, None, Do.LOSE),
        ("archive", OTHER, True, None, Do.GIVE_BACK),
        ("archive", OTHER, False, HOME, Do.GIVE_BACK),
        ("archive", ASIDE, True, None, Do.HOUSE),
        ("archive", ASIDE, True, HOME, Do.FILE),
        ("archive", ASIDE, False, HOME, Do.FILE),
        ("keep", THERE, False, None, Do.LEAVE),
        ("keep", BY_SIDECAR, False, None, Do.LEAVE),
        ("keep", GONE, False, None, Do.LOSE),
        ("keep", ASIDE, False, HOME, Do.FILE),
        ("delete", THERE, True, None, Do.SET_ASIDE),
        ("delete", THERE, False, None, Do.WAIT),
        ("delete", ASIDE, True, None, Do.DELETE),
        ("delete", OTHER, True, None, Do.GIVE_BACK),
        ("delete", BY_JOB, True, None, Do.LEAVE),
    ],
)
def test_published_image(
    policy: decide.Originals,
    original: Original,
    may_file: bool,  # noqa: FBT001 - a column
    home: Path | None,
    step: Do,
) -> None:
    """Looked at undisturbed before it is filed; what others want stays; what is new goes back."""
    entry = job(State.PUBLISHED, Fate.FILED, Fate.PENDING, home=home)
    seen = Seen(token=True, may_file=may_file, originals=(GONE, original))
    found = decide.next_step(entry, seen, policy)
    assert found == Step(step, -1 if step in {Do.WAIT, Do.HOUSE} else 1)


@pytest.mark.parametrize("state", [State.PUBLISHED, State.FAILED])
def test_a_library_image_is_left(state: State) -> None:
    """Even if it could be filed."""
    entry = job(state, Fate.PENDING, library=True, home=HOME)
    seen = Seen(token=True, originals=(THERE,))
    assert decide.next_step(entry, seen) == Step(Do.LEAVE, 0)


@pytest.mark.parametrize(
    ("policy", "token", "home", "step"),
    [
        ("archive", True, None, Do.HOUSE),
        ("archive", True, HOME, Do.FILE_TOKEN),
        ("keep", True, HOME, Do.FILE_TOKEN),
        ("delete", True, None, Do.DELETE),
        ("archive", False, HOME, Do.SETTLE),
        ("archive", False, None, Do.SETTLE),
    ],
)
def test_published_token(
    policy: decide.Originals,
    token: bool,  # noqa: FBT001 - a column
    home: Path | None,
    step: Do,
) -> None:
    """The sidecar goes last, when every image has its fate."""
    entry = job(State.PUBLISHED, Fate.LEFT, Fate.GONE, home=home)
    seen = Seen(token=token, may_file=False, originals=(GONE, GONE))
    assert decide.next_step(entry, seen, policy) == Step(step)


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
@pytest.mark.parametrize(
    ("original", "may_file", "step"),
    [
        (THERE, True, Do.SET_ASIDE),
        (THERE, False, Do.WAIT),
        (UNREAD, True, Do.WAIT),
        (BY_JOB, True, Do.COPY_OUT),
        (BY_JOB, False, Do.COPY_OUT),
        (BY_SIDECAR, True, Do.COPY_OUT),
        (ASIDE, False, Do.FILE),
        (OTHER, False, Do.GIVE_BACK),
        (GONE, False, Do.LOSE),
    ],
)
def test_failed_image(state: State, original: Original, may_file: bool, step: Do) -> None:  # noqa: FBT001
    """The whole set goes to failed/; what others want is copied there."""
    entry = job(state, Fate.FILED, Fate.PENDING, home=HOME)
    seen = Seen(token=True, may_file=may_file, originals=(GONE, original))
    assert decide.next_step(entry, seen) == Step(step, -1 if step is Do.WAIT else 1)


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
@pytest.mark.parametrize(
    ("seen", "home", "step"),
    [
        (Seen(offered=True, originals=(THERE,)), None, Do.TAKE),
        (Seen(offered=True, token=True, originals=(THERE,)), None, Do.EXPLAIN),
        (Seen(token=True, originals=(GONE,)), None, Do.EXPLAIN),
        (Seen(originals=(THERE,)), None, Do.EXPLAIN),
        (Seen(originals=(ASIDE,)), None, Do.EXPLAIN),
        (Seen(originals=(GONE,)), None, Do.SETTLE),
    ],
)
def test_failed_beginning(state: State, seen: Seen, home: Path | None, step: Do) -> None:
    """Taken, explained, then filed; nothing is explained where nothing is left."""
    assert decide.next_step(job(state, Fate.PENDING, home=home), seen).do is step


@pytest.mark.parametrize(("token", "step"), [(True, Do.FILE_TOKEN), (False, Do.SETTLE)])
def test_failed_end(token: bool, step: Do) -> None:  # noqa: FBT001 - a column
    """The sidecar goes last, whatever `originals` says."""
    entry = job(State.FAILED, Fate.FILED, home=HOME)
    seen = Seen(token=token, originals=(GONE,))
    assert {decide.next_step(entry, seen, policy).do for policy in ("archive", "delete")} == {step}  # type: ignore[arg-type]


@pytest.mark.parametrize("crashes", range(6))
def test_after_a_crash(crashes: int) -> None:
    """29. It goes on, with no attempt used, until limits.crashes; then it is poison."""
    entry = job(State.RUNNING, crashes=crashes, attempts=1)
    changes = decide.after_crash(entry, PATIENCE)
    assert changes["crashes"] == crashes + 1
    assert "attempts" not in changes
    if crashes < 3:
        assert changes["state"] is State.CLAIMED
    else:
        assert changes["state"] is State.FAILED
        assert changes["failure"].code == "poison"
        assert "limits.crashes" in changes["failure"].message
    dataclasses.replace(entry, **changes)


@pytest.mark.parametrize(("attempts", "wait"), [(0, 10.0), (1, 15.0)])
def test_a_retry_waits_longer_each_time(attempts: int, wait: float) -> None:
    """Doubled, up to a longest; no longer held."""
    failure = Failure("engine", Disposition.RETRY, "once more")
    entry = job(State.RUNNING, attempts=attempts, hold="no room")
    assert decide.after_failure(entry, failure, PATIENCE, 100.0) == {
        "state": State.CLAIMED,
        "attempts": attempts + 1,
        "not_before": 100.0 + wait,
        "hold": "",
    }


@pytest.mark.parametrize(
    ("attempts", "disposition"),
    [(2, Disposition.RETRY), (0, Disposition.QUARANTINE), (0, Disposition.FATAL)],
)
def test_a_job_that_failed_for_good(attempts: int, disposition: Disposition) -> None:
    """29. After the last attempt, or at once."""
    failure = Failure("engine", disposition, "no")
    changes = decide.after_failure(job(State.RUNNING, attempts=attempts), failure, PATIENCE, 100.0)
    assert changes == {
        "state": State.FAILED,
        "attempts": attempts + 1,
        "failure": failure,
        "hold": "",
    }


def test_a_job_that_lacks_a_resource_is_held() -> None:
    """31. No attempt is used, however often."""
    failure = Failure("cannot_write", Disposition.HOLD, "no room")
    assert decide.after_failure(job(State.RUNNING, attempts=2), failure, PATIENCE, 100.0) == {
        "state": State.CLAIMED,
        "hold": "no room",
        "not_before": 102.0,
    }
