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
from nstd.engine.masking import at_stride
from nstd.engine.style import STYLE_LOSSES, Tensors
from nstd.engine.tiles import stride
from nstd.engine.vgg import Padding, Pooling, smallest_side

if TYPE_CHECKING:
    from nstd.engine.masking import MaskTensors
    from nstd.engine.vgg import FeatureExtractor
    from nstd.recipes import Recipe

IMAGE = tf.TensorSpec([1, None, None, 3], tf.float32)


@dataclass(frozen=True, slots=True)
class Structure:
    """The part of a request that shapes the graph; all else reaches the graph as an argument.

    Attributes:
        regions: how many masks there are; 0: none, and everything is one region.
    """

    content_layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    content_loss: Literal["mean_squared", "scaled_squared"]
    style_loss: Literal["gram", "gram_scaled", "w2"]
    padding: Padding
    pooling: Pooling
    regions: int = 0

    @classmethod
    def of(cls, recipe: Recipe, regions: int = 0) -> Structure:
        """The structure of a recipe with so many masks."""
        return cls(
            tuple(layer for layer, _ in recipe.content_layers),
            tuple(layer for layer, _ in recipe.style_layers),
            recipe.content_loss,
            recipe.style_loss,
            recipe.padding,
            recipe.pooling,
            regions,
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that the objective looks at."""
        return tuple(dict.fromkeys((*self.content_layers, *self.style_layers)))

    @property
    def style_terms(self) -> int:
        """How many statistics are compared: of each style layer, in each region."""
        return len(self.style_layers) * max(1, self.regions)

    @property
    def mask_specs(self) -> tuple[tf.TensorSpec, ...]:
        """Shape of an image's masks: nothing, or one tensor."""
        if not self.regions:
            return ()
        return (tf.TensorSpec([1, None, None, self.regions], tf.float32),)

    @property
    def smallest_side(self) -> int:
        """The image side in pixels that the deepest layer needs."""
        return smallest_side(self.layers)


class Targets(NamedTuple):
    """What the generated image should match.

    Attributes:
        content: activations [1, H', W', C] of each content layer.
        style: the style loss's own targets, for each style layer and each region in it.
        masks: of the content; see `Masks.of_content`.
    """

    content: list[tf.Tensor]
    style: list[Tensors]
    masks: MaskTensors = ()


class Weights(NamedTuple):
    """Loss weights: a and b of the paper multiplied into the layers', and the variation's."""

    content: tf.Tensor
    style: tf.Tensor
    variation: tf.Tensor

    @classmethod
    def of(cls, recipe: Recipe, areas: tuple[float, ...] = (1.0,)) -> Weights:
        """The recipe's weights: of each content layer, of each style layer and region, a scalar.

        Args:
            recipe: has the layers'.
            areas: of the regions; see `Masks.areas`.
        """
        style = [recipe.style_weight * w * area for _, w in recipe.style_layers for area in areas]
        return cls(
            tf.constant([recipe.content_weight * w for _, w in recipe.content_layers], tf.float32),
            tf.constant(style, tf.float32),
            tf.constant(recipe.tv_weight, tf.float32),
        )


class Sums(NamedTuple):
    """All that the objective takes from an image.

    Sums over positions, so those of an image's parts add up to the image's. Float32 as they are
    taken; float64 where many are added.

    Attributes:
        content: of the differences from the content's activations, for each content layer.
        style: of the features, for each style layer and each region in it.
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

    def style_statistics(self, image: tf.Tensor, masks: MaskTensors = ()) -> list[Tensors]:
        """The style loss's statistics of a style image [1, H, W, 3], by layer and region."""
        found = self._activations(image, self.structure.style_layers)
        return [self.statistics_of(sums) for sums in self._style_sums(found, masks, None)]

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
                for ranks in [self._style_loss.target_ranks] * self.structure.style_terms
            ],
            self.structure.mask_specs,
        )

    def sums_spec(self, dtype: tf.DType) -> Sums:
        """Shapes of the sums."""
        scalar, vector, matrix = (tf.TensorSpec([None] * rank, dtype) for rank in range(3))
        return Sums(
            [DifferenceSums(scalar, scalar, scalar)] * len(self.structure.content_layers),
            [ChannelSums(vector, matrix, scalar)] * self.structure.style_terms,
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
        sums = self.sums(image, targets.content, masks=targets.masks)
        return self.terms_of(sums, targets.style, weights)

    def sums(
        self,
        image: tf.Tensor,
        content: list[tf.Tensor] | None,
        owned: tf.Tensor | None = None,
        masks: MaskTensors = (),
    ) -> Sums:
        """What the objective takes from an image, or from a tile of one.

        Args:
            image: [1, H, W, 3].
            content: activations of the content at the same place; None finds no difference.
            owned: int32 [4], see `Tile.owned_within`: the positions that count. None: all.
            masks: of the content at the same place.
        """
        found = self._activations(image, self.structure.layers)
        layers = self.structure.content_layers
        values = [tf.cast(found[layer], tf.float32) for layer in layers]
        return Sums(
            [
                difference_sums(_owned(value, owned, layer), _owned(target, owned, layer))
                for layer, value, target in zip(layers, values, content or values, strict=True)
            ],
            self._style_sums(found, masks, owned),
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

    def _style_sums(
        self, found: dict[str, tf.Tensor], masks: MaskTensors, owned: tf.Tensor | None
    ) -> list[ChannelSums]:
        """The sums of each style layer in each region, out of the activations."""
        return [
            channel_sums(_owned(found[layer], owned, layer), weights)
            for layer in self.structure.style_layers
            for weights in _at_layer(masks, owned, layer)
        ]

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


def _at_layer(
    masks: MaskTensors, owned: tf.Tensor | None, layer: str
) -> list[tf.Tensor] | list[None]:
    """Each region's mask at the owned positions of a layer, [1, H, W]; one None without masks."""
    if not masks:
        return [None]
    found: list[tf.Tensor] = tf.unstack(
        _owned(at_stride(masks[0], stride(layer)), owned, layer), axis=-1
    )
    return found


def _owned_variation(image: tf.Tensor, owned: tf.Tensor) -> tf.Tensor:
    """The variation sum of a tile: of the pairs from its pixels to those below and beside."""
    top, bottom, left, right = tf.unstack(owned)
    shape = tf.shape(image)
    below = tf.cast(bottom < shape[1], tf.int32)
    beside = tf.cast(right < shape[2], tf.int32)
    return variation_sum(image[:, top : bottom + below, left : right + beside], below, beside)
