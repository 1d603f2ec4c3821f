"""From the worker's answer to the end of a job."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import structlog
from jobs import FAILURE, PAIR, again, configure, failed, published, rendered, scan, tree

from nstd import telemetry
from nstd.entry import State
from nstd.errors import InboxAbsentError
from nstd.spool.closing import Closing

if TYPE_CHECKING:
    from nstd.entry import Entry
    from nstd.spool.desk import Desk


def close(desk: Desk, closing: Closing, entry: Entry) -> list[dict[str, object]]:
    """Take a job on, and return what was logged."""
    scan(desk)
    with structlog.testing.capture_logs() as logged:
        closing.close(entry)
    return [dict(line) for line in logged]


def test_a_job_that_is_done_has_one_canonical_line(desk: Desk) -> None:
    """When it is published; another says that its originals are filed away."""
    entry = rendered(desk, folder="sub")
    closing = Closing(desk)
    logged = close(desk, closing, entry)
    assert [line["event"] for line in logged] == [telemetry.JOB_DONE]
    assert logged[0]["name"] == "sub/a"
    assert logged[0]["result"] == str(desk.config.folder("outbox") / "sub/a.png")
    logged = close(desk, closing, again(desk, entry))
    assert [(line["event"], line["state"]) for line in logged] == [
        (telemetry.JOB_RETIRED, "retired")
    ]
    assert (closing.failures, list(closing.due())) == (0, [])


def test_the_manifest_is_that_of_the_job(desk: Desk) -> None:
    """With the hashes of the inputs and of the result."""
    entry = rendered(desk)
    close(desk, Closing(desk), entry)
    told = json.loads((desk.config.folder("outbox") / "a.json").read_text())
    assert told["job_id"] == entry.job_id
    assert told["content"] == {"name": "a.jpg", "sha256": entry.inputs[0].sha256}
    assert entry.rendered is not None
    assert told["output"]["sha256"] == entry.rendered.sha256


def test_a_job_that_failed_is_told_and_counted_once(desk: Desk) -> None:
    """With its code and where the reason is."""
    closing = Closing(desk)
    entry = failed(desk)
    logged = close(desk, closing, entry)
    assert [line["event"] for line in logged] == [telemetry.JOB_FAILED, telemetry.JOB_RETIRED]
    assert (logged[0]["code"], logged[0]["file"]) == ("image", "a.jpg")
    assert logged[0]["reason"] == str(desk.config.folder("failed") / "a.reason.txt")
    assert closing.failures == 1


def test_a_cancelled_job_is_no_failure(desk: Desk) -> None:
    """`nstd once` ends well after it."""
    closing = Closing(desk)
    entry = desk.ledger.advance(rendered(desk), state=State.CANCELLED, failure=FAILURE)
    logged = close(desk, closing, entry)
    assert [line["event"] for line in logged] == [telemetry.JOB_CANCELLED, telemetry.JOB_RETIRED]
    assert closing.failures == 0


def test_a_taken_name_is_a_failure_by_policy(desk: Desk) -> None:
    """25. `on_conflict: fail`."""
    configure(desk, on_conflict="fail")
    (desk.config.folder("outbox") / "a.png").write_text("mine")
    entry = rendered(desk)
    closing = Closing(desk)
    close(desk, closing, entry)
    assert again(desk, entry).state is State.FAILED
    close(desk, closing, again(desk, entry))
    assert again(desk, entry).settled
    assert (desk.config.folder("failed") / "a.reason.txt").read_text().startswith("a.yaml: output:")


def test_a_refused_step_is_tried_again_later_and_told_once(desk: Desk) -> None:
    """31. Held, not failed; other jobs are not kept waiting."""
    entry = rendered(desk, folder="sub")
    other = rendered(desk, "b")
    in_the_way = desk.config.folder("outbox") / "sub"
    in_the_way.write_text("x")
    closing = Closing(desk)
    logged = close(desk, closing, entry) + close(desk, closing, entry)
    assert [line["event"] for line in logged] == [telemetry.JOB_HELD]
    assert entry.job_id in closing.refused
    assert [one.job_id for one in closing.due()] == [other.job_id]
    assert again(desk, entry).state is State.RENDERED
    in_the_way.unlink()
    logged = close(desk, closing, entry)
    assert [line["event"] for line in logged] == [telemetry.JOB_DONE]
    assert closing.refused == {}


def test_what_was_refused_is_due_again_after_a_while(desk: Desk) -> None:
    """`rescan_seconds` is the while."""
    configure(desk, rescan_seconds=1e-6)
    entry = rendered(desk)
    closing = Closing(desk)
    closing.put_off(entry, "no room")
    assert [one.job_id for one in closing.due()] == [entry.job_id]


def test_a_lost_result_goes_back_to_the_worker(desk: Desk) -> None:
    """And says so."""
    entry = rendered(desk)
    assert entry.rendered is not None
    entry.rendered.path.unlink()
    logged = close(desk, Closing(desk), entry)
    assert [line["event"] for line in logged] == [telemetry.JOB_DEFERRED]
    assert again(desk, entry).state is State.CLAIMED


def test_nothing_is_concluded_without_the_inbox(desk: Desk) -> None:
    """11. Its originals only seem to be gone."""
    entry = published(desk)
    scan(desk)
    away = desk.inbox.with_name("away")
    shutil.move(desk.inbox, away)
    closing = Closing(desk)
    with pytest.raises(InboxAbsentError):
        closing.close(entry)
    assert closing.refused == {}
    shutil.move(away, desk.inbox)
    close(desk, closing, entry)
    assert tree(desk.config.folder("done")) == PAIR


def test_jobs_are_read_when_their_turn_comes(desk: Desk) -> None:
    """43. A thousand manifests at once would fill the memory; and one may be settled meanwhile."""
    first, second = published(desk, "a"), published(desk, "b")
    desk.ended_at.clear()
    due = Closing(desk).due()
    assert next(due).job_id == first.job_id
    desk.ledger.advance(second, settled=True)
    assert list(due) == []
