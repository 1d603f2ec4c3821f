"""What a transfer will do, settled before it starts: recipe, scales, images, estimate."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from nstd.engine import adain, lbfgs, memory, palette
from nstd.engine.adain import TiledDraft
from nstd.engine.blend import Blend, each
from nstd.engine.budget import Budget
from nstd.engine.checkpoint import fingerprint
from nstd.engine.estimate import Estimate, Work, estimate
from nstd.engine.masking import Masks
from nstd.engine.objective import Structure, Targets, Weights
from nstd.engine.refusing import refuse_large, refuse_small, refuse_vanishing
from nstd.engine.tiles import nobody_waits, stride
from nstd.errors import ParamsError
from nstd.resampling import fit, resize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nstd.domain import Float32Image, StyleImage, StyleRequest
    from nstd.engine.adain import Draft
    from nstd.engine.descent import Descent
    from nstd.engine.engine import Engine
    from nstd.engine.tiled import TiledDescent
    from nstd.engine.tiles import Alive, Grid
    from nstd.recipes import Init, PreserveColor, Recipe

_GIBIBYTE = 2**30
# Of the machine's memory; the rest is for other programs, and for estimates that are too low.
_SHARE_OF_HOST = 0.75
_RECOLOURS: Mapping[PreserveColor, Callable[[Float32Image, Float32Image], Float32Image]] = {
    "luminance": palette.match_luminance,
    "match": palette.match_colors,
    "histogram": palette.match_histograms,
}


class Plan:
    """A request made concrete for an engine.

    Args:
        engine: will do the work.
        request: what to paint.
        alive: called after each tile.

    Attributes:
        recipe: with the request's changes.
        structure: of the objective.
        stages: the scales, coarse to fine; none for a draft.
        content: float32 [H, W, 3], in the colours that are optimised.
        estimate: seconds and bytes.
        seconds: spent on drafts and targets so far.

    Raises:
        ImageTooSmallError: an image, or a region of it, has no position left at the deepest layer.
        ParamsError: `init` names a picture that the request hasn't got.
        TooLargeError: even by tiles, the estimate exceeds the request's `max_memory`, or the
            machine's memory.
    """

    def __init__(self, engine: Engine, request: StyleRequest, alive: Alive = nobody_waits) -> None:
        self._engine = engine
        self._alive = alive
        self._request = request
        self._network = engine.network(request.params.precision)
        self.recipe = _recipe(request)
        self._masks = Masks(request.regions, [style.weight for style in request.styles])
        self.structure = Structure.of(self.recipe, len(self._masks))
        self.stages = self.recipe.stages(max(request.shape))
        self.iterations = sum(stage.iterations for stage in self.stages)
        self.content, styles = _in_optimised_colors(request, self.recipe)
        self._blend = Blend(
            styles, self._masks, self.recipe.style_scale, engine.styles, self._network.dtype
        )
        self.seconds = {"draft": 0.0, "targets": 0.0}
        self._memory = None if engine.device.is_gpu else memory.host()
        self._budget = Budget(
            self.structure.layers,
            self._network.dtype.size,
            self._limit(),
            (lbfgs.HELD_IMAGES if self.recipe.optimizer == "lbfgs" else 0) + len(self._masks) / 3,
        )
        self.estimate = self._estimate()
        self._refuse()

    @property
    def precision(self) -> str:
        """Of the convolutions."""
        return str(self._network.dtype.name)

    def grid(self, size: tuple[int, int]) -> Grid | None:
        """The tiles of images of this size, (height, width); None: they're computed whole."""
        return self._budget.grid(*size)

    def descent(self, size: tuple[int, int]) -> Descent | TiledDescent:
        """The compiled loop for images of this size, (height, width): by tiles if need be."""
        grid = self.grid(size)
        if grid is None:
            return self._network.descent(self.structure)
        return self._network.tiled_descent(self.structure, grid, self._alive)

    def economise(self, size: tuple[int, int]) -> bool:
        """Use tiles at a size that did not fit into the device's memory as a whole.

        Returns:
            False if tiles are used already.
        """
        if self.grid(size) is not None:
            return False
        self._budget = self._budget.after_failure(*size)
        return True

    @property
    def sizes(self) -> list[tuple[int, int, int]]:
        """(height, width, iterations) of each scale."""
        return [(*self.size(index), stage.iterations) for index, stage in enumerate(self.stages)]

    def learn(self, size: tuple[int, int], iterations: int, seconds: float) -> None:
        """Let later estimates know what iterations at a size took."""
        work = Work.of(self.structure, *size, self.grid(size))
        self._network.pace.learn(work * iterations, seconds)

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of a scale; the last one is the result's, exactly."""
        if index == len(self.stages) - 1:
            return self._request.shape
        return self._size_at(self.stages[index].side)

    def fingerprint(self) -> str:
        """Of everything that determines the result."""
        network = f"{self._engine.weights.sha256} {self.precision}"
        return fingerprint(self._request, self.recipe, network)

    def weights(self, size: tuple[int, int]) -> Weights:
        """Of the objective's terms at a scale."""
        return Weights.of(self.recipe, self._masks.areas(size))

    def start(self, size: tuple[int, int]) -> Any:  # noqa: ANN401 - an array or a tensor
        """The image before the first iteration, float32 [1, height, width, 3]."""
        start = self._request.start
        if start is not None and self.recipe.init == "image":
            in_grey = self.recipe.preserve_color == "luminance"  # as the content then is
            return _at(palette.grey(start) if in_grey else start, size)
        generator = np.random.default_rng(self._request.params.seed)
        is_noise_drafted = self._request.content is None and self.recipe.init == "adain"
        if self.recipe.init == "random" or is_noise_drafted:
            noise = generator.random((1, *size, 3), np.float32)
            return self._draft(noise, max(size)) if is_noise_drafted else noise
        if self.recipe.init == "style_stats":
            return self._noise_in_style(size, generator)
        content = _at(self.content, size)
        return content if self.recipe.init == "content" else self._draft(content, max(size))

    def targets(self, size: tuple[int, int]) -> Targets:
        """What the image should match at a scale."""
        started = time.perf_counter()
        statistics = self._blend.statistics(
            max(size),
            lambda style: (self.structure, self.grid(style)),  # tiles round otherwise
            lambda image, masks: self.descent(image.shape[1:3]).style_statistics(image, masks),
        )
        descent = self.descent(size)
        targets = Targets(
            descent.content_targets(_at(self.content, size)),
            descent.style_targets(statistics),
            tuple(map(descent.hold, self._masks.of_content(size))),
        )
        self.seconds["targets"] += time.perf_counter() - started
        return targets

    def finished(self, image: Float32Image) -> Float32Image:
        """The result: in the content's colours, if they are to be kept; and what no mask covers
        as the content has it, for the descent has only kept it similar.
        """  # noqa: D205 - the sentence doesn't fit one line
        content = self._request.content
        if content is None:
            return image
        if self.recipe.preserve_color == "luminance":
            image = palette.luminance_from(image, content)
        for masks in self._masks.of_content(image.shape[:2]):
            image = palette.blend(content, image, masks[0].sum(-1))
        return image

    def _draft(self, content: Float32Image, side: int) -> Any:  # noqa: ANN401 - as `start`
        started = time.perf_counter()
        wanted = self._blend.statistics(
            side,
            lambda style: ("adain", self.grid(style)),
            lambda image, masks: self._drafting(image).statistics(image, masks),
        )
        alpha = self.recipe.alpha
        masks = self._masks.of_content(content.shape[1:3])
        painter = self._drafting(content)
        image = painter.paint(content, masks, wanted, tf.constant(alpha, tf.float32))
        if self.stages:
            # A warm start: the draft's colours are near the style's, and iterations are dear.
            matched = np.asarray(image[0])
            for (mean, moment), mask in zip(self._blend.colors(side), each(masks), strict=True):
                matched = palette.with_colors(matched, mean, moment, mask)
            image += alpha * (matched - image)
        self.seconds["draft"] += time.perf_counter() - started
        return image

    def _noise_in_style(
        self, size: tuple[int, int], generator: np.random.Generator
    ) -> Float32Image:
        """Noise in the styles' colours, [1, height, width, 3]; outside all regions, the content."""
        found = _at(self.content, size)[0]
        masks = each(self._masks.of_content(size))
        for colors, mask in zip(self._blend.colors(max(size)), masks, strict=True):
            noise = palette.noise_with_colors(size, *colors, generator)
            found = noise if mask is None else palette.blend(found, noise, mask)
        return np.asarray(found[None])

    def _drafting(self, image: Float32Image) -> Draft | TiledDraft:
        """What drafts an image [1, H, W, 3]: by tiles where the objective is."""
        grid = self.grid(image.shape[1:3])
        draft = self._network.draft(len(self._masks))
        return draft if grid is None else TiledDraft(draft, grid.side, self._alive)

    def _size_at(self, side: int) -> tuple[int, int]:
        width, height = fit(self._request.shape[1], self._request.shape[0], side)
        return height, width

    def _estimate(self) -> Estimate:
        return estimate(
            self.structure,
            self.sizes or [(*self._request.shape, 1)],
            seconds=self._network.pace.seconds,
            budget=self._budget,
        )

    def _limit(self) -> float | None:
        """Bytes above which images are computed by tiles; None: nothing tells."""
        wanted = self._request.params.max_memory
        if wanted is not None:
            return wanted * _GIBIBYTE
        if self._memory is None:
            return self._engine.device.memory
        most = _SHARE_OF_HOST * self._memory.total
        # Tiles round otherwise than whole images, so where bytes are to be the same each time, it
        # mustn't depend on what else is running.
        is_fixed = self._engine.device.deterministic
        return most if is_fixed else min(most, self._memory.available)

    def _refuse(self) -> None:
        """Say now what could not be painted."""
        refuse_large(
            self._request, self.estimate.memory, self._memory.total if self._memory else None
        )
        coarsest = self.size(0) if self.stages else self._request.shape
        pictures = [(self._request.name, coarsest), *self._blend.sizes(max(coarsest))]
        needed = self.structure.smallest_side if self.stages else 0
        if self.recipe.init == "adain":
            needed = max(needed, adain.SMALLEST_SIDE)
        is_reduced = coarsest != self._request.shape
        refuse_small(pictures, needed, self._request.params, "min_scale" if is_reduced else "size")
        deepest = max(map(stride, self.structure.layers)) if self.stages else adain.STRIDE
        refuse_vanishing(self._masks, pictures, deepest)


def _recipe(request: StyleRequest) -> Recipe:
    recipe = request.params.recipe(max(request.shape))
    if request.start is not None and recipe.schedule:
        recipe = dataclasses.replace(recipe, init="image")
    elif recipe.init == "image":
        raise ParamsError(
            f"{request.params.init_file} was not handed over with the request",
            key="init",
            remedy="pass the picture itself as `start`",
        )
    if request.content is not None:
        return recipe
    # A texture: nothing to be faithful to, and no content or draft of it to start from. A draft
    # of one is made of noise.
    has_no_start = recipe.init == "content" or (recipe.init == "adain" and recipe.schedule)
    init: Init = "random" if has_no_start else recipe.init
    return dataclasses.replace(recipe, content_weight=0.0, init=init, preserve_color="none")


def _at(pixels: Float32Image, size: tuple[int, int]) -> Float32Image:
    """A picture at a size (height, width), [1, height, width, 3]."""
    return (pixels if pixels.shape[:2] == size else resize(pixels, size))[None]


def _in_optimised_colors(
    request: StyleRequest, recipe: Recipe
) -> tuple[Float32Image, list[StyleImage]]:
    """Content and styles in the colours that are optimised; shares add up to 1."""
    total = sum(style.weight for style in request.styles)
    styles = [dataclasses.replace(style, weight=style.weight / total) for style in request.styles]
    content = request.content
    if content is None:
        # Its loss weighs nothing, so any picture does.
        return np.full((*request.shape, 3), 0.5, np.float32), styles
    if recipe.preserve_color == "none":
        return content, styles
    recolour = _RECOLOURS[recipe.preserve_color]
    styles = [dataclasses.replace(style, rgb=recolour(style.rgb, content)) for style in styles]
    in_grey = recipe.preserve_color == "luminance"
    return palette.grey(content) if in_grey else content, styles
