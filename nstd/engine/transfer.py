"""From a `StyleRequest` to a `StyleResult`: draft, targets, descent, best iterate."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nstd.domain import Iterate, Losses, StyleResult
from nstd.engine import adain
from nstd.engine.descent import Descent, Schedule, State
from nstd.engine.objective import Structure, Targets, Weights
from nstd.engine.vgg import FeatureExtractor
from nstd.errors import ImageTooSmallError, NonFiniteLossError
from nstd.resampling import fit, resize

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.domain import Float32Image, StyleImage, StyleRequest
    from nstd.engine.device import Device
    from nstd.engine.weights import Weights as NetworkWeights

# Long enough that calls cost nothing beside the work, short enough for a lively progress bar.
_SECONDS_A_CALL = 0.5

Share = tuple[tf.Tensor, float]


class Engine:
    """The network on this process's device: built once, serves any number of requests.

    Args:
        weights: see `nstd.engine.weights`.
        device: see `nstd.engine.device.set_up`.
    """

    def __init__(self, weights: NetworkWeights, device: Device) -> None:
        self.weights = weights
        self.device = device
        self._extractor = FeatureExtractor(weights, device.convolutions)
        self._draft = adain.Draft(self._extractor, weights, device.convolutions)
        self._descents: dict[Structure, Descent] = {}

    @property
    def traces(self) -> int:
        """Graphs traced since the engine was built; a new image size adds none."""
        return self._draft.traces + sum(descent.traces for descent in self._descents.values())

    def transfer(self, request: StyleRequest) -> Transfer:
        """Prepare a transfer; nothing is computed before it is iterated over.

        Raises:
            ImageTooSmallError: an image has no position left at the deepest layer.
        """
        return Transfer(self, request)

    def descent(self, structure: Structure) -> Descent:
        """The compiled loop for a structure, made on first use."""
        if structure not in self._descents:
            self._descents[structure] = Descent(self._extractor, structure)
        return self._descents[structure]

    def draft(self, content: tf.Tensor, styles: list[Share], alpha: float) -> tf.Tensor:
        """The AdaIN draft [1, H, W, 3]; several styles blend in their means and deviations."""
        statistics = [(self._draft.statistics(image), share) for image, share in styles]
        mean = tf.add_n([mean * share for (mean, _), share in statistics])
        deviation = tf.add_n([deviation * share for (_, deviation), share in statistics])
        return self._draft.paint(content, mean, deviation, tf.constant(alpha, tf.float32))


class Transfer:
    """One transfer under way: iterate over it for its iterates, then ask for the result.

        transfer = engine.transfer(request)
        for iterate in transfer:
            print(iterate.iteration, iterate.losses.total)
        picture = transfer.result().image

    Args:
        engine: does the work.
        request: what to paint.
    """

    def __init__(self, engine: Engine, request: StyleRequest) -> None:
        self._engine = engine
        self._request = request
        self._recipe = request.params.recipe()
        self._structure = Structure.of(self._recipe)
        self._styles = _at_most(request.styles, max(request.content.shape[:2]))
        self._refuse_small_images()
        self._traces_before = engine.traces
        self._image: tf.Tensor | None = None
        self._best: tuple[int, Losses] | None = None
        self._trace: list[Losses] = []
        self._seconds: dict[str, float] = {}
        self._notes: tuple[str, ...] = ()
        self._iterates = self._run()

    def __iter__(self) -> Iterator[Iterate]:
        """The iterates that are still to come."""
        return self._iterates

    def result(self) -> StyleResult:
        """The stylised image; runs whatever iterations are left.

        Raises:
            NonFiniteLossError: loss or gradient stopped being a number, and the request's
                `on_nonfinite` is `fail` or no iterate was finite.
        """
        for _ in self._iterates:
            pass
        assert self._image is not None  # noqa: S101 - a drained run has set it or raised
        return StyleResult(
            image=np.asarray(self._image[0]),
            best_iteration=self._best[0] if self._best else None,
            trace=tuple(self._trace),
            recipe=self._recipe.plain(),
            seconds=dict(self._seconds),
            device=self._engine.device.name,
            precision=self._engine.device.precision,
            traces=self._engine.traces - self._traces_before,
            notes=self._notes,
        )

    def _run(self) -> Iterator[Iterate]:
        recipe = self._recipe
        started = time.perf_counter()
        content = tf.constant(self._request.content[None])
        total = sum(style.weight for style in self._styles)
        styles = [(tf.constant(style.rgb[None]), style.weight / total) for style in self._styles]
        image = content
        if recipe.init == "adain":
            image = self._engine.draft(content, styles, recipe.alpha)
        self._seconds["draft"] = time.perf_counter() - started
        if recipe.iterations == 0:
            self._image = image
            return
        descent = self._engine.descent(self._structure)
        targets = Targets(descent.content_targets(content), _blend(descent, styles))
        self._seconds["targets"] = time.perf_counter() - started - self._seconds["draft"]
        yield from self._descend(descent, State.start(image), targets)
        self._seconds["optimise"] = time.perf_counter() - started - sum(self._seconds.values())

    def _descend(self, descent: Descent, state: State, targets: Targets) -> Iterator[Iterate]:
        weights, schedule = Weights.of(self._recipe), Schedule.of(self._recipe)
        planned, count = self._recipe.iterations, 1
        finite = True
        while finite and len(self._trace) < planned:
            started = time.perf_counter()
            count = min(count, planned - len(self._trace))
            state, terms, all_finite = descent.run(
                state, targets, weights, schedule, tf.constant(count)
            )
            rows, finite = terms.numpy().tolist(), bool(all_finite)
            seconds = (time.perf_counter() - started) / len(rows)
            for row in rows:
                yield self._record(Losses(*row), seconds)
            count = max(1, int(_SECONDS_A_CALL / seconds))
        if not finite:
            self._accept_or_fail()
        self._image = state.best_image

    def _record(self, losses: Losses, seconds: float) -> Iterate:
        iteration = len(self._trace)
        self._trace.append(losses)
        if math.isfinite(losses.total) and (
            self._best is None or losses.total < self._best[1].total
        ):
            self._best = iteration, losses
        return Iterate(
            iteration,
            self._recipe.iterations,
            losses,
            self._best[0] if self._best else None,
            seconds,
        )

    def _accept_or_fail(self) -> None:
        """Apply the request's policy to a descent that stopped being finite."""
        last = len(self._trace) - 1
        if self._best is None or self._request.params.on_nonfinite == "fail":
            raise NonFiniteLossError(
                f"loss or gradient stopped being a number at iteration {last}",
                remedy="lower learning_rate or the weights, or set on_nonfinite: keep_best",
            )
        self._notes = (f"stopped at iteration {last}: loss or gradient not finite",)

    def _refuse_small_images(self) -> None:
        """Every layer needs one position at least; better said here than by a shape error."""
        needed = self._structure.smallest_side if self._recipe.iterations else 0
        if self._recipe.init == "adain":
            needed = max(needed, adain.SMALLEST_SIDE)
        for name, image in (
            (self._request.name, self._request.content),
            *((style.name, style.rgb) for style in self._styles),
        ):
            height, width = image.shape[:2]
            if min(height, width) < needed:
                raise ImageTooSmallError(
                    f"is {width}x{height} pixels at this size; preset "
                    f"{self._request.params.preset} needs {needed} on the short side",
                    file=name,
                    key="size",
                    remedy="raise size, or use a larger or less narrow picture",
                )


def _at_most(styles: tuple[StyleImage, ...], side: int) -> list[StyleImage]:
    """Styles no longer than `side`, aspect kept: strokes then scale with the content."""
    return [dataclasses.replace(style, rgb=_reduced(style.rgb, side)) for style in styles]


def _reduced(rgb: Float32Image, side: int) -> Float32Image:
    height, width = rgb.shape[:2]
    if max(height, width) <= side:
        return rgb
    width, height = fit(width, height, side)
    return resize(rgb, (height, width))


def _blend(descent: Descent, styles: list[Share]) -> list[tf.Tensor]:
    """Style targets of several images: the mean of their Gram matrices, by share."""
    targets = [[gram * share for gram in descent.style_targets(image)] for image, share in styles]
    return [tf.add_n(list(layer)) for layer in zip(*targets, strict=True)]
