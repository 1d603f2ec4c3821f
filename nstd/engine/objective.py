"""The objective J = a content + b style + c variation of an image, and its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import tensorflow as tf

from nstd.engine.losses import (
    ChannelSums,
    DifferenceSums,
    channel_sums,
    difference_sums,
    variation_sum,
)
from nstd.engine.style import STYLE_LOSSES, Tensors
from nstd.engine.tiles import stride
from nstd.engine.vgg import Padding, Pooling, smallest_side

if TYPE_CHECKING:
    from nstd.engine.vgg import FeatureExtractor
    from nstd.recipes import Recipe

IMAGE = tf.TensorSpec([1, None, None, 3], tf.float32)


@dataclass(frozen=True, slots=True)
class Structure:
    """The part of a recipe that shapes the graph; all else reaches the graph as an argument."""

    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    content_loss: Literal["mean_squared", "scaled_squared"]
    style_loss: Literal["gram", "gram_scaled", "w2"]
    padding: Padding
    pooling: Pooling

    @classmethod
    def of(cls, recipe: Recipe) -> Structure:
        """The recipe's structure."""
        return cls(
            tuple(layer for layer, _ in recipe.content_layers),
            tuple(layer for layer, _ in recipe.style_layers),
            recipe.content_loss,
            recipe.style_loss,
            recipe.padding,
            recipe.pooling,
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that the objective looks at."""
        return tuple(dict.fromkeys((*self.content_layers, *self.style_layers)))

    @property
    def smallest_side(self) -> int:
        """The image side in pixels that the deepest layer needs."""
        return smallest_side(self.layers)


class Targets(NamedTuple):
    """What the generated image should match, for each content layer and each style layer.

    Content: activations [1, H', W', C]. Style: the style loss's own targets.
    """

    content: list[tf.Tensor]
    style: list[Tensors]


class Weights(NamedTuple):
    """Loss weights: a and b of the paper multiplied into the layers', and the variation's."""

    content: tf.Tensor
    style: tf.Tensor
    variation: tf.Tensor

    @classmethod
    def of(cls, recipe: Recipe) -> Weights:
        """The recipe's weights, [number of layers] each and a scalar."""
        return cls(
            tf.constant([recipe.content_weight * w for _, w in recipe.content_layers], tf.float32),
            tf.constant([recipe.style_weight * w for _, w in recipe.style_layers], tf.float32),
            tf.constant(recipe.tv_weight, tf.float32),
        )


class Sums(NamedTuple):
    """All that the objective takes from an image, for each content layer and each style layer.

    Sums over positions, so those of an image's parts add up to the image's. Float32 as they are
    taken; float64 where many are added.

    Attributes:
        content: of the differences from the content's activations.
        style: of the features.
        variation: see `losses.variation_sum`.
        entries: of the image, H W 3.
    """

    content: list[DifferenceSums]
    style: list[ChannelSums]
    variation: tf.Tensor
    entries: tf.Tensor


class Objective:
    """Loss, gradient and targets for one structure.

    Args:
        extractor: the network.
        structure: which layers, compared how.
    """

    def __init__(self, extractor: FeatureExtractor, structure: Structure) -> None:
        self.structure = structure
        self._extractor = extractor
        self._content_distance = getattr(DifferenceSums, structure.content_loss)
        self._style_loss = STYLE_LOSSES[structure.style_loss]

    def content_targets(self, image: tf.Tensor) -> list[tf.Tensor]:
        """Activations of the content layers for the content image [1, H, W, 3]."""
        layers = self.structure.content_layers
        found = self._activations(image, layers)
        return [tf.cast(found[layer], tf.float32) for layer in layers]

    def style_statistics(self, image: tf.Tensor) -> list[Tensors]:
        """The style loss's statistics of each style layer for a style image [1, H, W, 3]."""
        layers = self.structure.style_layers
        found = self._activations(image, layers)
        return [self._style_loss.statistics(found[layer]) for layer in layers]

    def statistics_of(self, sums: ChannelSums) -> Tensors:
        """The style loss's statistics of a layer, in the type of the sums."""
        return self._style_loss.select(*sums.moments())

    def style_targets(self, statistics: list[Tensors]) -> list[Tensors]:
        """The style loss's targets from statistics, of one image or averaged over several."""
        return [self._style_loss.target(layer) for layer in statistics]

    def target_specs(self) -> Targets:
        """Shapes of the targets, for a graph that serves every size."""
        return Targets(
            [tf.TensorSpec([1, None, None, None], tf.float32)] * len(self.structure.content_layers),
            [
                tuple(tf.TensorSpec([None] * rank, dtype) for rank, dtype in ranks)
                for ranks in [self._style_loss.target_ranks] * len(self.structure.style_layers)
            ],
        )

    def sums_spec(self, dtype: tf.DType) -> Sums:
        """Shapes of the sums."""
        scalar, vector, matrix = (tf.TensorSpec([None] * rank, dtype) for rank in range(3))
        return Sums(
            [DifferenceSums(scalar, scalar, scalar)] * len(self.structure.content_layers),
            [ChannelSums(vector, matrix, scalar)] * len(self.structure.style_layers),
            scalar,
            scalar,
        )

    def value_and_gradient(
        self, image: tf.Tensor, targets: Targets, weights: Weights
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The weighted terms [content, style, variation] and d(their sum)/d(image)."""
        with tf.GradientTape() as tape:
            tape.watch(image)
            terms = self.terms(image, targets, weights)
            total = tf.reduce_sum(terms)
        return terms, tape.gradient(total, image)

    def terms(self, image: tf.Tensor, targets: Targets, weights: Weights) -> tf.Tensor:
        """The weighted terms [content, style, variation] of an image."""
        return self.terms_of(self.sums(image, targets.content), targets.style, weights)

    def sums(
        self,
        image: tf.Tensor,
        content: list[tf.Tensor] | None,
        owned: tf.Tensor | None = None,
    ) -> Sums:
        """What the objective takes from an image, or from a tile of one.

        Args:
            image: [1, H, W, 3].
            content: activations of the content at the same place; None finds no difference.
            owned: int32 [4], see `Tile.owned_within`: the positions that count. None: all.
        """
        found = self._activations(image, self.structure.layers)
        layers = self.structure.content_layers
        values = [tf.cast(found[layer], tf.float32) for layer in layers]
        return Sums(
            [
                difference_sums(_owned(value, owned, layer), _owned(target, owned, layer))
                for layer, value, target in zip(layers, values, content or values, strict=True)
            ],
            [
                channel_sums(_owned(found[layer], owned, layer))
                for layer in self.structure.style_layers
            ],
            variation_sum(image) if owned is None else _owned_variation(image, owned),
            tf.cast(tf.size(_owned(image, owned)), tf.float32),
        )

    def terms_of(self, sums: Sums, style: list[Tensors], weights: Weights) -> tf.Tensor:
        """The weighted terms [content, style, variation], float32 [3], of the sums of an image.

        Args:
            sums: of all of it, float32 or float64.
            style: the style's targets.
            weights: of the terms.
        """
        distances = [
            self._style_loss.distance(self.statistics_of(layer), target)
            for layer, target in zip(sums.style, style, strict=True)
        ]
        return tf.stack(
            [
                self.content_term(sums.content, weights),
                tf.tensordot(weights.style, tf.stack(distances), 1),
                weights.variation * tf.cast(sums.variation / sums.entries, tf.float32),
            ]
        )

    def content_term(self, sums: list[DifferenceSums], weights: Weights) -> tf.Tensor:
        """The weighted content term, a float32 scalar."""
        distances = [self._content_distance(layer) for layer in sums]
        return tf.tensordot(weights.content, tf.cast(tf.stack(distances), tf.float32), 1)

    def _activations(self, image: tf.Tensor, layers: tuple[str, ...]) -> dict[str, tf.Tensor]:
        return self._extractor.activations(
            image, layers, padding=self.structure.padding, pooling=self.structure.pooling
        )


def _owned(values: tf.Tensor, owned: tf.Tensor | None, layer: str | None = None) -> tf.Tensor:
    """The owned positions of a layer's activations, or of the image; all if `owned` is None.

    Rounded down at the image's end, as pooling does; elsewhere nothing is left to round.
    """
    if owned is None:
        return values
    top, bottom, left, right = tf.unstack(owned // (stride(layer) if layer else 1))
    return values[:, top:bottom, left:right]


def _owned_variation(image: tf.Tensor, owned: tf.Tensor) -> tf.Tensor:
    """The variation sum of a tile: of the pairs from its pixels to those below and beside."""
    top, bottom, left, right = tf.unstack(owned)
    shape = tf.shape(image)
    below = tf.cast(bottom < shape[1], tf.int32)
    beside = tf.cast(right < shape[2], tf.int32)
    return variation_sum(image[:, top : bottom + below, left : right + beside], below, beside)
