"""`nstd cancel`, `retry`, `pause`, `resume`, `prune`: what they leave for the daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from invoking import shown
from jobs import claimed, end, failed, published, queued

from nstd.entry import State
from nstd.errors import CannotWriteError, LedgerAbsentError, UsageError
from nstd.spool import layout, lock, requests
from nstd.spool.requests import Cancel, Pause, Prune, Resume, Retry

if TYPE_CHECKING:
    from nstd.spool.desk import Desk
    from nstd.spool.requests import Request


def asked(desk: Desk) -> list[Request]:
    """Read what was left."""
    return [requests.read(path) for path in requests.pending(layout.requests(desk.config))]


def test_a_pause_and_its_end(desk: Desk) -> None:
    """With nobody there, it is said that the next start will see to it."""
    assert "nstd is not running, and will do it when it starts" in shown(desk, "pause")
    shown(desk, "resume")
    assert asked(desk) == [Pause(), Resume()]


def test_a_daemon_that_is_busy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't waited for for long."""
    monkeypatch.setattr("nstd.commands.asking._PATIENCE", 0.1)
    with lock.held(desk.config.folder("state")):
        assert "nstd will do it as soon as it can" in shown(desk, "pause")


def test_a_job_is_named_by_name_id_or_beginning(desk: Desk) -> None:
    """Each means the same; an earlier job of the same name that has ended is not meant."""
    end(desk, failed(desk, "album/a"))
    entry = claimed(desk, "album/a")
    for text in ("album/a", entry.job_id, entry.job_id[:-1]):
        assert f"cancel album/a ({entry.job_id})" in shown(desk, "cancel", text)
    assert asked(desk) == [Cancel(job_id=entry.job_id)] * 3


@pytest.mark.parametrize("sidecar", ["again.yaml", "album/again.yml"])
def test_a_job_that_no_scan_has_taken_is_cancelled_in_the_inbox(desk: Desk, sidecar: str) -> None:
    """As people on the share do it; the earlier job of that name isn't meant."""
    end(desk, failed(desk, "again"))
    path = desk.inbox / sidecar
    path.parent.mkdir(exist_ok=True)
    path.write_text("preset: draft")
    name = sidecar.partition(".")[0]
    assert f"cancel {name}, which nstd has not begun" in shown(desk, "cancel", name)
    assert path.with_suffix(".cancel").exists()
    assert asked(desk) == []


def test_a_job_that_is_taken_is_not_cancelled_in_the_inbox(desk: Desk) -> None:
    """Though its sidecar is there until it ends; nor is anything outside of the inbox."""
    entry = claimed(desk, "a")
    (desk.inbox / "a.yaml").touch()
    (desk.config.root / "b.yaml").touch()
    shown(desk, "cancel", "a")
    assert asked(desk) == [Cancel(job_id=entry.job_id)]
    with pytest.raises(UsageError, match="no job has this id or name"):
        shown(desk, "cancel", "../b")
    assert not list(desk.config.root.rglob("*.cancel"))


def test_what_fits_nothing_or_too_much_is_refused(desk: Desk) -> None:
    """With what fits; nothing is left for the daemon."""
    first, second = queued(desk, "a"), queued(desk, "b")
    with pytest.raises(UsageError, match=r"c: no job has this id or name"):
        shown(desk, "cancel", "c")
    with pytest.raises(UsageError, match="2: fits 2 jobs: ") as raised:
        shown(desk, "cancel", "2")
    assert first.job_id in str(raised.value)
    assert second.job_id in str(raised.value)
    assert asked(desk) == []


def test_a_short_beginning_means_no_job_though_only_one_could_be_cancelled(desk: Desk) -> None:
    """It would be chance."""
    end(desk, failed(desk, "f"))
    queued(desk, "q")
    with pytest.raises(UsageError, match="fits 2 jobs"):
        shown(desk, "cancel", "2")


def test_a_job_in_the_wrong_state_is_refused(desk: Desk) -> None:
    """With its state."""
    end(desk, published(desk, "p"))
    with pytest.raises(UsageError, match=r"only jobs without a result.*: retired"):
        shown(desk, "cancel", "p")
    with pytest.raises(UsageError, match=r"only jobs in failed/.*: retired"):
        shown(desk, "retry", "p")


def test_one_failed_job_or_all(desk: Desk) -> None:
    """All are those whose files are in failed/; the oldest goes first."""
    assert "no failed job has its files in failed/" in shown(desk, "retry", "--all-failed")
    entries = [failed(desk, name) for name in ("a", "b")]
    end(desk, entries[0])
    shown(desk, "retry", "a")
    shown(desk, "retry", "--all-failed")
    end(desk, entries[1])
    shown(desk, "retry", "--all-failed")
    first, second = (entry.job_id for entry in entries)
    (*earlier, last) = asked(desk)
    assert earlier == [Retry(job_ids=(first,))] * 2
    assert isinstance(last, Retry)
    assert set(last.job_ids) == {first, second}


@pytest.mark.parametrize("arguments", [[], ["a", "--all-failed"]])
def test_retry_takes_one_or_all(desk: Desk, arguments: list[str]) -> None:
    """Neither and both are mistakes."""
    with pytest.raises(UsageError, match="a job or --all-failed"):
        shown(desk, "retry", *arguments)


def test_pruning_is_asked_for_twice(desk: Desk) -> None:
    """What would go is counted; without a terminal to ask at, it takes --yes."""
    end(desk, published(desk, "p"))
    end(desk, failed(desk, "f"))
    assert "no such job is older than 1d" in shown(desk, "prune", "--older-than", "1d")
    with pytest.raises(UsageError, match=r"would forget 2 jobs and delete 8 files.*--yes"):
        shown(desk, "prune", "--older-than", "0s")
    assert asked(desk) == []


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ([], (State.RETIRED, State.FAILED, State.CANCELLED)),
        (["--done", "--failed"], (State.RETIRED, State.FAILED, State.CANCELLED)),
        (["--done"], (State.RETIRED,)),
        (["--failed"], (State.FAILED, State.CANCELLED)),
    ],
)
def test_what_is_pruned(desk: Desk, options: list[str], states: tuple[State, ...]) -> None:
    """Both outcomes, or one; as of the moment of the command."""
    end(desk, published(desk, "p"))
    end(desk, failed(desk, "f"))
    shown(desk, "prune", "--older-than", "0s", "--yes", *options)
    (found,) = asked(desk)
    assert isinstance(found, Prune)
    assert found.states == states
    assert found.before == pytest.approx(time.time(), abs=60)


def test_before_the_first_daemon(desk: Desk) -> None:
    """There is nobody to leave anything for."""
    layout.requests(desk.config).rmdir()
    with pytest.raises(CannotWriteError, match="start nstd once"):
        shown(desk, "pause")
    layout.ledger(desk.config).unlink()
    with pytest.raises(LedgerAbsentError):
        shown(desk, "cancel", "a")
