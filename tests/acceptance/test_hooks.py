"""Hooks of the real daemon: nothing that they do or suffer changes a job (ACCEPTANCE 42)."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from daemon_process import DaemonProcess, drop
from receiver import Receiver, secret_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Listen on the loopback."""
    made = Receiver()
    yield made
    made.close()


def daemon(
    root: Path,
    receiver: Receiver | None = None,
    commands: Sequence[dict[str, Any]] = (),
    *,
    command: str = "run",
    crash: Sequence[str] = (),
    **hook: Any,
) -> DaemonProcess:
    """Start a daemon with hooks."""
    hooks: dict[str, Any] = {"commands": list(commands), "backoff_seconds": 0.1}
    if receiver:
        secret = {"secret_file": str(secret_file(root))}
        hooks["webhooks"] = [{"url": receiver.url(), "timeout_seconds": 20.0, **secret, **hook}]
    return DaemonProcess(root, command, copying=True, crash=crash, settings={"hooks": hooks})


def test_a_webhook_that_fails_is_repeated_with_the_same_id(
    tmp_path: Path, receiver: Receiver
) -> None:
    """42. 500, then 503, then success; the job was done long before."""
    receiver.answer(500, 503)
    running = daemon(tmp_path, receiver)
    drop(tmp_path / "inbox", "a")
    running.wait_for("job.retired", state="retired")
    running.wait_for("hook.done")
    requests = [receiver.next() for _ in range(3)]
    assert len({request.message_id for request in requests}) == 1
    assert all(request.is_signed() for request in requests)
    manifest = json.loads((tmp_path / "outbox" / "a.json").read_text())
    assert requests[0].told["data"]["manifest"] == manifest
    assert requests[0].body == requests[2].body
    statuses = [e["status"] for e in running.events if e["event"].startswith("hook.")]
    assert statuses == [500, 503, 204]
    assert running.stop() == 0
    assert receiver.requests.empty()


def test_a_webhook_that_hangs_delays_no_job(tmp_path: Path, receiver: Receiver) -> None:
    """42. A server that answers only when every job is done is waited for by none of them."""
    jobs = 3
    running = daemon(tmp_path, receiver, events=["claimed"], timeout_seconds=60.0)

    def hang() -> int:
        running.wait_for("job.retired", jobs)
        return 204

    receiver.answer(hang)
    for number in range(jobs):
        drop(tmp_path / "inbox", f"job-{number}")
    assert len({receiver.next().message_id for _ in range(jobs)}) == jobs
    running.wait_for("hook.done", jobs)
    told = [event["event"] for event in running.events]
    assert told[: told.index("hook.done")].count("job.retired") == jobs
    assert "hook.failed" not in told
    assert running.stop() == 0


def test_a_webhook_that_hangs_is_repeated(tmp_path: Path, receiver: Receiver) -> None:
    """42. After its time it is told again, as the same message."""
    running = daemon(tmp_path, receiver, events=["claimed"], timeout_seconds=1.0)

    def hang() -> int:
        time.sleep(5)
        return 204

    receiver.answer(hang)
    drop(tmp_path / "inbox", "a")
    assert receiver.next().message_id == receiver.next().message_id
    assert "took longer than 1 s" in running.wait_for("hook.failed")["reason"]
    running.wait_for("job.retired")
    assert running.stop() == 0


def test_gone_disables_the_address_until_a_reload(tmp_path: Path, receiver: Receiver) -> None:
    """42. What happens meanwhile is kept, and told after SIGHUP."""
    receiver.answer(410)
    running = daemon(tmp_path, receiver)
    drop(tmp_path / "inbox", "a")
    assert running.wait_for("hook.disabled")["status"] == 410
    drop(tmp_path / "inbox", "b")
    running.wait_for("job.retired", name="b", state="retired")
    assert receiver.next().told["data"]["name"] == "a"
    time.sleep(1.0)  # ten times the back-off
    assert receiver.requests.empty()
    running.process.send_signal(signal.SIGHUP)
    running.wait_for("config.reloaded")
    assert {receiver.next().told["data"]["name"] for _ in range(2)} == {"a", "b"}
    running.wait_for("hook.done", 2)
    assert running.stop() == 0


def test_a_restart_asks_a_disabled_address_again(tmp_path: Path, receiver: Receiver) -> None:
    """42. The end of the daemon loses nothing that was to be told."""
    receiver.answer(410)
    running = daemon(tmp_path, receiver)
    drop(tmp_path / "inbox", "a")
    running.wait_for("hook.disabled")
    assert running.stop() == 0
    again = daemon(tmp_path, receiver)
    again.wait_for("hook.done")
    assert receiver.next().message_id == receiver.next().message_id
    assert again.stop() == 0


@pytest.mark.parametrize(
    ("point", "text", "event"),
    [
        ("claimed", "", "claimed"),
        ("published", "", "published"),
        ("explained", "sise: 3", "failed"),
    ],
)
def test_a_kill_right_after_a_change_loses_no_event(
    tmp_path: Path, receiver: Receiver, point: str, text: str, event: str
) -> None:
    """The event is in the ledger together with the change."""
    events = ["claimed", "published", "failed"]
    drop(tmp_path / "inbox", "a", text)
    killed = daemon(tmp_path, receiver, command="once", crash=[point], events=events)
    assert killed.ended() == -signal.SIGKILL
    before = receiver.requests.qsize()
    again = daemon(tmp_path, receiver, command="once", events=events)
    again.ended()
    told = [receiver.next().told["type"] for _ in range(receiver.requests.qsize())]
    assert f"job.{event}" in told[before:]
    assert len(told) <= len(set(told)) + 1


def test_a_kill_while_a_webhook_is_posted_repeats_it(tmp_path: Path, receiver: Receiver) -> None:
    """The receiver has had it, the ledger doesn't know: it is told again, under the same id."""
    running = daemon(tmp_path, receiver)

    def kill() -> int:
        running.process.kill()
        running.process.wait()
        return 204

    receiver.answer(kill)
    drop(tmp_path / "inbox", "a")
    first = receiver.next()
    assert running.ended() == -signal.SIGKILL
    again = daemon(tmp_path, receiver, command="once")
    assert again.ended() == 0
    assert receiver.next().message_id == first.message_id
    assert receiver.requests.empty()


def test_kills_at_random_lose_no_event(tmp_path: Path, receiver: Receiver) -> None:
    """Every job's events arrive at least once, each under one id, whatever died when."""
    chance = random.Random(7)
    names = [f"job-{number:02}" for number in range(12)]
    inbox = tmp_path / "inbox"
    for name in names:
        drop(inbox, name)
    told: dict[str, set[str]] = {"job.claimed": set(), "job.published": set()}
    for _ in range(5):
        receiver.answer(*chance.choices([204, 500], k=4))
        running = daemon(tmp_path, receiver, events=["claimed", "published"])
        running.wait_for("worker.ready")
        time.sleep(chance.uniform(0.05, 0.7))
        running.process.kill()
        running.ended()
    last = daemon(tmp_path, receiver, events=["claimed", "published"])
    last.wait_for("worker.ready")
    deadline = time.monotonic() + 60
    ids: dict[tuple[str, str], set[str]] = {}
    while not all(len(found) == len(names) for found in told.values()):
        received = receiver.next()
        event, name = received.told["type"], received.told["data"]["name"]
        told[event].add(name)
        ids.setdefault((event, name), set()).add(received.message_id)
        assert time.monotonic() < deadline
    assert last.stop() == 0
    assert len(list((tmp_path / "outbox").glob("*.json"))) == len(names)
    assert all(len(found) == 1 for found in ids.values())


def test_commands_that_fail_hang_and_are_missing_change_nothing(tmp_path: Path) -> None:
    """Jobs are done meanwhile; each failure is a line in the log."""
    commands = [
        {"argv": ["/bin/false"]},
        {"argv": ["/no/such/program"]},
        {"argv": ["/bin/sleep", "600"], "timeout_seconds": 2.0},
        {"argv": ["/bin/sh", "-c", "cat >/dev/null; echo told $NSTD_NAME"]},
    ]
    running = daemon(
        tmp_path, commands=[{"events": ["published", "failed"], **c} for c in commands]
    )
    drop(tmp_path / "inbox", "a")
    running.wait_for("job.retired", state="retired")
    assert running.wait_for("hook.done")["output"] == "told a"
    drop(tmp_path / "inbox", "b", "sise: 3")
    running.wait_for("job.retired", state="failed")
    assert running.wait_for("hook.done", 2)["told"] == "failed"
    assert running.wait_for("hook.failed", hook="commands.0 (/bin/false)")["exit_code"] == 1
    missing = running.wait_for("hook.failed", hook="commands.1 (/no/such/program)")
    assert "No such file" in missing["reason"]
    slow = running.wait_for("hook.failed", hook="commands.2 (/bin/sleep)")
    assert "took longer than 2 s" in slow["reason"]
    assert running.stop() == 0
    assert {path.name for path in (tmp_path / "outbox").iterdir()} == {"a.png", "a.json"}


def test_once_tells_what_is_due_and_ends(tmp_path: Path, receiver: Receiver) -> None:
    """What fails stays for the next start, and `once` neither waits for it nor fails."""
    receiver.answer(204, 500)
    drop(tmp_path / "inbox", "a")
    first = daemon(tmp_path, receiver, command="once", events=["claimed", "published"])
    assert first.ended() == 0
    assert [receiver.next().told["type"] for _ in range(2)] == ["job.claimed", "job.published"]
    second = daemon(tmp_path, receiver, command="once", events=["claimed", "published"])
    assert second.ended() == 0
    assert receiver.next().told["type"] == "job.published"
    assert receiver.requests.empty()


def test_a_stop_ends_a_command_and_the_next_start_runs_it_again(tmp_path: Path) -> None:
    """The daemon's end is not kept waiting."""
    log = tmp_path / "log"
    script = f"echo $$ >> {log}; test $(wc -l < {log}) -gt 1 || exec sleep 600"
    commands = [{"argv": ["/bin/sh", "-c", script], "timeout_seconds": 600.0}]
    running = daemon(tmp_path, commands=commands)
    drop(tmp_path / "inbox", "a")
    running.wait_for("job.retired")
    while not log.exists():
        time.sleep(0.05)
    assert running.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)
    again = daemon(tmp_path, commands=commands)
    again.wait_for("hook.done")
    assert again.stop() == 0


def test_no_secret_is_logged_or_kept(tmp_path: Path, receiver: Receiver) -> None:
    """Neither in the log nor in the ledger; nor the part of an address that may hold one."""
    receiver.answer(500)
    url = receiver.url("/T0KEN-in-the-path?key=T0KEN")
    running = daemon(tmp_path, receiver, url=url)
    drop(tmp_path / "inbox", "a")
    running.wait_for("hook.done")
    secret = (tmp_path / "webhook.secret").read_text().strip().removeprefix("whsec_")
    assert running.stop() == 0
    told = json.dumps([running.events, running.other_lines])
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").glob("ledger*"))
    assert secret not in told
    assert "T0KEN" not in told
    assert secret.encode() not in kept
    assert b"T0KEN" not in kept
