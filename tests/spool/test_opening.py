"""The start: a damaged ledger is set aside, and what nobody knows goes back to the inbox."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import structlog
from jobs import PAIR, again, claimed, end, failed, published, queued, rendered, scan, tree

from nstd import telemetry
from nstd.entry import Entry, State
from nstd.spool import files, layout, opening, retire
from nstd.spool.decide import Do, Patience
from nstd.spool.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.spool.desk import Desk

PATIENCE = Patience(attempts=3, crashes=3, backoff=1.0, longest=8.0, pause=0.5)


def reopen(desk: Desk) -> Desk:
    """Open the ledger again as a new daemon does, and account for all that lies about."""
    desk.ledger.close()
    desk.ledger = opening.open_ledger(desk.config)
    opening.recover(desk, PATIENCE)
    return desk


@pytest.fixture
def logged() -> Iterator[list[dict[str, object]]]:
    """Collect what is logged."""
    with structlog.testing.capture_logs() as lines:
        yield lines  # type: ignore[misc]


def damage(desk: Desk, how: str) -> None:
    """Damage the ledger of a daemon that was killed."""
    path = layout.ledger(desk.config)
    copy = path.with_name("copy")
    if how == "lost log":
        # A kill leaves the log beside the file; then somebody removes it.
        shutil.copy(path, copy)
        desk.ledger.close()
        copy.replace(path)
        return
    desk.ledger.close()
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "overwritten":
        path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))
    elif how == "damaged log":
        path.with_name(f"{path.name}-wal").write_bytes(b"\xa5" * 9000)
    else:
        path.write_bytes(b"certainly not a database\n" * 200)


@pytest.mark.parametrize("how", ["truncated", "overwritten", "not a database"])
def test_a_damaged_ledger_is_set_aside(
    desk: Desk, logged: list[dict[str, object]], how: str
) -> None:
    """A new one is begun, all that was claimed is in the inbox again, and the log says so."""
    rendered(desk, "a")
    queued(desk, "b", folder="deep")
    damage(desk, how)
    reopen(desk)
    names = PAIR | {f"deep/b{end}" for end in (".yaml", ".jpg", ".style.png")}
    assert tree(desk.inbox) == names
    assert list(layout.work(desk.config).iterdir()) == []
    assert desk.ledger.count() == {}
    events = [line["event"] for line in logged]
    assert events.count(telemetry.LEDGER_DAMAGED) == 1
    assert events.count(telemetry.INBOX_RETURNED) == 2
    state = desk.config.folder("state")
    assert [path.name for path in state.glob("ledger.damaged-*.sqlite")]


def test_a_damaged_ledger_leaves_no_temporary_files(desk: Desk) -> None:
    """What was staged belongs to nobody any more; what users put there does."""
    entry = rendered(desk)
    outbox = desk.config.folder("outbox")
    staged = layout.staged(outbox, entry.job_id)
    staged.write_bytes(b"x")
    (outbox / f".{entry.job_id}.snapshots.tmp").mkdir()
    (outbox / ".mine.tmp").write_bytes(b"mine")
    damage(desk, "not a database")
    reopen(desk)
    assert [path.name for path in outbox.iterdir()] == [".mine.tmp"]


@pytest.mark.parametrize("how", ["lost log", "damaged log"])
def test_a_ledger_that_lost_its_log_loses_no_input(desk: Desk, how: str) -> None:
    """What it has forgotten is put back, what it knows goes on."""
    entry = queued(desk)
    damage(desk, how)
    reopen(desk)
    known = desk.ledger.entry(entry.job_id)
    assert (known is None) == (how == "lost log")
    assert ("a.yaml" in tree(desk.inbox)) == (known is None)


def test_a_token_that_no_row_knows_is_put_back(desk: Desk) -> None:
    """With its folder, and beside whatever has its name now."""
    known = queued(desk, "a")
    lost = queued(desk, "b", folder="deep")
    desk.ledger.forget(lost)
    (desk.inbox / "deep/b.yaml").write_text("preset: fast\n")
    opening.recover(desk, PATIENCE)
    assert (desk.inbox / "deep/b.yaml").read_text() == "preset: fast\n"
    assert (desk.inbox / f"deep/b.{lost.job_id}.yaml").read_text() == "preset: draft\n"
    assert [path.name for path in layout.claimed(desk.config).iterdir()] == [known.job_id]


def test_an_original_that_no_row_knows_is_put_back(desk: Desk) -> None:
    """It was taken aside, and then the row was lost."""
    entry = published(desk)
    retire.set_aside(desk, entry, 0)
    desk.ledger.forget(entry)
    opening.recover(desk, PATIENCE)
    assert tree(desk.inbox) == PAIR
    assert list(layout.asides(desk.config).iterdir()) == []


def test_work_that_no_row_knows_is_removed(desk: Desk) -> None:
    """Private copies of jobs that go on are kept."""
    entry = claimed(desk)
    stale = layout.work(desk.config) / "20200101T000000-01234567" / "1"
    stale.mkdir(parents=True)
    (stale / "result.png").write_bytes(b"x")
    opening.recover(desk, PATIENCE)
    assert [path.name for path in layout.work(desk.config).iterdir()] == [entry.job_id]
    assert desk.ledger.entry(entry.job_id) == entry


def test_a_running_job_goes_on_until_it_has_seen_too_many_deaths(
    desk: Desk, logged: list[dict[str, object]]
) -> None:
    """29. Each start after a death counts one; at limits.crashes the job is poison."""
    entry: Entry = claimed(desk)
    for crashes in (1, 2):
        desk.ledger.advance(entry, state=State.RUNNING)
        opening.recover(desk, PATIENCE)
        entry = again(desk, entry)
        assert (entry.state, entry.crashes, entry.attempts) == (State.CLAIMED, crashes, 0)
    desk.ledger.advance(entry, state=State.RUNNING)
    opening.recover(desk, PATIENCE)
    entry = again(desk, entry)
    assert entry.state is State.FAILED
    assert entry.failure is not None
    assert entry.failure.code == "poison"
    recovered = [line["crashes"] for line in logged if line["event"] == telemetry.JOB_RECOVERED]
    assert recovered == [1, 2, 3]
    assert end(desk, entry) is Do.SETTLE
    assert tree(desk.config.folder("failed")) >= PAIR


def test_the_job_of_this_daemon_is_left_alone(desk: Desk) -> None:
    """An inbox that comes back under a running job is no death."""
    mine = desk.ledger.advance(claimed(desk, "a"), state=State.RUNNING)
    other = desk.ledger.advance(claimed(desk, "b"), state=State.RUNNING)
    opening.recover(desk, PATIENCE, besides=[mine])
    assert again(desk, mine).state is State.RUNNING
    assert again(desk, other).crashes == 1


def test_a_start_after_an_orderly_end_changes_nothing(desk: Desk) -> None:
    """Rows, tokens and copies are as they were."""
    jobs = [queued(desk, "a"), claimed(desk, "b"), failed(desk, "c"), rendered(desk, "d")]
    before = {job.job_id: again(desk, job) for job in jobs}
    inbox, work = tree(desk.inbox), tree(layout.work(desk.config))
    reopen(desk)
    assert {job.job_id: again(desk, job) for job in jobs} == before
    assert (tree(desk.inbox), tree(layout.work(desk.config))) == (inbox, work)


def test_a_job_goes_on_under_a_new_daemon(desk: Desk) -> None:
    """From the result in the work folder to the end."""
    entry = rendered(desk)
    reopen(desk)
    end(desk, again(desk, entry))
    scan(desk)
    assert end(desk, again(desk, entry)) is Do.NOTHING or again(desk, entry).settled
    assert tree(desk.config.folder("outbox")) == {"a.png", "a.json"}
    assert tree(desk.config.folder("done")) == PAIR
    assert files.sha256(desk.config.folder("outbox") / "a.png") == entry.rendered.sha256  # type: ignore[union-attr]


def test_an_opened_ledger_is_the_same_one(desk: Desk) -> None:
    """An undamaged ledger is not set aside."""
    entry = queued(desk)
    desk.ledger.close()
    desk.ledger = opening.open_ledger(desk.config)
    assert isinstance(desk.ledger, Ledger)
    assert again(desk, entry) == entry
    assert not list(desk.config.folder("state").glob("ledger.damaged-*"))
