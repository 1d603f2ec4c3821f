"""The plain loop to compare with: TensorFlow as tutorials write it, without `tf.function`.

Same weights, layers, loss and Adam as nstd's; eager operations under a tape, float32.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import tensorflow as tf

from nstd.params import LAYERS

if TYPE_CHECKING:
    from nstd.domain import Float32Image
    from nstd.engine.weights import Weights
    from nstd.recipes import Recipe

BETAS = (0.9, 0.999)
# Pairs of neighbours and their weight, as in nstd.engine.losses.
NEIGHBOURS = (
    (2 / 3, (slice(None), slice(1, None)), (slice(None), slice(None, -1))),
    (2 / 3, (slice(1, None), slice(None)), (slice(None, -1), slice(None))),
    (1 / 6, (slice(1, None), slice(1, None)), (slice(None, -1), slice(None, -1))),
    (1 / 6, (slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))),
)


class PlainLoop:
    """Gatys' algorithm, one eager operation after the other.

    Args:
        weights: of the network.
        recipe: names layers and weights; its losses must be the scaled Gram and content losses.
        content: the target.
        style: the target.
        start: what the image is at first; default: the content.
        rate: Adam's.
    """

    def __init__(
        self,
        weights: Weights,
        recipe: Recipe,
        content: Float32Image,
        style: Float32Image,
        *,
        start: Float32Image | None = None,
        rate: float = 0.02,
    ) -> None:
        assert (recipe.style_loss, recipe.content_loss) == ("gram_scaled", "scaled_squared")  # noqa: S101
        assert (recipe.padding, recipe.pooling) == ("replicate", "max")  # noqa: S101
        self._recipe = recipe
        self._rate = rate
        self._arrays = {name: tf.constant(array) for name, array in weights.arrays.items()}
        self._layers = dict((*recipe.content_layers, *recipe.style_layers))
        self._last = max(map(LAYERS.index, self._layers))
        self.image = tf.Variable((content if start is None else start)[None])
        self._mean = tf.Variable(tf.zeros_like(self.image))
        self._square = tf.Variable(tf.zeros_like(self.image))
        self._steps = 0
        self._content = self._features(tf.constant(content[None]))
        self._style = {
            layer: _gram(features)
            for layer, features in self._features(tf.constant(style[None])).items()
        }

    def loss(self) -> tf.Tensor:
        """The objective of the image."""
        recipe, found = self._recipe, self._features(self.image)
        content = tf.add_n(
            [weight * _scaled(found[n], self._content[n]) for n, weight in recipe.content_layers]
        )
        style = tf.add_n(
            [weight * _scaled(_gram(found[n]), self._style[n]) for n, weight in recipe.style_layers]
        )
        return (
            recipe.content_weight * content
            + recipe.style_weight * style
            + recipe.tv_weight * _variation(self.image)
        )

    def step(self) -> None:
        """One iteration: loss, gradient, Adam, clip."""
        with tf.GradientTape() as tape:
            loss = self.loss()
        # Times the positions, as nstd has it, so that Adam's epsilon means the same in both.
        gradient = tape.gradient(loss, self.image) * (tf.size(self.image, tf.int32).numpy() / 3)
        self._steps += 1
        self._mean.assign(BETAS[0] * self._mean + (1 - BETAS[0]) * gradient)
        self._square.assign(BETAS[1] * self._square + (1 - BETAS[1]) * gradient**2)
        mean = self._mean / (1 - BETAS[0] ** self._steps)
        square = self._square / (1 - BETAS[1] ** self._steps)
        update = self._rate * mean / (tf.sqrt(square) + 1e-8)
        self.image.assign(tf.clip_by_value(self.image - update, 0.0, 1.0))

    def __call__(self, iterations: int) -> float:
        """Run iterations; returns the seconds that they took."""
        started = time.perf_counter()
        for _ in range(iterations):
            self.step()
        self.image[0, 0, 0, 0].numpy()
        return time.perf_counter() - started

    def _features(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        found = {}
        features = tf.nn.conv2d(image, self._arrays["preprocess/kernel"], 1, "SAME")
        features = tf.nn.bias_add(features, self._arrays["preprocess/bias"])
        features = tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
        for index, layer in enumerate(LAYERS[: self._last + 1]):
            if index and layer.endswith("conv1"):
                features = tf.nn.max_pool2d(features, 2, 2, "VALID")
            padding = "SAME" if index else "VALID"
            features = tf.nn.conv2d(features, self._arrays[f"{layer}/kernel"], 1, padding)
            features = tf.nn.relu(tf.nn.bias_add(features, self._arrays[f"{layer}/bias"]))
            if layer in self._layers:
                found[layer] = features
        return found


def _gram(features: tf.Tensor) -> tf.Tensor:
    positions = features.shape[1] * features.shape[2]
    return tf.einsum("bijc,bijd->bcd", features, features) / positions


def _scaled(value: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    difference = value - target
    return tf.reduce_sum(difference**2) / (tf.reduce_sum(tf.abs(difference)) + 1e-8)


def _variation(image: tf.Tensor) -> tf.Tensor:
    pixels = image[0]
    squares = [
        weight * tf.reduce_sum((pixels[later] - pixels[earlier]) ** 2)
        for weight, later, earlier in NEIGHBOURS
    ]
    return tf.add_n(squares) / tf.size(image, tf.int32).numpy()
