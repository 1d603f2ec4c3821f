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
from nstd import encoding, images, masks, resampling
from nstd.domain import SNAPSHOT_FOLDER, Checkpoint, Rendered, StyleImage, StyleRequest
from nstd.plugins.chain import Chain
from nstd.report import Report, Shown, thumbnail
from nstd.spool.files import fsync, sha256, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nstd.domain import Float32Image, Iterate, Job, Region, StyleResult, WeightedFile
    from nstd.engine.engine import Engine
    from nstd.engine.estimate import Estimate
    from nstd.images import ImageLimits, Picture
    from nstd.report import Role


class Rendering:
    """One job under way: iterate over it for the engine's iterates, then finish it.

    Args:
        job: what to render; its images are decoded here.
        engine: gives the engine that does the work. It is asked once the images are decoded: to
            load one takes seconds, and a wrong picture is told at once.
        limits: on the images.
        plugins: change parameters before the transfer, and the picture after it.
        alive: see `Transfer`.

    Raises:
        ImageError: an image can't be decoded, or is too large or too small.
    """

    def __init__(
        self,
        job: Job,
        engine: Callable[[], Engine],
        limits: ImageLimits,
        plugins: Chain | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        started = time.perf_counter()
        self._plugins = plugins or Chain()
        self._job = dataclasses.replace(job, params=self._plugins.change_params(job))
        self._limits = limits
        self._long_side = 0
        self._alpha: Float32Image | None = None
        self._exif = b""
        self._notes: list[str] = []
        self._snapshots: list[Path] = []
        self._shown: list[Shown] = []
        request = self._request()
        decoded = time.perf_counter()
        self._engine = engine()
        started += time.perf_counter() - decoded  # not of this job's doing
        self._transfer = self._engine.transfer(request, self._saving(), alive)
        self._seconds_loading = time.perf_counter() - started

    @property
    def long_side(self) -> int:
        """Of the result, in pixels."""
        return self._long_side

    @property
    def estimate(self) -> Estimate:
        """What the transfer is likely to take."""
        return self._transfer.estimate

    def __iter__(self) -> Iterator[Iterate]:
        """The iterates that are still to come; leaves snapshots as they pass."""
        every = self._job.params.snapshots
        for iterate in self._transfer:
            yield iterate
            if every and (iterate.iteration + 1) % every == 0:
                self._leave_snapshot(iterate.iteration + 1)

    def finish(self) -> Rendered:
        """Encode the result into the job's work folder.

        Raises:
            NonFiniteLossError: see `Transfer.result`.
            CannotWriteError: the work folder refuses.
        """
        for _ in self:
            pass
        result = self._transfer.result()
        transferred = time.perf_counter()
        params = self._job.params
        image = self._plugins.process_result(result.image, params, self._job)
        height, width = image.shape[:2]
        alpha = None if self._alpha is None else _at(self._alpha, width, height)
        exif = self._exif if params.keep_metadata else b""
        if not encoding.has_room(exif, params.format):
            self._notes.append(f"its metadata are more than a {params.format} holds, and left out")
            exif = b""
        path = self._job.work / f"result{encoding.EXTENSIONS[params.format]}"
        with writing(path):
            encoding.encode(
                image,
                path,
                format=params.format,
                quality=params.quality,
                alpha=alpha,
                depth=params.depth,
                exif=exif,
            )
            fsync(path)
        digest = sha256(path)
        seconds = {
            "load": self._seconds_loading,
            **result.seconds,
            "encode": time.perf_counter() - transferred,
        }
        facts = self._facts(result, seconds)
        report = self._leave_report(image, result, facts) if params.report else None
        return Rendered(path, digest, width, height, facts, tuple(self._snapshots), report)

    def _saving(self) -> Checkpoint | None:
        """Where to leave checkpoints, and to go on from the last one.

        Raises:
            CannotWriteError: the work folder refuses.
        """
        folder = self._job.checkpoint
        if folder is None:
            return None
        with writing(folder):
            folder.mkdir(exist_ok=True)
        return Checkpoint(folder, self._job.checkpoint_seconds)

    def _request(self) -> StyleRequest:
        """The job's images, decoded at the sizes that are needed."""
        job, limits = self._job, self._limits
        sized = job.content or job.styles[0]  # a texture takes the style's shape
        header = images.read_header(sized.path, limits=limits, name=sized.name)
        side = job.params.long_side(max(header.width, header.height))
        width, height = resampling.fit(header.width, header.height, side)
        self._long_side = max(width, height)
        encoding.check_side(width, height, job.params.format, file=sized.name)
        content = self._load(job.content, side, "content") if job.content else None
        if content is not None:
            self._alpha = None if content.alpha is None else _at(content.alpha, width, height)
            self._exif = content.exif
        # Never enlarged, so a style is needed no larger than the largest scale shows it.
        style_side = max(1, round(side * job.params.style_scale))
        return StyleRequest(
            None if content is None else _at(content.rgb, width, height),
            tuple(
                StyleImage(self._load(style, style_side, "style").rgb, style.weight, style.name)
                for style in job.styles
            ),
            job.params,
            sized.name,
            (height, width),
            self._load(job.start, side, "start").rgb if job.start else None,
            self._regions(max(side, style_side)),
        )

    def _regions(self, side: int) -> tuple[Region, ...]:
        """What the job's masks say."""
        files = dict(zip(self._job.params.mask_files, self._job.masks, strict=True))

        def load(name: str) -> Float32Image:
            file = files[name]
            # As large as it is: to reduce a label image is to invent colours.
            return images.load(file.path, limits=self._limits, name=file.name).rgb

        return masks.regions(self._job.params, len(self._job.styles), load, side)

    def _load(self, file: WeightedFile, side: int, role: Role) -> Picture:
        picture = images.load(file.path, limits=self._limits, name=file.name, max_side=side)
        self._notes += [f"{file.name}: {note}" for note in picture.notes]
        if self._job.params.report:
            size = picture.header.width, picture.header.height
            self._shown.append(Shown(role, file.name, *size, thumbnail(picture.rgb)))
        return picture

    def _leave_snapshot(self, iteration: int) -> None:
        folder = self._job.work / SNAPSHOT_FOLDER
        path = folder / f"{iteration:06}.jpg"
        with writing(path):
            folder.mkdir(exist_ok=True)
            encoding.encode(self._transfer.image, path, format="jpeg")
        self._snapshots.append(path)

    def _leave_report(
        self, image: Float32Image, result: StyleResult, facts: dict[str, Any]
    ) -> Path:
        path = self._job.work / "report.html"
        height, width = image.shape[:2]
        small = thumbnail(image)
        shown = (*self._shown, Shown("result", self._job.name, width, height, small))
        with writing(path):
            path.write_bytes(Report(self._job.name, shown, result, facts).page())
            fsync(path)
        return path

    def _facts(self, result: StyleResult, seconds: dict[str, float]) -> dict[str, Any]:
        """What the manifest says of the engine's work, as plain JSON values."""
        weights, device = self._engine.weights, self._engine.device
        ran = len(result.trace)
        return {
            "parameters": self._job.params.model_dump(mode="json"),
            "recipe": dict(result.recipe),
            "device": result.device,
            "precision": result.precision,
            "deterministic": device.deterministic,
            "network": {"id": weights.network_id, "sha256": weights.sha256},
            "versions": {"nstd": nstd.__version__, "tensorflow": device.tensorflow},
            "iterations": ran,
            "best_iteration": result.best_iteration,
            "kept": result.kept,
            "scales": _json([dataclasses.asdict(scale) for scale in result.scales]),
            "estimate": {key: round(value, 1) for key, value in result.estimate.items()},
            "losses": _json(_milestones(result)),
            "seconds": {stage: round(value, 4) for stage, value in seconds.items()},
            "seconds_per_iteration": round(seconds["optimise"] / ran, 4) if ran else None,
            "traces": result.traces,
            "notes": [*self._notes, *result.notes],
            "plugins": self._plugins.account(),
        }


def _at(pixels: Float32Image, width: int, height: int) -> Float32Image:
    """The pixels at a size; loading has reduced them already, so this enlarges or does nothing."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return resampling.resize(pixels, (height, width))


def _milestones(result: StyleResult) -> dict[str, Any] | None:
    """Losses by term of the final scale's first iterate, of the result, and of the last iterate."""
    if result.loss is None:
        return None  # a draft
    return {
        "initial": dataclasses.asdict(result.scales[-1].first),
        "best": dataclasses.asdict(result.loss),
        "final": dataclasses.asdict(result.trace[-1]),
    }


def _json(value: Any) -> Any:  # noqa: ANN401 - plain values
    """The same, but None for the numbers that JSON doesn't have."""
    if isinstance(value, dict):
        return {key: _json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
