"""Descent on images larger than memory: exact gradients, tile by tile.

The objective depends on an image only through sums over positions (`objective.Sums`), so its
gradient splits. A first pass over the tiles adds up the sums; the loss and its derivative to each
of them are then known. A second pass back-propagates, tile by tile, the sum of derivative times
sum: a linear functional, whose gradients add up to the whole image's. Known programs change the
loss instead, by taking it of each tile.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from nstd.engine.descent import run_lbfgs, with_total
from nstd.engine.graph import add_up
from nstd.engine.lbfgs import Search
from nstd.engine.tiles import nobody_waits

if TYPE_CHECKING:
    from nstd.domain import Float32Image
    from nstd.engine.descent import Descent, Schedule, State
    from nstd.engine.losses import DifferenceSums
    from nstd.engine.objective import Sums, Targets, Weights
    from nstd.engine.style import Tensors
    from nstd.engine.tile_graphs import TileGraphs
    from nstd.engine.tiles import Alive, Grid, Tile

_STRIP_PIXELS = 2**19


class TiledDescent:
    """As `Descent`, with the same results but for rounding, in the memory that a tile takes.

    Beside that there are seven float32 images: the content, the five of the state, the gradient.
    They stay in the host's memory as NumPy arrays, whatever the device.

    With bfloat16 convolutions, activations are the untiled ones but for the order of additions;
    gradients differ near the seams, where what an untiled convolution adds up and then rounds is
    rounded in each tile and then added.

    Args:
        descent: the untiled one of the same structure.
        graphs: of its objective.
        grid: how images are divided; its halo must reach as far as the deepest layer sees.
        alive: called after each tile: an iteration may take longer than anybody's patience.
    """

    def __init__(
        self, descent: Descent, graphs: TileGraphs, grid: Grid, alive: Alive = nobody_waits
    ) -> None:
        self.style_targets = descent.style_targets
        self._objective = descent.objective
        self._activations = descent.content_targets
        self._graphs = graphs
        self._grid = grid
        self._alive = alive

    @staticmethod
    def hold(image: Any) -> Float32Image:  # noqa: ANN401 - a tensor or an array
        """An image [1, H, W, 3] as the state has it: an array of its own, to be written to."""
        return np.array(image, np.float32, order="C")

    def content_targets(self, image: Any) -> list[Any]:  # noqa: ANN401 - a tensor or an array
        """The content itself: its activations would take more than all else, so each is forgotten
        with its tile and computed again.
        """  # noqa: D205 - the sentence doesn't fit one line
        return [image]

    def style_statistics(
        self, image: Float32Image, masks: tuple[Float32Image, ...] = ()
    ) -> list[Tensors]:
        """See `Objective.style_statistics`."""
        sums = add_up(
            self._graphs.measure(tile.cut(image), tile.owned_within, tile.cut_all(masks))
            for tile in self._grid.visited(image, self._alive)
        )
        return [
            tuple(tf.cast(part, tf.float32) for part in self._objective.statistics_of(layer))
            for layer in sums.style
        ]

    def loss(self, image: Float32Image, targets: Targets, weights: Weights) -> tf.Tensor:
        """[total, content, style, variation] of an image."""
        sums = self._first_pass(image, targets, is_linear=False)
        terms, _ = self._graphs.weigh(sums, targets.style, weights)
        return with_total(terms)

    def run(
        self,
        state: State,
        targets: Targets,
        weights: Weights,
        schedule: Schedule,
        count: tf.Tensor,
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """See `Descent.run`; writes into the images of `state`, which must be as `hold` has them.

        Returns:
            The new state, whose images are those of the old one, but for L-BFGS; the others as
            there.
        """
        if isinstance(state.memory, Search):
            evaluate = functools.partial(self._evaluate, targets=targets, weights=weights)
            return run_lbfgs(evaluate, state, schedule, int(count))
        rows: list[tf.Tensor] = []
        finite = True
        while finite and len(rows) < int(count):
            terms, gradient = self.value_and_gradient(state.image, targets, weights)
            rows.append(with_total(terms))
            # Not a number in one place is none in the sum.
            finite = math.isfinite(rows[-1][0]) and math.isfinite(gradient.sum())
            state = self._advance(state, rows[-1][0], gradient, schedule)
        return state, tf.stack(rows), tf.constant(finite)

    def _evaluate(
        self,
        image: Any,  # noqa: ANN401 - a tensor or an array
        targets: Targets,
        weights: Weights,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Descent.evaluate`."""
        terms, gradient = self.value_and_gradient(np.asarray(image), targets, weights)
        return with_total(terms), tf.constant(gradient)

    def value_and_gradient(
        self, image: Float32Image, targets: Targets, weights: Weights
    ) -> tuple[tf.Tensor, Float32Image]:
        """See `Objective.value_and_gradient`; `targets.content` holds the content itself."""
        # The mean of squares has the same derivative to its sum whatever the sum, so the first
        # pass needn't know it.
        is_linear = self._objective.structure.content_loss == "mean_squared"
        sums = self._first_pass(image, targets, is_linear=is_linear)
        terms, slopes = self._graphs.weigh(sums, targets.style, weights)
        gradient = np.zeros_like(image)

        def push(tile: Tile) -> list[DifferenceSums]:
            content = self._activations(tile.cut(targets.content[0]))
            found: list[DifferenceSums]
            masks = tile.cut_all(targets.masks)
            found, part = self._graphs.push(
                tile.cut(image), content, tile.owned_within, masks, slopes
            )
            tile.add(gradient, part.numpy())
            return found

        differences = add_up(push(tile) for tile in self._grid.visited(image, self._alive))
        content = self._objective.content_term(differences, weights)
        return tf.stack([content, terms[1], terms[2]]), gradient

    def _first_pass(self, image: Float32Image, targets: Targets, *, is_linear: bool) -> Sums:
        """The sums of the whole image, in float64.

        Args:
            image: [1, H, W, 3].
            targets: hold the content itself.
            is_linear: leave the differences from the content out.
        """

        def measure(tile: Tile) -> Any:  # noqa: ANN401 - what the graphs return
            seen, owned, masks = tile.cut(image), tile.owned_within, tile.cut_all(targets.masks)
            if is_linear:
                return self._graphs.measure(seen, owned, masks)
            content = self._activations(tile.cut(targets.content[0]))
            return self._graphs.compare(seen, content, owned, masks)

        sums: Sums = add_up(measure(tile) for tile in self._grid.visited(image, self._alive))
        return sums

    def _advance(
        self, state: State, loss: tf.Tensor, gradient: Float32Image, schedule: Schedule
    ) -> State:
        """One update, a strip at a time, so that no second image of any kind is needed."""
        height, width = gradient.shape[1:3]
        rows = max(1, _STRIP_PIXELS // width)
        flat = tf.nest.flatten(state)
        for start in range(0, height, rows):
            strip = slice(start, start + rows)
            part = [whole[:, strip] if whole.ndim else whole for whole in flat]
            updated = tf.nest.flatten(
                self._graphs.update(
                    tf.nest.pack_sequence_as(state, part),
                    loss,
                    gradient[:, strip],
                    tf.constant(height * width, tf.float32),
                    schedule,
                )
            )
            for whole, values in zip(flat, updated, strict=True):
                if whole.ndim:
                    whole[:, strip] = values
        # The scalars are the same for every strip.
        after = [whole if whole.ndim else value for whole, value in zip(flat, updated, strict=True)]
        advanced: State = tf.nest.pack_sequence_as(state, after)
        return advanced
