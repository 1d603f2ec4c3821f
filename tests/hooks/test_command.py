"""Command hooks: real programs, run as the courier runs them."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from nstd.hook_settings import Command
from nstd.hooks import command
from nstd.hooks.outcome import Outcome, Verdict
from nstd.message import Message

MESSAGE = Message(
    "published",
    "20260101T000000-00000001",
    "sub/caf\udce9",
    1.0,
    {"job_id": "20260101T000000-00000001", "seed": 7},
    "sub/a.png",
    {"result": "/out/sub/a.png", "manifest": "/out/sub/a.json"},
)


def run(
    *argv: str | Path, timeout_seconds: float = 20.0, stopping: threading.Event | None = None
) -> Outcome:
    """Run a command on the message."""
    settings = Command(argv=list(map(str, argv)), timeout_seconds=timeout_seconds)
    return command.run(settings, MESSAGE, stopping or threading.Event())


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has waited for yet doesn't."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_event_is_in_the_environment_and_the_document_on_stdin(tmp_path: Path) -> None:
    """Names of any bytes too."""
    target = tmp_path / "told"
    code = (
        "import json, os, sys; told = {k: v for k, v in os.environ.items() if k[:5] == 'NSTD_'};"
        f"json.dump([told, json.load(sys.stdin)], open({str(target)!r}, 'w'))"
    )
    assert run(sys.executable, "-c", code).verdict is Verdict.DONE
    environment, document = json.loads(target.read_text())
    assert (
        environment.items()
        >= {
            "NSTD_EVENT": "published",
            "NSTD_DELIVERY_ID": "20260101T000000-00000001-published",
            "NSTD_JOB_ID": "20260101T000000-00000001",
            "NSTD_NAME": "sub/caf\udce9",
            "NSTD_RESULT": "/out/sub/a.png",
            "NSTD_MANIFEST": "/out/sub/a.json",
        }.items()
    )
    assert document == MESSAGE.document


def test_no_shell_reads_the_arguments() -> None:
    """They reach the program as they are."""
    done = run("/bin/echo", "$HOME", "; ls", "*")
    assert done.facts["output"] == "$HOME ; ls *"


def test_the_service_managers_words_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook must not be able to speak for the daemon."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    said = run("/usr/bin/env").facts["output"]
    assert "NOTIFY_SOCKET" not in said
    assert "WATCHDOG_USEC" not in said
    assert "PATH=" in said


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, Verdict.DONE), (1, Verdict.FAILED), (75, Verdict.RETRY)]
)
def test_the_exit_code_decides(code: int, verdict: Verdict) -> None:
    """Only 75, the temporary failure of sysexits.h, asks to be run again."""
    done = run("/bin/sh", "-c", f"echo said; exit {code}")
    assert done.verdict is verdict
    assert done.facts == {"exit_code": code, "output": "said"}
    assert bool(done.reason) == bool(code)


@pytest.mark.parametrize(("name", "words"), [("absent", "No such file"), ("plain", "denied")])
def test_a_command_that_can_not_be_run_is_tried_again(
    tmp_path: Path, name: str, words: str
) -> None:
    """It has done nothing yet; the share that it is on may come back."""
    (tmp_path / "plain").write_text("no program")
    done = run(tmp_path / name)
    assert done.verdict is Verdict.RETRY
    assert words in done.reason


def test_output_is_bounded() -> None:
    """The end of it is kept: that is where errors stand."""
    done = run("/bin/sh", "-c", "yes | head -c 1000000; echo; echo the end >&2")
    assert done.verdict is Verdict.DONE
    assert len(done.facts["output"]) <= 4096
    assert done.facts["output"].endswith("the end")


def test_a_command_that_hangs_is_ended_with_all_its_children(tmp_path: Path) -> None:
    """The whole group gets SIGTERM, and SIGKILL if it is deaf to that."""
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 600 & echo $! $$ > {pids}; wait; sleep 600"
    done = run("/bin/sh", "-c", script, timeout_seconds=0.5)
    assert done.verdict is Verdict.FAILED
    assert "took longer than 0.5 s" in done.reason
    assert done.facts["exit_code"] == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while any(map(is_alive, map(int, pids.read_text().split()))):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_polite_command_may_clean_up() -> None:
    """SIGTERM comes first."""
    script = "trap 'echo bye; exit 0' TERM; echo hello; sleep 600 & wait"
    done = run("/bin/sh", "-c", script, timeout_seconds=0.5)
    assert done.verdict is Verdict.FAILED
    assert done.facts["exit_code"] == 0


def test_a_child_that_is_left_behind_is_not_waited_for() -> None:
    """It may keep the pipe; the command itself has ended."""
    done = run("/bin/sh", "-c", "sleep 30 & echo $!")
    assert done.verdict is Verdict.DONE
    os.kill(int(done.facts["output"]), signal.SIGKILL)


def test_a_command_that_closes_its_output_is_waited_for() -> None:
    """Its exit code is still to come."""
    done = run("/bin/sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 3")
    assert done.facts["exit_code"] == 3


def test_the_daemons_end_ends_it() -> None:
    """Before its own time-out."""
    stopping = threading.Event()
    stopping.set()
    done = run("/bin/sleep", "600", timeout_seconds=600.0, stopping=stopping)
    assert done.facts["exit_code"] == -signal.SIGTERM
