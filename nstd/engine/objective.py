"""The objective J = a content + b style + c variation of an image, and its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import tensorflow as tf

from nstd.engine import losses
from nstd.engine.style import STYLE_LOSSES, Tensors
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


class Objective:
    """Loss, gradient and targets for one structure.

    Args:
        extractor: the network.
        structure: which layers, compared how.
    """

    def __init__(self, extractor: FeatureExtractor, structure: Structure) -> None:
        self.structure = structure
        self._extractor = extractor
        self._content_loss = getattr(losses, structure.content_loss)
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
        found = self._activations(image, self.structure.layers)
        content = [
            self._content_loss(tf.cast(found[layer], tf.float32), target)
            for layer, target in zip(self.structure.content_layers, targets.content, strict=True)
        ]
        style = [
            self._style_loss.loss(found[layer], target)
            for layer, target in zip(self.structure.style_layers, targets.style, strict=True)
        ]
        return tf.stack(
            [
                tf.tensordot(weights.content, tf.stack(content), 1),
                tf.tensordot(weights.style, tf.stack(style), 1),
                weights.variation * losses.total_variation(image),
            ]
        )

    def _activations(self, image: tf.Tensor, layers: tuple[str, ...]) -> dict[str, tf.Tensor]:
        return self._extractor.activations(
            image, layers, padding=self.structure.padding, pooling=self.structure.pooling
        )
