"""What people who see only the share can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from jobs import an_entry, claimed, configure, end, failed, published, queued

from nstd.spool import status
from nstd.spool.nowfile import Progress
from nstd.spool.status import StatusFile

if TYPE_CHECKING:
    import pytest

    from nstd.spool.desk import Desk


def text(desk: Desk) -> str:
    """Read it."""
    return (desk.inbox / "STATUS.txt").read_text(encoding="utf-8")


def test_it_tells_what_runs_waits_lacks_failed_and_is_done(desk: Desk) -> None:
    """In that order, with names and reasons."""
    end(desk, published(desk, "p"))
    end(desk, failed(desk, "f"))
    queued(desk, "q")
    desk.ledger.advance(claimed(desk, "h"), hold="no room")
    running = Progress("r", "cpu", done=3, planned=10, seconds=2.0)
    StatusFile(desk).update([running], {Path("i.yaml"): "i.jpg is not there"}, "")
    lines = text(desk).splitlines()
    assert lines[:-2] == [
        "Running: 1",
        "  r on cpu: 3 of 10 iterations, about 14 s left",
        "Waiting: 2 jobs",
        *sorted(["  q", "  h: no room"], key=lines.index),
        "Incomplete: 1",
        "  i.yaml: i.jpg is not there",
        "Failed: 1",
        "  f: a.jpg: is damaged. Save it again.",
        "Done: 1",
    ]
    assert lines[-1].startswith("Written 2")


def test_it_tells_why_nothing_is_begun(desk: Desk) -> None:
    """First of all."""
    StatusFile(desk).update([], {}, "only 3 MiB are free")
    assert text(desk).splitlines()[:2] == ["Held: only 3 MiB are free", "Running: 0"]


def test_long_times_are_in_minutes(desk: Desk) -> None:
    """Nobody wants to divide."""
    StatusFile(desk).update([Progress("r", "gpu:1", 0, 100, 6.0)], {}, "")
    assert "about 10 min left" in text(desk)


def test_names_can_not_forge_a_line(desk: Desk) -> None:
    """12. What isn't printable is escaped, and so is what isn't UTF-8."""
    name = os.fsdecode(b"caf\xe9\nDone: 99")
    queued(desk, name)
    StatusFile(desk).update([], {Path(f"{name}.yaml"): "x\x1b[2J"}, "")
    assert "  caf\\udce9\\nDone: 99" in text(desk).splitlines()
    assert "x\\x1b[2J" in text(desk)
    assert "\nDone: 99" not in text(desk)


def test_it_tells_what_is_nobodys(desk: Desk) -> None:
    """So that whoever dropped it need not wait for ever."""
    StatusFile(desk).update([], {}, "", {Path("t.bmp"): "is no picture"})
    assert "Not asked for:\n  t.bmp: is no picture\n" in text(desk)


def test_only_the_first_few_are_named(desk: Desk) -> None:
    """The numbers are of all."""
    for number in range(12):
        desk.ledger.admit(an_entry(f"job-{number:02}"))
    StatusFile(desk).update([], {Path(f"{n}.yaml"): "waits" for n in range(12)}, "")
    lines = text(desk).splitlines()
    assert "Waiting: 12 jobs" in lines
    assert "Incomplete: 12" in lines
    assert sum(line.startswith("  ") for line in lines) == 20


def test_it_is_replaced_in_one_step(desk: Desk) -> None:
    """A reader has the old one or the new one, whole; nothing temporary is seen in the inbox."""
    StatusFile(desk).update([], {}, "first")
    with (desk.inbox / "STATUS.txt").open() as reader:
        StatusFile(desk).update([], {}, "second")
        assert "first" in reader.read()
    assert "second" in text(desk)
    assert sorted(path.name for path in desk.inbox.iterdir()) == [".nstd", "STATUS.txt"]


def test_it_is_not_written_for_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither too often, nor when nothing has changed."""
    told = StatusFile(desk)
    told.update([], {}, "first")
    told.update([], {}, "second")
    assert "first" in text(desk), "too soon"
    monkeypatch.setattr(status, "_PAUSE", 0.0)
    told = StatusFile(desk)
    told.update([], {}, "third")
    before = (desk.inbox / "STATUS.txt").stat().st_ino
    told.update([], {}, "third")
    assert (desk.inbox / "STATUS.txt").stat().st_ino == before
    told.update([], {}, "fourth")
    assert "fourth" in text(desk)


def test_the_end_is_told(desk: Desk) -> None:
    """And how much is left."""
    queued(desk)
    StatusFile(desk).close()
    assert text(desk).startswith("nstd is stopped; 1 job will go on when it starts.")


def test_it_can_be_done_without(desk: Desk) -> None:
    """`status_file: false`."""
    configure(desk, status_file=False)
    told = StatusFile(desk)
    told.update([], {}, "")
    told.close()
    assert not (desk.inbox / "STATUS.txt").exists()


def test_what_the_inbox_refuses_is_told_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder has its name; jobs are done all the same, and it is written when that is gone."""
    monkeypatch.setattr(status, "_PAUSE", 0.0)
    (desk.inbox / "STATUS.txt").mkdir()
    told = StatusFile(desk)
    with structlog.testing.capture_logs() as logged:
        told.update([], {}, "")
        told.update([], {}, "")
    (line,) = logged
    assert line["event"] == "status.refused"
    assert "STATUS.txt" in line["reason"]
    (desk.inbox / "STATUS.txt").rmdir()
    told.update([], {}, "")
    assert (desk.inbox / "STATUS.txt").is_file()
