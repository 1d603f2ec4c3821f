"""What nstd tells about a finished job: the manifest, and the canonical log line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nstd.domain import Claim, ClaimedFile, Published, Rendered

MANIFEST_VERSION = 1

# What the engine itself took; everything else a job costs is overhead.
_ENGINE_STAGES = ("draft", "targets", "optimise")


def manifest(
    claim: Claim, rendered: Rendered, seconds: Mapping[str, float], attempt: int
) -> dict[str, Any]:
    """The manifest of a result but for its `output`, which publishing adds.

    Args:
        claim: the job and its inputs.
        rendered: the result and the engine's facts.
        seconds: by stage, of the supervisor's stages so far.
        attempt: which one succeeded, from 1.
    """
    facts = dict(rendered.facts)
    return {
        "manifest_version": MANIFEST_VERSION,
        "job_id": claim.job_id,
        "name": claim.name,
        "attempt": attempt,
        "content": _input(claim.content) if claim.content else None,
        "styles": [
            {**_input(style), "weight": weight}
            for style, (_, weight) in zip(
                claim.styles, claim.candidate.sidecar.styles or [("", 1.0)], strict=True
            )
        ],
        "init": _input(claim.start) if claim.start else None,
        **facts,
        "seconds": {**_rounded(seconds), **facts["seconds"]},
    }


def summary(
    rendered: Rendered, published: Published, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """The canonical line of a job that is done: everything worth graphing."""
    facts = rendered.facts
    stages = {**_rounded(seconds), **facts["seconds"]}
    engine = sum(stages.get(stage, 0.0) for stage in _ENGINE_STAGES)
    waited = stages["queued"] + stages["wait"]
    best = facts["losses"]["best"]["total"] if facts["losses"] else None
    return {
        "result": str(published.path),
        "manifest": str(published.manifest),
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


def _input(file: ClaimedFile) -> dict[str, str]:
    return {"name": file.source.name, "sha256": file.sha256}


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {stage: round(value, 4) for stage, value in seconds.items()}
