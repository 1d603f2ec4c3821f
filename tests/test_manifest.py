"""What is told about a finished job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jobs import FACTS, an_entry

from nstd.domain import FileIdentity, Rendered
from nstd.entry import Entry, Input, Source, State, Target
from nstd.manifest import manifest, summary

VERSION = FileIdentity(1, 2, 3, 4)
SECONDS = {"queued": 1.0, "claimed": 2.0, "running": 3.0, "rendered": 0.25, "published": 9.0}


def done(**changes: object) -> Entry:
    """Make up a published job."""
    inputs = (
        Input(Source("content", Path("/in"), Path("sub/a.jpg")), VERSION, "aa", "input-0.jpg"),
        Input(Source("style", Path("/lib"), Path("b.png"), weight=2.0), VERSION, "bb", "input-1"),
    )
    target = Target(Path("/o/.t"), VERSION, Path("/o/sub/a.png"), Path("/o/sub/a.json"))
    values = {
        "inputs": inputs,
        "state": State.PUBLISHED,
        "rendered": Rendered(Path("/w/result.png"), "ee", 640, 480, FACTS),
        "target": target,
        "attempts": 1,
        "crashes": 1,
    }
    return an_entry("job", **{**values, **changes})


def test_the_manifest_names_inputs_and_result_by_hash() -> None:
    """By the names that their owner knows, and with the attempt that succeeded."""
    told = manifest(done(), SECONDS)
    assert told["content"] == {"name": "a.jpg", "sha256": "aa"}
    assert told["styles"] == [{"name": "b.png", "sha256": "bb", "weight": 2.0}]
    assert told["output"] == {"name": "a.png", "width": 640, "height": 480, "sha256": "ee"}
    assert (told["job_id"], told["attempt"], told["manifest_version"]) == ("job", 3, 1)
    assert "duplicate_of" not in told
    json.dumps(told)


def test_a_duplicates_manifest_points_to_the_other_result() -> None:
    """24. Relative to itself, wherever that is."""
    target = Target(Path("/o/.t"), None, Path("/o/first/a.png"), Path("/o/sub/b.json"))
    told = manifest(done(duplicate_of="first", target=target), SECONDS)
    assert told["duplicate_of"] == "first"
    assert told["output"]["name"] == "../first/a.png"


def test_a_report_is_named_if_it_is_this_jobs() -> None:
    """Beside the manifest; a duplicate has none of its own."""
    report = Rendered(Path("/w/result.png"), "ee", 640, 480, FACTS, report=Path("/w/report.html"))
    assert manifest(done(rendered=report), SECONDS)["report"] == "a.report.html"
    assert manifest(done(), SECONDS)["report"] is None
    assert manifest(done(rendered=report, duplicate_of="first"), SECONDS)["report"] is None


def test_a_texture_has_no_content() -> None:
    """The key is there all the same."""
    assert manifest(done(inputs=done().inputs[1:]), SECONDS)["content"] is None


def test_seconds_are_the_ledgers_and_the_workers() -> None:
    """What `running` took beyond the worker's own stages is the way there and back."""
    stages = manifest(done(), SECONDS)["seconds"]
    assert stages == {
        "queued": 1.0,
        "wait": 2.0,
        "publish": 0.25,
        "retire": 9.0,
        "handover": 0.5,
        "load": 0.5,
        "optimise": 2.0,
    }


def test_overhead_is_what_the_engine_did_not_take() -> None:
    """Waiting is nobody's work."""
    told = summary(done(), SECONDS)
    assert told["engine_seconds"] == 2.0
    assert told["overhead_seconds"] == pytest.approx(0.25 + 0.5 + 0.5)
    assert (told["best_loss"], told["preset"]) == (0.5, "draft")


def test_a_draft_has_no_loss() -> None:
    """Nothing was optimised."""
    facts = {**FACTS, "losses": None}
    entry = done(rendered=Rendered(Path("/w/r.png"), "ee", 640, 480, facts))
    assert summary(entry, SECONDS)["best_loss"] is None
