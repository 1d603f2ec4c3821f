"""`nstd status` and `nstd history`, with nobody at work."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from invoking import shown, told
from jobs import end, failed, published, queued

from nstd.commands import watching
from nstd.entry import State
from nstd.errors import UsageError
from nstd.spool import layout, lock
from nstd.spool.nowfile import Device, Now, NowFile

if TYPE_CHECKING:
    from nstd.spool.desk import Desk


def test_status_of_a_stopped_daemon(desk: Desk) -> None:
    """Everything that the ledger knows, within the width of the terminal."""
    end(desk, published(desk, "album/p"))
    end(desk, failed(desk, "f"))
    queued(desk, "q")
    text = shown(desk, "status")
    assert "nstd is not running; its jobs go on when it starts" in text
    assert "1 waiting (the oldest for " in text
    assert "0 running, 1 done, 1 failed\nlast hour: 1 done, " in text
    assert "a.jpg: is damaged" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert told(desk, "status")["counts"]["failed"] == 1


def test_status_shows_devices_and_what_is_incomplete(desk: Desk) -> None:
    """The first few sidecars by name, the others by number; deaths in plain sight."""
    incomplete = {f"{number}.yaml": "waits" for number in range(8)}
    devices = (Device("gpu:0", "", "resting", 3, 0),)
    now = Now(7, "1.2", 1.5e9, "no room", (), devices, incomplete)
    NowFile(layout.now_file(desk.config)).update(now)
    with lock.held(desk.config.folder("state")):
        text = shown(desk, "status")
    assert "nstd is running (pid 7" in text
    assert "held: no room" in text
    assert "gpu:0   resting, 3 deaths" in text
    assert "4.yaml" in text
    assert "5.yaml" not in text
    assert "and 3 more" in text


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_status_starts_light(desk: Desk, options: list[str]) -> None:
    """Of a daemon at work; what it tells is plain, and importing pydantic would take longer."""
    queued(desk, "q")
    NowFile(layout.now_file(desk.config)).update(Now(7, "1.2", 1.5e9))
    arguments = ["status", *options, "--root", str(desk.config.root)]
    code = (
        "import sys; from nstd.cli import app\n"
        f"app({arguments!r}, standalone_mode=False)\n"
        "print('loaded:', *({'pydantic', 'numpy', 'PIL', 'requests'} & set(sys.modules)))"
    )
    with lock.held(desk.config.folder("state")):
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
    assert done.stdout.splitlines()[-1].strip() == "loaded:"


def test_status_says_that_it_is_paused(desk: Desk) -> None:
    """And how that ends."""
    desk.ledger.set_fact(layout.PAUSED, "1.5")
    assert "paused: no job is begun until `nstd resume`" in shown(desk, "status")


def test_names_can_not_forge_a_line(desk: Desk) -> None:
    """12. Nor do they speak to the terminal."""
    queued(desk, os.fsdecode(b"x\x1b[2J\n[red]99 failed"))
    for command in ("status", "history"):
        text = shown(desk, command, columns=200)
        assert "x\\x1b[2J\\n[red]99 failed" in text


def test_history_lists_the_newest_first(desk: Desk) -> None:
    """With result or reason, as far as the limit goes."""
    end(desk, published(desk, "p"))
    end(desk, failed(desk, "f"))
    text = shown(desk, "history", columns=200)
    assert str(desk.config.folder("outbox") / "p.png") in text
    assert "a.jpg: is damaged. Save it again." in text
    assert len(told(desk, "history")) == 2
    assert len(told(desk, "history", "--limit", "1")) == 1
    assert [one["name"] for one in told(desk, "history", "--state", "failed")] == ["f"]
    assert [one["name"] for one in told(desk, "history", "--name", "p*")] == ["p"]
    assert told(desk, "history", "--since", "1d", "--name", "g") == []


def test_the_help_names_every_state(desk: Desk) -> None:
    """Those that `--state` takes."""
    text = " ".join(shown(desk, "history", "--help", columns=200).split())
    assert all(state in text for state in State)


def test_failures_that_are_not_shown_are_counted(desk: Desk) -> None:
    """With the command that lists them."""
    for number in range(8):
        end(desk, failed(desk, f"f{number}"))
    assert "and 3 more: nstd history --state failed" in shown(desk, "status", columns=120)


def test_a_state_that_there_is_not(desk: Desk) -> None:
    """The nearest is offered."""
    with pytest.raises(UsageError, match=r"--state faild: .*did you mean 'failed'\?"):
        shown(desk, "history", "--state", "faild")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1.5h", 5400), ("2 d", 172_800), ("3min", 180), ("3m", 180), ("1w", 604_800)],
)
def test_ages(text: str, seconds: float) -> None:
    """A number and its unit."""
    assert watching.age(text, "--since") == seconds


@pytest.mark.parametrize("text", ["", "2", "d", "-1d", "2x", "1d2h", "nand"])
def test_what_is_no_age(text: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(UsageError, match=r"--since .*: is no age\. Write 30s"):
        watching.age(text, "--since")
