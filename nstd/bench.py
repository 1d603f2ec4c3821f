"""`nstd bench`: what this machine does in which time, in the engine's own precision."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group
from rich.table import Table

import nstd
from nstd import api, images, progress, resampling
from nstd.domain import StyleImage, StyleRequest
from nstd.params import StyleParams

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nstd.domain import Float32Image
    from nstd.engine.engine import Engine

PRESETS = ("classic", "fast", "quality")
DRAFTS = ((256, 256), (512, 512), (768, 1024))
PICTURE = (768, 1024)
# Sizes that nothing else here has; the middle one of several costs is the one to trust.
NEW_SIZES = ((232, 264), (248, 280), (280, 312))


@dataclass(frozen=True, slots=True)
class Iteration:
    """An iteration of a preset: its seconds, and the convolutions' share of a matrix product."""

    preset: str
    width: int
    height: int
    seconds: float
    operations_per_second: float
    share: float


@dataclass(frozen=True, slots=True)
class Timed:
    """A picture of a preset and its seconds."""

    preset: str
    width: int
    height: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    Attributes:
        matrix_product: operations a second of a matrix product in the same precision.
        iterations: of the compiled loop.
        drafts: measured, on a warm engine.
        new_size: seconds that the first job of a size takes longer than the second.
        pictures: expected, from the measured iterations.
    """

    nstd: str
    device: str
    tensorflow: str
    precision: str
    matrix_product: float
    iterations: tuple[Iteration, ...]
    drafts: tuple[Timed, ...]
    new_size: float
    pictures: tuple[Timed, ...]

    def plain(self) -> dict[str, Any]:
        """The report as JSON knows values."""
        return dataclasses.asdict(self)


def run(*, quick: bool = False) -> Report:
    """Measure this process's engine, with a line on stderr that says what is under way."""
    with progress.IterationBar() as bar:
        bar.say("loading the network")
        engine = api.engine()
        if quick:
            return measure(engine, sides=(256,), rounds=3, say=bar.say)
        return measure(engine, say=bar.say)


def measure(
    engine: Engine,
    *,
    sides: Sequence[int] = (256, 512),
    rounds: int = 5,
    drafts: Sequence[tuple[int, int]] = DRAFTS,
    new_sizes: Sequence[tuple[int, int]] = NEW_SIZES,
    matrix_side: int = 4096,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Measure an engine.

    Args:
        engine: what to measure.
        sides: of the square pictures that are iterated on.
        rounds: how often each time is taken; the lowest counts, for nothing makes it too low.
        drafts: (height, width) of each.
        new_sizes: (height, width); the engine must not have had them.
        matrix_side: of the matrix product.
        say: told what is under way.
    """
    say("iterations")
    rate, iterations = _iterations(engine, sides, rounds, matrix_side)
    say("drafts")
    drafted = tuple(_draft(engine, size, rounds) for size in drafts)
    say("new sizes")
    return Report(
        nstd.__version__,
        engine.device.name,
        engine.device.tensorflow,
        engine.device.precision,
        rate,
        iterations,
        drafted,
        cost_of_new_size(engine, new_sizes),
        _pictures(engine, iterations),
    )


def request(
    size: tuple[int, int], preset: str, *, mirrored: bool = False, **params: object
) -> StyleRequest:
    """The pictures that come with nstd, stretched to a size, with a preset.

    Args:
        size: (height, width) of both.
        preset: what to do with them.
        mirrored: the same pictures as in a mirror: as much work, and nothing known of them.
        **params: further parameters.
    """
    pictures = [resampling.resize(_demo(name), size) for name in ("harbour", "brushwork")]
    content, style = (np.fliplr(rgb) for rgb in pictures) if mirrored else pictures
    wanted = StyleParams.parse({"preset": preset, **params})
    return StyleRequest(content, (StyleImage(np.ascontiguousarray(style)),), wanted)


def draft_seconds(engine: Engine, size: tuple[int, int], rounds: int) -> list[float]:
    """Seconds of drafts at a size, (height, width), on an engine that knows size and style."""
    from nstd.engine.measure import job_seconds  # noqa: PLC0415 - imports TensorFlow

    wanted = request(size, "draft")
    job_seconds(engine, wanted)
    return [job_seconds(engine, wanted) for _ in range(rounds)]


def cost_of_new_size(engine: Engine, sizes: Sequence[tuple[int, int]]) -> float:
    """Median of the seconds that the first job of a size takes longer than the second.

    Args:
        engine: is warmed by a job of yet another size.
        sizes: (height, width); the engine must not have had them.
    """
    from nstd.engine.measure import job_seconds  # noqa: PLC0415 - imports TensorFlow

    job_seconds(engine, request((72, 88), "fast", iterations=2))
    costs = []
    for size in sizes:
        # The second has other pictures, so that statistics kept from the first don't help it.
        first = job_seconds(engine, request(size, "fast", iterations=2))
        second = job_seconds(engine, request(size, "fast", iterations=2, mirrored=True))
        costs.append(first - second)
    return statistics.median(costs)


def _iterations(
    engine: Engine, sides: Sequence[int], rounds: int, matrix_side: int
) -> tuple[float, tuple[Iteration, ...]]:
    """Operations a second of a matrix product, and the iterations of every preset and side."""
    from nstd.engine import measure as measuring  # noqa: PLC0415 - imports TensorFlow

    product = measuring.MatrixProduct(engine.device.convolutions, matrix_side)
    fastest, timed = 0.0, []
    for side in sides:
        loops = {name: measuring.Loop(engine, request((side, side), name)) for name in PRESETS}
        seconds = measuring.interleaved({"product": product, **loops}, rounds)
        fastest = max(fastest, product.operations / min(seconds["product"]))
        timed += [(name, side, min(seconds[name]), loops[name].operations) for name in PRESETS]
    return fastest, tuple(
        Iteration(name, side, side, taken, work / taken, work / taken / fastest)
        for name, side, taken, work in timed
    )


def _draft(engine: Engine, size: tuple[int, int], rounds: int) -> Timed:
    height, width = size
    return Timed("draft", width, height, min(draft_seconds(engine, size, rounds)))


def _pictures(engine: Engine, iterations: Sequence[Iteration]) -> tuple[Timed, ...]:
    """What pictures of the default size will take, at each preset's speed at the largest side."""
    from nstd.engine.measure import expected_seconds  # noqa: PLC0415 - imports TensorFlow

    speeds = {timed.preset: timed.operations_per_second for timed in iterations}
    height, width = PICTURE
    return tuple(
        Timed(
            preset,
            width,
            height,
            expected_seconds(engine, request(PICTURE, preset), speeds[preset]),
        )
        for preset in ("fast", "quality")
    )


def _demo(name: str) -> Float32Image:
    with resources.as_file(resources.files("nstd") / "demo" / f"{name}.jpg") as path:
        return images.load(path, limits=images.ImageLimits()).rgb


def tables(report: Report) -> Group:
    """The report for people."""
    iterations = Table("preset", "pixels", "s/iteration", "GFLOP/s", "of a matrix product")
    for timed in report.iterations:
        iterations.add_row(
            timed.preset,
            f"{timed.width}x{timed.height}",
            f"{timed.seconds:.3f}",
            f"{timed.operations_per_second / 1e9:.0f}",
            f"{timed.share:.0%}",
        )
    pictures = Table("picture", "pixels", "s", "how known")
    for rows, known in ((report.drafts, "measured, warm"), (report.pictures, "expected")):
        for row in rows:
            pictures.add_row(row.preset, f"{row.width}x{row.height}", f"{row.seconds:.3g}", known)
    return Group(
        f"nstd {report.nstd}, TensorFlow {report.tensorflow}, {report.device}",
        f"{report.precision}: a matrix product does {report.matrix_product / 1e9:.0f} GFLOP/s",
        iterations,
        pictures,
        f"a size that the engine hasn't had costs {report.new_size:+.2f} s once",
    )
