"""What is computed of one tile, and of what all tiles' sums come to: graphs for every size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from nstd.engine.descent import SCALAR, Schedule, State, update
from nstd.engine.graph import graph
from nstd.engine.objective import IMAGE, Sums, Weights

if TYPE_CHECKING:
    from nstd.engine.losses import DifferenceSums
    from nstd.engine.masking import MaskTensors
    from nstd.engine.objective import Objective
    from nstd.engine.style import Tensors

OWNED = tf.TensorSpec([4], tf.int32)


class TileGraphs:
    """The graphs of both passes for one structure of the objective, whatever sizes and tiles.

    Args:
        objective: of that structure.

    Attributes:
        traces: how many graphs TensorFlow has traced for it so far.
    """

    def __init__(self, objective: Objective) -> None:
        self.traces = 0
        self._objective = objective
        targets = objective.target_specs()
        layers = tf.TensorSpec([None], tf.float32)
        exact, rough = objective.sums_spec(tf.float64), objective.sums_spec(tf.float32)
        masks = targets.masks
        self.measure = graph(self._measure, [IMAGE, OWNED, masks])
        self.compare = graph(self._compare, [IMAGE, targets.content, OWNED, masks])
        self.weigh = graph(self._weigh, [exact, targets.style, Weights(layers, layers, SCALAR)])
        self.push = graph(self._push, [IMAGE, targets.content, OWNED, masks, rough])
        self.update = graph(self._update, [State.spec(), SCALAR, IMAGE, SCALAR, Schedule.spec()])

    def _measure(self, tile: tf.Tensor, owned: tf.Tensor, masks: MaskTensors) -> Sums:
        """A tile's sums, without differences from the content."""
        self.traces += 1  # runs while tracing only
        return self._objective.sums(tile, None, owned, masks)

    def _compare(
        self, tile: tf.Tensor, content: list[tf.Tensor], owned: tf.Tensor, masks: MaskTensors
    ) -> Sums:
        """A tile's sums."""
        self.traces += 1
        return self._objective.sums(tile, content, owned, masks)

    def _weigh(self, sums: Sums, style: list[Tensors], weights: Weights) -> tuple[tf.Tensor, Sums]:
        """The weighted terms of the whole image's sums, and d(their sum)/d(each sum)."""
        self.traces += 1
        flat = tf.nest.flatten(sums)
        with tf.GradientTape() as tape:
            tape.watch(flat)
            terms = self._objective.terms_of(sums, style, weights)
            total = tf.reduce_sum(terms)
        slopes = tape.gradient(total, flat, unconnected_gradients="zero")
        return terms, tf.nest.pack_sequence_as(
            sums, [tf.cast(slope, tf.float32) for slope in slopes]
        )

    def _push(
        self,
        tile: tf.Tensor,
        content: list[tf.Tensor],
        owned: tf.Tensor,
        masks: MaskTensors,
        slopes: Sums,
    ) -> tuple[list[DifferenceSums], tf.Tensor]:
        """A tile's differences from the content, and d(slopes . sums)/d(tile), slopes frozen."""
        self.traces += 1
        with tf.GradientTape() as tape:
            tape.watch(tile)
            sums = self._objective.sums(tile, content, owned, masks)
            parts = zip(tf.nest.flatten(slopes), tf.nest.flatten(sums), strict=True)
            functional = tf.add_n([tf.reduce_sum(slope * part) for slope, part in parts])
        return sums.content, tape.gradient(functional, tile)

    def _update(
        self,
        state: State,
        loss: tf.Tensor,
        gradient: tf.Tensor,
        positions: tf.Tensor,
        schedule: Schedule,
    ) -> State:
        """See `descent.update`; of some rows of the image."""
        self.traces += 1
        return update(state, loss, gradient, positions, schedule)
