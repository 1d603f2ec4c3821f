"""What is queued for hooks, at which change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobs import FAILURE, again, claimed, configure, end, failed, published, queued, rendered

from nstd.domain import Failure
from nstd.entry import State
from nstd.errors import CancelledError
from nstd.hook_settings import Command, Hooks
from nstd.manifest import manifest
from nstd.spool import publish, steps
from nstd.spool.desk import now

if TYPE_CHECKING:
    from nstd.entry import Entry
    from nstd.message import Message
    from nstd.spool.desk import Desk

EVERYTHING = Command(argv=["/bin/true"], events=["claimed", "published", "failed", "cancelled"])


def listen(desk: Desk) -> None:
    """Configure a hook that wants every event."""
    configure(desk, hooks=Hooks(commands=[EVERYTHING]))


def messages(desk: Desk) -> list[Message]:
    """Take what is queued out of the queue."""
    found = []
    while delivery := desk.ledger.deliveries.next_for(EVERYTHING.key, now()):
        found.append(delivery.message)
        desk.ledger.deliveries.remove(delivery)
    return found


def with_real_manifest(desk: Desk, entry: Entry) -> Entry:
    """Publish with the manifest that the daemon writes."""
    after, _ = steps.advance(desk, entry, lambda e: manifest(e, desk.ledger.seconds(e.job_id)))
    assert after is not None
    return after


def test_nothing_is_queued_without_hooks(desk: Desk) -> None:
    """Nor for a hook that wants other events."""
    configure(desk, hooks=Hooks(commands=[Command(argv=["/bin/true"], events=["cancelled"])]))
    published(desk)
    end(desk, failed(desk, "b"))
    assert desk.ledger.deliveries.count() == 0


def test_a_job_is_told_of_when_claimed_and_published(desk: Desk) -> None:
    """Once each; retiring it tells nothing."""
    listen(desk)
    entry = with_real_manifest(desk, rendered(desk, folder="sub"))
    end(desk, entry)
    first, second = messages(desk)
    assert first.event == "claimed"
    assert first.document["content"]["sha256"] == entry.inputs[0].sha256
    assert first.document["parameters"]["preset"] == "draft"
    assert second.event == "published"
    assert second.result == "sub/a.png"
    outbox = desk.config.folder("outbox")
    assert second.files == {
        "result": str(outbox / "sub/a.png"),
        "manifest": str(outbox / "sub/a.json"),
    }
    assert second.document == json.loads((outbox / "sub/a.json").read_text())


def test_a_manifest_that_was_taken_at_once_is_told_all_the_same(desk: Desk) -> None:
    """A consumer may be quicker than the row."""
    listen(desk)
    entry = with_real_manifest(desk, rendered(desk))
    messages(desk)
    assert entry.target is not None
    entry.target.manifest.unlink()
    publish.confirm(desk, entry)
    (message,) = messages(desk)
    assert message.document["output"]["name"] == "a.png"


def test_a_failure_is_told_of_when_its_reason_is_written(desk: Desk) -> None:
    """As the reason file has it."""
    listen(desk)
    entry = failed(desk)
    assert messages(desk) == []
    end(desk, entry)
    (message,) = messages(desk)
    assert message.event == "failed"
    assert message.document == json.loads(
        (desk.config.folder("failed") / "a.reason.json").read_text()
    )
    assert message.files == {"reason": str(desk.config.folder("failed") / "a.reason.json")}


def test_a_failure_without_a_place_for_a_reason_is_told_of_too(desk: Desk) -> None:
    """Its owner has taken all files back meanwhile."""
    listen(desk)
    entry = queued(desk)
    entry = desk.ledger.advance(entry, state=State.FAILED, failure=FAILURE)
    for path in desk.inbox.rglob("a.*"):
        path.unlink()
    end(desk, entry)
    assert again(desk, entry).settled
    (message,) = messages(desk)
    assert (message.event, message.files) == ("failed", {})


def test_a_cancelled_job_is_an_event_of_its_own(desk: Desk) -> None:
    """Nobody has to look into the reason to tell the two apart."""
    listen(desk)
    entry = claimed(desk)
    failure = Failure.of(CancelledError("cancelled before it was run", file="a.yaml"))
    end(desk, desk.ledger.advance(entry, state=State.CANCELLED, failure=failure))
    assert [message.event for message in messages(desk)] == ["claimed", "cancelled"]


def test_a_second_claim_tells_nothing(desk: Desk) -> None:
    """A result that was lost sends the job back to the worker; to hooks it is the same job."""
    listen(desk)
    entry = rendered(desk)
    assert entry.rendered is not None
    entry.rendered.path.unlink()
    after, _ = steps.advance(desk, entry, lambda _: {})
    assert after is not None
    assert after.state is State.CLAIMED
    assert [message.event for message in messages(desk)] == ["claimed"]
