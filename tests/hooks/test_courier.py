"""The courier, with the real ledger and real commands, without a daemon."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import pytest
from jobs import again, claimed, configure, end, failed, published
from structlog.testing import capture_logs

from nstd.hook_settings import Command, Hooks
from nstd.hooks.courier import Courier
from nstd.spool.desk import now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nstd.entry import Entry
    from nstd.spool.deliveries import Delivery
    from nstd.spool.desk import Desk

PATIENCE = 20.0


def told(script: str, *events: str, **settings: Any) -> Hooks:
    """Configure one command hook: a line of shell."""
    wanted = list(events) or ["published"]
    one = Command(argv=["/bin/sh", "-c", script], events=wanted)  # type: ignore[arg-type]
    return Hooks(commands=[one], **{"backoff_seconds": 0.05, **settings})


@pytest.fixture
def courier(desk: Desk) -> Iterator[Courier]:
    """Lend a courier."""
    courier = Courier(desk)
    yield courier
    courier.stop()


def tend(courier: Courier) -> list[dict[str, Any]]:
    """Tend until nothing is under way or due; returns what was logged."""
    deadline = time.monotonic() + PATIENCE
    with capture_logs() as logged:
        while courier.is_busy:
            courier.tend()
            time.sleep(0.01)
            assert time.monotonic() < deadline
        courier.tend()
    return [dict(line) for line in logged]


def test_each_event_is_told_to_those_who_want_it(
    desk: Desk, courier: Courier, tmp_path: Path
) -> None:
    """In the order in which they happened, and only once."""
    log = tmp_path / "log"
    script = f'echo "$NSTD_EVENT $NSTD_NAME" >> {log}'
    configure(desk, hooks=told(script, "claimed", "published"))
    published(desk)
    end(desk, failed(desk, "b"))
    lines = tend(courier)
    assert log.read_text().splitlines() == ["claimed a", "published a"]
    assert [line["event"] for line in lines] == ["hook.done"] * 2
    assert desk.ledger.deliveries.count() == 0
    assert tend(courier) == []


def test_a_failure_is_logged_and_not_repeated(desk: Desk, courier: Courier) -> None:
    """With exit code and output; the job is as it was."""
    configure(desk, hooks=told("echo broken; exit 3"))
    entry = published(desk)
    (line,) = tend(courier)
    assert line["event"] == "hook.failed"
    assert line["log_level"] == "warning"
    assert (line["exit_code"], line["output"], line["seconds"]) == (3, "broken", None)
    assert line["hook"] == "commands.0 (/bin/sh)"
    assert again(desk, entry) == entry
    assert desk.ledger.deliveries.count() == 0


def test_a_temporary_failure_is_repeated_after_a_growing_pause(
    desk: Desk, courier: Courier, tmp_path: Path
) -> None:
    """Under the same id, until it works."""
    log = tmp_path / "log"
    script = f"echo $NSTD_DELIVERY_ID >> {log}; test $(wc -l < {log}) -ge 4 || exit 75"
    configure(desk, hooks=told(script))
    entry = published(desk)
    lines: list[dict[str, Any]] = []
    while desk.ledger.deliveries.count():
        lines += tend(courier)
        time.sleep(0.02)
    assert log.read_text().splitlines() == [f"{entry.job_id}-published"] * 4
    assert [line["attempt"] for line in lines] == [1, 2, 3, 4]
    pauses = [line["seconds"] for line in lines[:3]]
    assert all(0.035 <= pause / 2**n <= 0.065 for n, pause in enumerate(pauses))


def test_no_pause_is_longer_than_the_limit(desk: Desk, courier: Courier) -> None:
    """However often it has failed."""
    configure(desk, hooks=told("exit 75", backoff_longest_seconds=100.0))
    (delivery,) = queue(desk, published(desk), attempts=5000)
    (line,) = tend(courier)
    assert 80 <= line["seconds"] <= 120
    due = desk.ledger.deliveries.next_time(delivery.hook)
    assert due is not None
    assert due > now()


def test_a_hook_that_hangs_keeps_only_itself_waiting(desk: Desk, courier: Courier) -> None:
    """Another is told meanwhile, and tending never blocks."""
    hangs = Command(argv=["/bin/sleep", "600"])
    works = Command(argv=["/bin/echo", "told"])
    configure(desk, hooks=Hooks(commands=[hangs, works]))
    published(desk)
    deadline = time.monotonic() + PATIENCE
    with capture_logs() as logged:
        while not any(line["event"] == "hook.done" for line in logged):
            courier.tend()
            time.sleep(0.01)
            assert time.monotonic() < deadline
    assert logged[0]["hook"] == "commands.1 (/bin/echo)"
    assert courier.is_busy
    assert desk.ledger.deliveries.count() == 1


def test_the_end_leaves_what_was_not_told_in_the_queue(desk: Desk) -> None:
    """The command is ended, and run anew by the next start."""
    configure(desk, hooks=told("sleep 600"))
    published(desk)
    courier = Courier(desk)
    courier.tend()
    courier.stop()
    assert desk.ledger.deliveries.count() == 1
    assert Courier(desk).is_busy


def queue(desk: Desk, entry: Entry, **changes: Any) -> list[Delivery]:
    """Replace a published job's deliveries by changed ones."""
    changed = []
    for hook in desk.config.hooks.all:
        found = desk.ledger.deliveries.next_for(hook, now())
        assert found is not None
        changed.append(dataclasses.replace(found, **changes))
        desk.ledger.deliveries.remove(found)
    desk.ledger.advance(entry, deliveries=changed)
    return changed


def test_what_keeps_failing_is_given_up(desk: Desk, courier: Courier) -> None:
    """After `give_up_seconds`, and with a line in the log; a first attempt is always made."""
    configure(desk, hooks=told("exit 75", give_up_seconds=50.0))
    failing = {"attempts": 3, "not_before": now() + 60}
    queue(desk, published(desk), queued_at=now() - 60, **failing)
    queue(desk, published(desk, "late"), queued_at=now() - 60)  # the daemon was not there
    lines = tend(courier)
    assert [line["event"] for line in lines] == ["hook.given_up", "hook.failed"]
    assert lines[0]["attempts"] == 3
    assert lines[0]["name"] == "a"
    assert lines[1]["name"] == "late"


def test_what_is_for_no_hook_waits_and_is_given_up(desk: Desk) -> None:
    """A hook that was removed by mistake may come back; no rows stay for ever."""
    hooks = told("true", give_up_seconds=50.0)
    configure(desk, hooks=hooks)
    entry = published(desk)
    configure(desk, hooks=Hooks(give_up_seconds=50.0))
    courier = Courier(desk)
    assert tend(courier) == []
    assert desk.ledger.deliveries.count() == 1
    configure(desk, hooks=hooks)
    queue(desk, entry, queued_at=now() - 60)
    configure(desk, hooks=Hooks(give_up_seconds=50.0))
    courier = Courier(desk)
    (line,) = tend(courier)
    assert line["event"] == "hook.given_up"
    assert line["hook"] == "none that is configured"
    courier.stop()


def test_a_hook_of_claimed_gets_what_is_asked_for(
    desk: Desk, courier: Courier, tmp_path: Path
) -> None:
    """Inputs with their hashes, and parameters, as JSON on stdin."""
    target = tmp_path / "told.json"
    configure(desk, hooks=told(f"cat > {target}", "claimed"))
    entry = claimed(desk)
    tend(courier)
    assert f'"sha256": "{entry.inputs[0].sha256}"' in target.read_text()
    assert '"preset": "draft"' in target.read_text()


def test_a_hook_that_can_not_be_told_is_named_at_the_start_and_at_a_reload(desk: Desk) -> None:
    """Before an event is told to nobody."""
    configure(desk, hooks=Hooks(commands=[Command(argv=["no-such-program"])]))
    with capture_logs() as logged:
        courier = Courier(desk)
        courier.reload()
    courier.stop()
    assert [line["event"] for line in logged] == ["hook.faulty"] * 2
    assert logged[0]["hook"] == "commands.0 (no-such-program)"
    assert "no-such-program" in logged[0]["reason"]
