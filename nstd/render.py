"""Files in, file out: decode a job's images, run the engine, encode what it returns.

Shared by the worker process and `nstd stylize`; the engine is the caller's, so importing this
module costs no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

import nstd
from nstd import encoding, images, resampling
from nstd.domain import Rendered, StyleImage, StyleRequest
from nstd.spool.files import fsync, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.domain import Float32Image, Iterate, Job, Losses, StyleResult
    from nstd.engine.engine import Engine
    from nstd.images import ImageLimits


class Rendering:
    """One job under way: iterate over it for the engine's iterates, then finish it.

    Args:
        job: what to render; its images are decoded here.
        engine: does the work.
        limits: on the images.

    Raises:
        ImageError: an image can't be decoded, or is too large or too small.
    """

    def __init__(self, job: Job, engine: Engine, limits: ImageLimits) -> None:
        self._started = time.perf_counter()
        self._job = job
        self._engine = engine
        header = images.read_header(job.content.path, limits=limits, name=job.content.name)
        side = job.params.long_side(max(header.width, header.height))
        content = images.load(job.content.path, limits=limits, name=job.content.name, max_side=side)
        width, height = resampling.fit(header.width, header.height, side)
        self._alpha = None if content.alpha is None else _at(content.alpha, width, height)
        styles = [
            (images.load(style.path, limits=limits, name=style.name, max_side=side), style)
            for style in job.styles
        ]
        self._notes = (*content.notes, *(note for picture, _ in styles for note in picture.notes))
        request = StyleRequest(
            _at(content.rgb, width, height),
            tuple(StyleImage(picture.rgb, style.weight, style.name) for picture, style in styles),
            job.params,
            job.content.name,
        )
        self._transfer = engine.transfer(request)
        self._loaded = time.perf_counter()

    def __iter__(self) -> Iterator[Iterate]:
        """The iterates that are still to come."""
        return iter(self._transfer)

    def finish(self) -> Rendered:
        """Encode the result into the job's work folder.

        Raises:
            NonFiniteLossError: see `Transfer.result`.
            OSError: the work folder can't be written.
        """
        result = self._transfer.result()
        transferred = time.perf_counter()
        params = self._job.params
        path = self._job.work / f"result{encoding.EXTENSIONS[params.format]}"
        encoding.encode(
            result.image, path, format=params.format, quality=params.quality, alpha=self._alpha
        )
        fsync(path)
        digest = sha256(path)
        seconds = {
            "load": self._loaded - self._started,
            **result.seconds,
            "encode": time.perf_counter() - transferred,
        }
        height, width = result.image.shape[:2]
        return Rendered(path, digest, width, height, self._facts(result, seconds))

    def _facts(self, result: StyleResult, seconds: dict[str, float]) -> dict[str, Any]:
        """What the manifest says of the engine's work, as plain JSON values."""
        weights, device = self._engine.weights, self._engine.device
        ran = len(result.trace)
        return {
            "parameters": self._job.params.model_dump(mode="json"),
            "recipe": dict(result.recipe),
            "device": result.device,
            "precision": result.precision,
            "network": {"id": weights.network_id, "sha256": weights.sha256},
            "versions": {"nstd": nstd.__version__, "tensorflow": device.tensorflow},
            "iterations": ran,
            "best_iteration": result.best_iteration,
            "kept": result.kept,
            "scales": [dataclasses.asdict(scale) for scale in result.scales],
            "estimate": {key: round(value, 1) for key, value in result.estimate.items()},
            "losses": _milestones(result),
            "seconds": {stage: round(value, 4) for stage, value in seconds.items()},
            "seconds_per_iteration": round(seconds["optimise"] / ran, 4) if ran else None,
            "traces": result.traces,
            "notes": [*self._notes, *result.notes],
        }


def _at(pixels: Float32Image, width: int, height: int) -> Float32Image:
    """The pixels at a size; loading has reduced them already, so this enlarges or does nothing."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return resampling.resize(pixels, (height, width))


def _milestones(result: StyleResult) -> dict[str, dict[str, float | None]] | None:
    """Losses by term of the final scale's first iterate, of the result, and of the last iterate."""
    if result.loss is None:
        return None  # a draft
    return {
        "initial": _plain(result.scales[-1].first),
        "best": _plain(result.loss),
        "final": _plain(result.trace[-1]),
    }


def _plain(losses: Losses) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {
        term: value if math.isfinite(value) else None
        for term, value in dataclasses.asdict(losses).items()
    }
