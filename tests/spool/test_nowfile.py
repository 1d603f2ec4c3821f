"""The daemon's present, as others read it."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from typing import TYPE_CHECKING

import pytest

from nstd.spool import nowfile
from nstd.spool.nowfile import Device, Now, NowFile, Progress

if TYPE_CHECKING:
    from pathlib import Path

ODD = os.fsdecode(b"caf\xe9")
NOW = Now(
    7,
    "1.2",
    1.5e9,
    "no room",
    (Progress(ODD, "gpu:0", 3, 10, 0.5, "an-id", 0.25),),
    (Device("gpu:0", "a card", "working", 1, 2),),
    {f"{ODD}.yaml": "waits"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name the file."""
    return tmp_path / "now.json"


def test_what_is_written_is_read(path: Path) -> None:
    """Names of any bytes too; nothing temporary is left beside it."""
    NowFile(path).update(NOW)
    found = nowfile.read(path)
    assert found == NOW
    assert found is not None
    assert found.written_at > 0
    assert [entry.name for entry in path.parent.iterdir()] == ["now.json"]


def test_it_is_written_on_change_and_not_too_often(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes too soon is due later, and says when."""
    file = NowFile(path)
    file.update(NOW)
    first = path.stat().st_ino
    file.update(NOW)
    assert file.wakes_at == math.inf
    later = dataclasses.replace(NOW, held="")
    file.update(later)
    assert math.isfinite(file.wakes_at)
    assert nowfile.read(path) == NOW
    monkeypatch.setattr(nowfile.time, "monotonic", lambda: file.wakes_at)
    file.update(later)
    assert nowfile.read(path) == later
    assert file.wakes_at == math.inf
    assert path.stat().st_ino != first


def test_the_end_removes_it(path: Path) -> None:
    """There is no present any more; twice is once."""
    file = NowFile(path)
    file.update(NOW)
    file.close()
    file.close()
    assert nowfile.read(path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}', "null"])
def test_what_is_no_present_is_none(path: Path, text: str) -> None:
    """Another version's, or half a file: nothing is known, and nobody stumbles."""
    path.write_text(text)
    assert nowfile.read(path) is None


@pytest.mark.parametrize("place", ["now", "device"])
def test_what_another_version_adds_is_not_guessed_at(path: Path, place: str) -> None:
    """As after an upgrade, until the daemon is restarted."""
    NowFile(path).update(NOW)
    plain = json.loads(path.read_text())
    (plain if place == "now" else plain["devices"][0])["mood"] = "good"
    path.write_text(json.dumps(plain))
    assert nowfile.read(path) is None


def test_a_folder_that_refuses_stops_nothing(tmp_path: Path) -> None:
    """The ledger has more to say about that."""
    NowFile(tmp_path / "absent" / "now.json").update(NOW)
    assert not (tmp_path / "absent").exists()


def test_what_is_left_takes_as_long_as_the_latest_iteration() -> None:
    """Seven of half a second."""
    assert NOW.running[0].seconds_left == 3.5
