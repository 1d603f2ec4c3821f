"""Requests, each done once, whatever else lies in the folder."""

from __future__ import annotations

import json
import math
import os
import time
from typing import TYPE_CHECKING

import pytest
import structlog
from jobs import again, claimed, configure, end, failed, published, queued, tree

from nstd.clerk import Clerk
from nstd.domain import Failure
from nstd.entry import State
from nstd.errors import CancelledError, CannotWriteError, InboxAbsentError
from nstd.spool import layout, putback, requests
from nstd.spool.requests import Cancel, Pause, Prune, Resume, Retry

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.entry import Entry
    from nstd.spool.desk import Desk
    from nstd.spool.requests import Request


class Office:
    """A clerk with a dispatcher that ends what waits and takes note of what runs."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.told: list[str] = []
        self.clerk = Clerk(desk, self._cancel)

    def _cancel(self, entry: Entry) -> None:
        self.told.append(entry.job_id)
        if entry.state is not State.RUNNING:
            error = Failure.of(CancelledError("cancelled", file=entry.sidecar))
            self.desk.ledger.advance(entry, state=State.CANCELLED, failure=error)

    @property
    def folder(self) -> Path:
        """Where requests are left."""
        return layout.requests(self.desk.config)

    def ask(self, *asked: Request, has_inbox: bool = True) -> list[dict[str, object]]:
        """Leave requests and have them heeded; returns what was logged."""
        for request in asked:
            requests.leave(self.folder, request)
        with structlog.testing.capture_logs() as logs:
            self.clerk.heed(has_inbox=has_inbox)
        return [dict(log) for log in logs]

    @property
    def left(self) -> list[str]:
        """What lies in the folder, but for answers."""
        found = (path.name for path in self.folder.iterdir())
        return sorted(name for name in found if not name.endswith(".answer"))

    @property
    def answers(self) -> list[str]:
        """What was answered; an answer is taken once."""
        found = sorted(self.folder.glob("*.answer"))
        return [requests.take_answer(path.with_suffix("")) for path in found]


@pytest.fixture
def office(desk: Desk) -> Office:
    """Open one on a desk."""
    return Office(desk)


def test_a_pause_lasts_until_it_is_ended(office: Office) -> None:
    """Also for the clerk of the next daemon."""
    assert not office.clerk.is_paused
    office.ask(Pause())
    assert office.clerk.is_paused
    assert Office(office.desk).clerk.is_paused
    office.ask(Pause(), Resume())
    assert not office.clerk.is_paused
    assert not Office(office.desk).clerk.is_paused
    assert office.left == []


def test_a_job_that_waits_is_cancelled_at_once(office: Office) -> None:
    """Whether its images are copied or not."""
    for entry in (queued(office.desk, "q"), claimed(office.desk, "c")):
        (log,) = office.ask(Cancel(job_id=entry.job_id))
        assert log["event"] == "request.heeded"
        assert again(office.desk, entry).state is State.CANCELLED
    assert office.left == []


def test_a_running_job_is_told_once_and_awaited(office: Office) -> None:
    """If its worker dies without having heard, the next attempt is never begun."""
    entry = office.desk.ledger.advance(claimed(office.desk), state=State.RUNNING)
    assert office.ask(Cancel(job_id=entry.job_id)) == []
    office.ask()
    assert office.told == [entry.job_id]
    assert len(office.left) == 1
    office.desk.ledger.advance(entry, state=State.CLAIMED, attempts=1)
    office.ask()
    assert again(office.desk, entry).state is State.CANCELLED
    assert office.left == []


def test_a_result_can_not_be_cancelled(office: Office) -> None:
    """Nor what has ended, nor what never was."""
    done = published(office.desk)
    (log,) = office.ask(Cancel(job_id=done.job_id))
    assert log["event"] == "request.refused"
    assert "it is published" in str(log["reason"])
    (log,) = office.ask(Cancel(job_id="none"))
    assert "no such job" in str(log["reason"])
    assert office.left == []
    first, second = office.answers
    assert "it is published: there is nothing left to cancel" in first
    assert second == "none: there is no such job."
    assert office.answers == []


def test_answers_that_nobody_reads_are_forgotten(office: Office) -> None:
    """After a day, when the next one is given."""
    office.ask(Cancel(job_id="none"))
    (old,) = office.folder.glob("*.answer")
    os.utime(old, (0, 0))
    office.ask(Cancel(job_id="none"))
    (new,) = office.folder.glob("*.answer")
    assert new != old


def test_failed_jobs_are_tried_again_each_for_itself(office: Office) -> None:
    """One that is refused doesn't keep the others."""
    desk = office.desk
    first, second = failed(desk, "a"), failed(desk, "b")
    for entry in (first, second):
        end(desk, entry)
    (desk.inbox / "a.yaml").write_text("another's")
    logs = office.ask(Retry(job_ids=(first.job_id, "none", second.job_id)))
    assert [log["event"] for log in logs] == ["request.refused", "request.refused", "job.retried"]
    assert "b.yaml" in tree(desk.inbox)
    assert office.left == []
    (answer,) = office.answers
    taken, unknown = answer.splitlines()
    assert "a.yaml is in the inbox already" in taken
    assert "none: there is no such job" in unknown


def test_what_is_back_already_is_not_tried_again(office: Office) -> None:
    """A request that is repeated after a crash says nothing about those that are done."""
    desk = office.desk
    entries = [failed(desk, name) for name in ("a", "b")]
    for entry in entries:
        end(desk, entry)
    putback.put_back(desk, again(desk, entries[0]))
    logs = office.ask(Retry(job_ids=tuple(entry.job_id for entry in entries)))
    assert [log.get("job_id") for log in logs] == [entries[1].job_id]


def test_without_an_inbox_only_what_needs_it_waits(office: Office) -> None:
    """It is done when the share is back."""
    entry = failed(office.desk)
    end(office.desk, entry)
    office.ask(Retry(job_ids=(entry.job_id,)), Pause(), has_inbox=False)
    assert office.clerk.is_paused
    assert len(office.left) == 1
    marker = layout.control(office.desk.config) / "marker"
    marker.rename(marker.with_name("hidden"))
    with pytest.raises(InboxAbsentError):
        office.ask()
    marker.with_name("hidden").rename(marker)
    office.ask()
    assert office.left == []
    assert "a.yaml" in tree(office.desk.inbox)


def test_many_take_several_turns(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The main loop has other things to do, and comes back at once."""
    monkeypatch.setattr("nstd.clerk._TURN_SECONDS", 0.0)
    entry = failed(office.desk)
    end(office.desk, entry)
    office.ask(Retry(job_ids=(entry.job_id,)))
    assert office.clerk.wakes_at == 0.0
    assert len(office.left) == 1
    monkeypatch.undo()
    office.ask()
    assert office.clerk.wakes_at == math.inf
    assert office.left == []


def test_old_jobs_are_forgotten_with_their_files(office: Office) -> None:
    """Of the states that were named; results stay, and so does what has something left to do."""
    desk = office.desk
    done, bad, open_ = published(desk, "d"), failed(desk, "f"), queued(desk, "q")
    end(desk, done)
    end(desk, bad)
    later = time.time() + 3600
    office.ask(Prune(before=later - 7200, states=tuple(State)))
    assert all(desk.ledger.entry(entry.job_id) for entry in (done, bad, open_))
    office.ask(Prune(before=later, states=(State.RETIRED,)))
    assert desk.ledger.entry(done.job_id) is None
    assert tree(desk.config.folder("done")) == set()
    assert "d.png" in tree(desk.config.folder("outbox"))
    assert "f.yaml" in tree(desk.config.folder("failed"))
    office.ask(Prune(before=later, states=tuple(State)))
    assert desk.ledger.entry(bad.job_id) is None
    assert desk.ledger.entry(open_.job_id) is not None
    assert tree(desk.config.folder("failed")) == set()


def test_a_filed_file_that_was_changed_stays(office: Office) -> None:
    """It is its owner's again, though the job is forgotten."""
    desk = office.desk
    done = published(desk)
    end(desk, done)
    (desk.config.folder("done") / "a.jpg").write_bytes(b"mine")
    office.ask(Prune(before=time.time() + 3600, states=(State.RETIRED,)))
    assert tree(desk.config.folder("done")) == {"a.jpg"}
    assert desk.ledger.entry(done.job_id) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "dance"}', '{"kind": "pause", "x": 1}'])
def test_what_is_no_request_is_set_aside(office: Office, text: str) -> None:
    """With a line in the log, once; the next one is done."""
    (office.folder / "0.json").write_text(text)
    logs = office.ask(Pause())
    assert [log["event"] for log in logs] == ["request.refused", "request.heeded"]
    assert office.left == ["0.json.refused"]
    assert office.ask() == []


def test_what_is_refused_for_now_keeps_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once, put off, and done when it can be."""
    end(office.desk, failed(office.desk))
    request = Prune(before=time.time() + 1, states=(State.FAILED,))

    def refuse(*_: object) -> int:
        raise CannotWriteError("can't be written: Read-only file system", file="done/a.jpg")

    with monkeypatch.context() as patched:
        patched.setattr("nstd.spool.retention.prune_jobs", refuse)
        logs = office.ask(request, Pause())
        assert [log["event"] for log in logs] == ["request.waits", "request.heeded"]
        assert office.clerk.is_paused
        assert office.ask() == []
        assert len(office.left) == 1
        assert time.monotonic() < office.clerk.wakes_at < math.inf
        configure(office.desk, rescan_seconds=0.0)
        office.clerk._put_off.clear()
        assert office.ask() == [], "said once"
    office.clerk._put_off.clear()
    assert [log["event"] for log in office.ask()] == ["request.heeded"]
    assert office.left == []


def test_an_answer_about_a_name_of_any_bytes(office: Office) -> None:
    """It is text for people, and says what it can of the name."""
    done = published(office.desk, "caf\udce9")
    office.ask(Cancel(job_id=done.job_id))
    (answer,) = office.answers
    assert "it is published" in answer
    assert office.left == []


def test_what_can_not_be_read_is_set_aside(office: Office) -> None:
    """A link, whatever it leads to."""
    (office.folder / "real").write_text(json.dumps({"kind": "pause"}))
    (office.folder / "0.json").symlink_to("real")
    office.ask()
    assert not office.clerk.is_paused
    assert office.left == ["0.json.refused", "real"]


def test_a_mistake_of_ours_stops_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged with its traceback, and its request not tried for ever."""

    def fail(*_: object) -> None:
        raise RuntimeError("a mistake")

    entry = queued(office.desk)
    monkeypatch.setattr(office.clerk, "_cancel", fail)
    logs = office.ask(Cancel(job_id=entry.job_id), Pause())
    assert [log["event"] for log in logs] == [
        "internal.error",
        "request.refused",
        "request.heeded",
    ]
    assert office.clerk.is_paused
    assert len(office.left) == 1
