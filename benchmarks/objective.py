"""What nstd's pictures are worth for their time: the objective, not only the speed.

    python benchmarks/objective.py [--size 256] [--cache DIR] [CONTENT STYLE]...

For every pair of files (default: the pair that comes with nstd):

* preset `quality` against a long run of the same objective (iterations of Adam at .02 at 128,
  181 and 256 pixels, an average of decay .99), by pixel-iterations. Both pictures' objectives
  are evaluated in float32, with the exact Wasserstein distance.
* preset `fast` against the plain eager loop (see `plain_loop.py`) from the content, at one scale,
  Adam at .02: how long until it has the objective that the plain loop ends with.

The long run takes minutes to an hour; with `--cache` its picture is kept in a folder, and a run
that was cut off goes on from its checkpoint there, though its seconds then are the last part's.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
import numpy as np
import tensorflow as tf
from common import Finding
from plain_loop import PlainLoop

from nstd import api
from nstd.domain import Checkpoint
from nstd.engine.descent import Schedule, State
from nstd.engine.objective import Weights
from nstd.engine.plan import Plan
from nstd.params import StyleParams

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nstd.domain import Float32Image, StyleRequest
    from nstd.engine.engine import Engine

_REFERENCE = (1000, 500, 500)
_PLAIN_ITERATIONS = 200


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture, its exact objective, and what it took."""

    image: Float32Image
    objective: float
    pixel_iterations: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Course:
    """How an optimisation went.

    Attributes:
        preparing: seconds before the first iteration: draft and targets.
        seconds: of each iteration.
        objectives: exact ones, of what would be kept after each iteration, if asked for.
    """

    preparing: float
    seconds: list[float]
    objectives: list[float]


def evaluator(engine: Engine, wanted: StyleRequest) -> Callable[[Any], float]:
    """A function that gives the request's objective of an image [1, H, W, 3], in float32."""
    exact = wanted.params.model_copy(update={"precision": "float32"})
    plan = Plan(engine, dataclasses.replace(wanted, params=exact))
    targets, weights = plan.targets(wanted.shape), Weights.of(plan.recipe)
    descent = plan.descent(wanted.shape)
    return lambda image: float(descent.loss(image, targets, weights)[0])


def paint(
    engine: Engine,
    wanted: StyleRequest,
    evaluate: Callable[[Any], float],
    saving: Checkpoint | None = None,
) -> Painted:
    """Run a transfer."""
    started = time.perf_counter()
    result = engine.transfer(wanted, saving).result()
    return Painted(
        result.image,
        evaluate(tf.constant(result.image[None])),
        sum(scale.width * scale.height * scale.iterations for scale in result.scales),
        time.perf_counter() - started,
    )


def reference(
    engine: Engine,
    wanted: StyleRequest,
    evaluate: Callable[[Any], float],
    iterations: Sequence[int],
    cache: Path | None,
) -> Painted:
    """The long run, or what is kept of it."""
    recipe = dataclasses.replace(
        wanted.params.recipe(max(wanted.shape)),
        schedule=tuple(iterations),
        min_scale=128,
        learning_rate=0.02,
        final_rate=1.0,
        betas=(0.9, 0.99),
        average_decay=0.99,
        keep="average",
    )
    # In float32, so that it is the best that the objective's own gradient leads to.
    exact = StyleParams(preset="quality", precision="float32")
    long = dataclasses.replace(wanted, params=common.follow(recipe, exact))
    if cache is None:
        return paint(engine, long, evaluate)
    folder = cache / f"reference-{_digest(engine, long, recipe)}"
    kept = folder.with_suffix(".npz")
    if kept.exists():
        with np.load(kept) as file:
            return Painted(**{name: file[name][()] for name in file})
    folder.mkdir(parents=True, exist_ok=True)
    painted = paint(engine, long, evaluate, Checkpoint(folder))
    arrays: dict[str, Any] = {name: getattr(painted, name) for name in Painted.__slots__}
    np.savez(kept, **arrays)
    shutil.rmtree(folder)
    return painted


def compare_quality(
    engine: Engine, wanted: StyleRequest, iterations: Sequence[int], cache: Path | None
) -> list[Finding]:
    """`quality` against the long run."""
    evaluate = evaluator(engine, wanted)
    own = paint(engine, wanted, evaluate)
    long = reference(engine, wanted, evaluate, iterations, cache)
    note = f"{own.objective:.4f} in {own.seconds:.0f} s, {long.objective:.4f} in {long.seconds:.0f}"
    share = own.pixel_iterations / long.pixel_iterations
    return [
        Finding(
            "quality: objective / long run's", own.objective / long.objective, "<=", 1.05, note
        ),
        Finding("quality: pixel-iterations / long run's", share, "<=", 1 / 6),
    ]


def descend(
    engine: Engine, wanted: StyleRequest, evaluate: Callable[[Any], float] | None = None
) -> Course:
    """Run a preset of one scale step by step; `evaluate`, if given, with the clock stopped."""
    started = time.perf_counter()
    plan = Plan(engine, wanted)
    descent, targets = plan.descent(wanted.shape), plan.targets(wanted.shape)
    state = State.start(plan.start(wanted.shape), descent.hold)
    weights, schedule = Weights.of(plan.recipe), Schedule.of(plan.recipe, plan.iterations)
    course = Course(time.perf_counter() - started, [], [])
    for _ in range(plan.iterations):
        started = time.perf_counter()
        state, terms, _ = descent.run(state, targets, weights, schedule, tf.constant(1))
        terms.numpy()
        course.seconds.append(time.perf_counter() - started)
        if evaluate is not None:
            average = state.average / state.average_weight
            course.objectives.append(min(evaluate(state.best_image), evaluate(average)))
    return course


def compare_fast(engine: Engine, wanted: StyleRequest, iterations: int) -> list[Finding]:
    """`fast` against the plain loop; `fast` is timed before and after it, in case others work."""
    evaluate = evaluator(engine, wanted)
    mirror = [dataclasses.replace(one, rgb=one.rgb[:, ::-1].copy()) for one in wanted.styles]
    descend(engine, dataclasses.replace(wanted, styles=tuple(mirror)))  # warms up
    first = descend(engine, wanted, evaluate)
    plain_seconds, goal = run_plain(engine, wanted, evaluate, iterations)
    second = descend(engine, wanted)
    reached = next((i for i, found in enumerate(first.objectives) if found <= goal), None)
    lowest = (
        f"plain {goal:.4f} in {plain_seconds:.0f} s, fast {first.objectives[-1]:.4f} at its end"
    )
    what = "fast: time to the plain loop's objective"
    if reached is None:
        return [Finding(what, None, "<=", 1 / 8, lowest, missed=True)]
    mean = np.mean([first.seconds, second.seconds], axis=0)
    taken = first.preparing + float(mean[: reached + 1].sum())
    note = (
        f"{lowest}; reached after {reached + 1} iterations, {taken:.1f} s, "
        f"{first.preparing:.1f} of them before the first"
    )
    return [Finding(what, taken / plain_seconds, "<=", 1 / 8, note)]


def run_plain(
    engine: Engine, wanted: StyleRequest, evaluate: Callable[[Any], float], iterations: int
) -> tuple[float, float]:
    """Seconds of the plain loop, and the objective of its last image."""
    assert wanted.content is not None  # noqa: S101 - made from a file
    started = time.perf_counter()
    recipe = wanted.params.recipe(max(wanted.shape))
    style = common.reduced(wanted.styles[0].rgb, max(wanted.shape))
    loop = PlainLoop(engine.weights, recipe, wanted.content, style)
    loop(iterations)
    return time.perf_counter() - started, evaluate(loop.image.value())


def _digest(engine: Engine, wanted: StyleRequest, recipe: object) -> str:
    """Of everything that the long run depends on."""
    assert wanted.content is not None  # noqa: S101 - made from a file
    digest = hashlib.sha256(f"{recipe} {engine.weights.sha256}".encode())
    for image in (wanted.content, *(style.rgb for style in wanted.styles)):
        digest.update(f"{image.shape}".encode())
        digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()[:16]


def main() -> None:
    """Compare each pair; print and write the findings."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pairs", nargs="*", type=Path, metavar="CONTENT STYLE")
    parser.add_argument("--size", type=int, default=256, help="long side in pixels")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps long runs' pictures")
    parser.add_argument("--part", choices=("quality", "fast"), help="only this one")
    parser.add_argument("--plain-iterations", type=int, default=_PLAIN_ITERATIONS)
    parser.add_argument(
        "--reference", type=int, nargs="+", default=_REFERENCE, help="iterations at each scale"
    )
    common.add_json_option(parser)
    options = parser.parse_args()
    files = options.pairs or list(common.PAIR)
    if len(files) % 2:
        parser.error("files come in pairs: CONTENT STYLE")
    common.warn_if_busy()
    engine = api.engine()
    facts = []
    for content, style in zip(files[::2], files[1::2], strict=True):
        found: list[Finding] = []
        if options.part != "fast":
            wanted = common.request(content, style, options.size, StyleParams(preset="quality"))
            found += compare_quality(engine, wanted, options.reference, options.cache)
        if options.part != "quality":
            wanted = common.request(content, style, options.size, StyleParams(preset="fast"))
            found += compare_fast(engine, wanted, options.plain_iterations)
        print(f"{content.name}, {style.name}, {options.size} pixels")
        common.show_findings(found)
        facts.append({"content": content.name, "style": style.name, "findings": found})
    common.write_json(options.json, {"size": options.size, "pairs": facts})


if __name__ == "__main__":
    main()
