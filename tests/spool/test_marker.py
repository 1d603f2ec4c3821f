"""Telling the inbox from an empty mount point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstd.spool import layout, marker
from nstd.spool.ledger import Ledger
from nstd.spool.marker import Presence

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config
    from nstd.spool.desk import Desk


def mark(desk: Desk) -> Path:
    """Find the marker."""
    return layout.control(desk.config) / "marker"


def test_a_new_ledger_takes_any_inbox(config: Config, tmp_path: Path) -> None:
    """Marked already, by an earlier ledger, or not."""
    layout.create(config)
    ledger = Ledger(tmp_path / "one.sqlite")
    assert marker.presence(config, ledger) is Presence.NEW
    marker.adopt(config, ledger)
    assert marker.presence(config, ledger) is Presence.HERE
    other = Ledger(tmp_path / "two.sqlite")
    assert marker.presence(config, other) is Presence.NEW
    marker.adopt(config, other)
    assert marker.presence(config, other) is Presence.HERE
    assert marker.presence(config, ledger) is Presence.HERE
    ledger.close()
    other.close()


def test_an_inbox_without_its_marker_is_absent(desk: Desk) -> None:
    """11. Missing, empty, unreadable or another's."""
    assert marker.presence(desk.config, desk.ledger) is Presence.HERE
    right = mark(desk).read_bytes()
    for wrong in (b"", b"other\n", b"\xff\xfe"):
        mark(desk).write_bytes(wrong)
        assert marker.presence(desk.config, desk.ledger) is Presence.ABSENT
    mark(desk).unlink()
    assert marker.presence(desk.config, desk.ledger) is Presence.ABSENT
    mark(desk).write_bytes(right)
    assert marker.presence(desk.config, desk.ledger) is Presence.HERE


def test_the_remedy_works(desk: Desk) -> None:
    """It names the file and what to write into it."""
    mark(desk).unlink()
    said = marker.remedy(desk.config, desk.ledger)
    assert str(mark(desk)) in said
    known = desk.ledger.fact("inbox")
    assert known is not None
    assert known in said
    mark(desk).write_text(known)
    assert marker.presence(desk.config, desk.ledger) is Presence.HERE
