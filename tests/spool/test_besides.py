"""What lies beside a result."""

from __future__ import annotations

import dataclasses
import stat
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from jobs import again, configure, manifest, rendered, tree

from nstd.errors import NameTakenError
from nstd.spool import besides, publish, steps
from nstd.spool.decide import Do

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.entry import Entry
    from nstd.spool.desk import Desk


def outbox(desk: Desk) -> Path:
    """Find the outbox."""
    return desk.config.folder("outbox")


def with_snapshot(desk: Desk) -> Entry:
    """Render a job that left an intermediate picture."""
    entry = rendered(desk)
    assert entry.rendered is not None
    snapshot = save_picture(entry.rendered.path.parent / "snapshots" / "000020.jpg")
    result = dataclasses.replace(entry.rendered, snapshots=(snapshot,))
    return desk.ledger.advance(entry, rendered=result)


def with_report(desk: Desk, name: str = "a", text: str = "about a") -> Entry:
    """Render a job that asked for a report."""
    entry = rendered(desk, name)
    assert entry.rendered is not None
    report = entry.rendered.path.with_name("report.html")
    report.write_text(text)
    result = dataclasses.replace(entry.rendered, report=report)
    return desk.ledger.advance(entry, rendered=result)


def test_snapshots_lie_beside_the_result(desk: Desk) -> None:
    """Intermediate pictures are in a folder with the result's name, complete from the start."""
    steps.advance(desk, with_snapshot(desk), manifest)
    assert tree(outbox(desk)) == {"a.png", "a.json", "a.snapshots/000020.jpg"}


def test_snapshots_are_put_there_once(desk: Desk) -> None:
    """27. A try that was cut off before the manifest is gone on with."""
    entry = publish.place(desk, publish.stage(desk, with_snapshot(desk)))
    besides.place(desk.config, entry)
    hidden = outbox(desk) / f".{entry.job_id}.snapshots.tmp"
    assert not hidden.exists()
    steps.advance(desk, entry, manifest)
    assert tree(outbox(desk)) == {"a.png", "a.json", "a.snapshots/000020.jpg"}


def test_a_report_lies_beside_the_result(desk: Desk) -> None:
    """Under the result's stem, with the mode that was asked for, before the manifest."""
    configure(desk, file_mode="0664")
    entry = publish.place(desk, publish.stage(desk, with_report(desk)))
    besides.place(desk.config, entry)
    assert tree(outbox(desk)) == {"a.png", "a.report.html"}
    steps.advance(desk, entry, manifest)
    assert tree(outbox(desk)) == {"a.png", "a.json", "a.report.html"}
    report = outbox(desk) / "a.report.html"
    assert report.read_text() == "about a"
    assert stat.S_IMODE(report.stat().st_mode) == 0o664


def test_a_report_is_put_there_once(desk: Desk) -> None:
    """27. A try that was cut off before the manifest is gone on with; nothing hidden is left."""
    entry = publish.place(desk, publish.stage(desk, with_report(desk)))
    besides.place(desk.config, entry)
    besides.place(desk.config, entry)
    steps.advance(desk, entry, manifest)
    assert tree(outbox(desk)) == {"a.png", "a.json", "a.report.html"}


def test_a_reports_name_that_is_taken_moves_everything(desk: Desk) -> None:
    """25. Another's page is not overwritten; result, manifest and report keep the same stem."""
    entry = publish.place(desk, publish.stage(desk, with_report(desk)))
    (outbox(desk) / "a.report.html").write_text("mine")
    after, turn = steps.advance(desk, entry, manifest)
    assert turn is Do.CONFIRM
    assert after is not None
    assert tree(outbox(desk)) == {"a.report.html", "a-2.png", "a-2.json", "a-2.report.html"}
    assert (outbox(desk) / "a.report.html").read_text() == "mine"
    assert (outbox(desk) / "a-2.report.html").read_text() == "about a"


def test_a_link_in_a_reports_place_is_anothers(desk: Desk) -> None:
    """Even one to the very same words: it is neither followed nor removed."""
    entry = publish.place(desk, publish.stage(desk, with_report(desk)))
    assert entry.rendered is not None
    (outbox(desk) / "a.report.html").symlink_to(entry.rendered.report or "")
    steps.advance(desk, entry, manifest)
    assert (outbox(desk) / "a.report.html").is_symlink()
    assert (outbox(desk) / "a-2.report.html").read_text() == "about a"


def test_a_manifests_name_that_is_taken_takes_the_report_back(desk: Desk) -> None:
    """It was there already, and would be an orphan."""
    entry = publish.place(desk, publish.stage(desk, with_report(desk)))
    besides.place(desk.config, entry)
    (outbox(desk) / "a.json").write_text("mine")
    steps.advance(desk, entry, manifest)
    assert tree(outbox(desk)) == {"a.json", "a-2.png", "a-2.json", "a-2.report.html"}


def test_a_late_conflict_may_be_the_jobs_end(desk: Desk) -> None:
    """With `on_conflict: fail` nothing of the job's is left, and all of the other's."""
    configure(desk, on_conflict="fail")
    entry = publish.place(desk, publish.stage(desk, with_report(desk)))
    (outbox(desk) / "a.report.html").write_text("mine")
    with pytest.raises(NameTakenError):
        publish.tell(desk, entry, manifest)
    publish.retract(again(desk, entry))
    assert tree(outbox(desk)) == {"a.report.html"}
    assert (outbox(desk) / "a.report.html").read_text() == "mine"
