"""What nstd tells about a job: what it is asked for, the manifest, the reason, the log line."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from nstd.entry import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nstd.domain import Rendered
    from nstd.entry import Entry, Input

MANIFEST_VERSION = 1

# What the engine itself took; everything else a job costs is overhead.
_ENGINE_STAGES = ("draft", "targets", "optimise")
# What the time in each state is called; `running` is the worker's, and the way there and back.
_STAGES = {
    State.QUEUED: "queued",
    State.CLAIMED: "wait",
    State.RENDERED: "publish",
    State.PUBLISHED: "retire",
}
_WAITS = ("queued", "wait", "retire")


def manifest(entry: Entry, seconds: Mapping[str, float]) -> dict[str, Any]:
    """The manifest of a result.

    Args:
        entry: rendered, with its target.
        seconds: that the job has spent in each state so far.
    """
    rendered, target = entry.rendered, entry.target
    assert rendered is not None  # noqa: S101 - the caller's contract
    assert target is not None  # noqa: S101 - likewise
    duplicate = {"duplicate_of": entry.duplicate_of} if entry.duplicate_of else {}
    return {
        "manifest_version": MANIFEST_VERSION,
        "job_id": entry.job_id,
        "name": entry.name,
        "attempt": entry.attempts + entry.crashes + 1,
        **duplicate,
        **_inputs(entry),
        **rendered.facts,
        "seconds": _stages(rendered, seconds),
        "report": target.report.name if rendered.report and not duplicate else None,
        "output": {
            "name": os.path.relpath(target.final, target.manifest.parent),
            "width": rendered.width,
            "height": rendered.height,
            "sha256": rendered.sha256,
        },
    }


def asked(entry: Entry) -> dict[str, Any]:
    """What a claimed job is asked for."""
    return {
        "job_id": entry.job_id,
        "name": entry.name,
        **_inputs(entry),
        "parameters": entry.params.model_dump(mode="json") if entry.params else None,
        "priority": entry.priority,
    }


def reason(entry: Entry) -> dict[str, Any]:
    """Why a job has failed or was cancelled."""
    failure = entry.failure
    assert failure is not None  # noqa: S101 - the caller's contract
    return {"job_id": entry.job_id, "name": entry.name, **dataclasses.asdict(failure)}


def summary(entry: Entry, seconds: Mapping[str, float]) -> dict[str, Any]:
    """The canonical line of a job that is done: everything worth graphing."""
    rendered, target = entry.rendered, entry.target
    assert rendered is not None  # noqa: S101 - the caller's contract
    assert target is not None  # noqa: S101 - likewise
    facts = rendered.facts
    stages = _stages(rendered, seconds)
    engine = sum(stages.get(stage, 0.0) for stage in _ENGINE_STAGES)
    waited = sum(stages.get(stage, 0.0) for stage in _WAITS)
    best = facts["losses"]["best"]["total"] if facts["losses"] else None
    return {
        "result": str(target.final),
        "manifest": str(target.manifest),
        "duplicate_of": entry.duplicate_of or None,
        "preset": facts["parameters"]["preset"],
        "width": rendered.width,
        "height": rendered.height,
        "iterations": facts["iterations"],
        "best_iteration": facts["best_iteration"],
        "best_loss": best,
        "device": facts["device"],
        "precision": facts["precision"],
        "traces": facts["traces"],
        "seconds": stages,
        "seconds_per_iteration": facts["seconds_per_iteration"],
        "engine_seconds": round(engine, 4),
        "overhead_seconds": round(sum(stages.values()) - waited - engine, 4),
    }


def _stages(rendered: Rendered, seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds by stage: the supervisor's, the worker's, and the way between the two."""
    inside: dict[str, float] = rendered.facts["seconds"]
    stages = {name: seconds[state] for state, name in _STAGES.items() if state in seconds}
    running = seconds.get(State.RUNNING, 0.0)
    handover = max(0.0, running - sum(inside.values()))
    return {
        stage: round(value, 4)
        for stage, value in {**stages, "handover": handover, **inside}.items()
    }


def _inputs(entry: Entry) -> dict[str, Any]:
    """The images by role, by the names that their owner knows."""
    contents = [_input(one) for one in entry.inputs if one.source.role == "content"]
    styles = [one for one in entry.inputs if one.source.role == "style"]
    starts = [_input(one) for one in entry.inputs if one.source.role == "init"]
    return {
        "content": contents[0] if contents else None,
        "styles": [{**_input(one), "weight": one.source.weight} for one in styles],
        "init": starts[0] if starts else None,
        "masks": [_input(one) for one in entry.inputs if one.source.role == "mask"],
    }


def _input(one: Input) -> dict[str, str]:
    return {"name": one.source.relative.name, "sha256": one.sha256}
