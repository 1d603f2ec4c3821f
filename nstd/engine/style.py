"""Style losses: what is measured of a style image, and how far a generated image is from it.

Every kind measures sums over positions only, so several style images blend by averaging their
statistics, and an image larger than memory can be measured in parts.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import tensorflow as tf

from nstd.engine.losses import gram_matrix, mean_squared, moments, scaled_squared

Tensors = tuple[tf.Tensor, ...]
Ranks = tuple[tuple[int, tf.DType], ...]

# Added to every covariance, so that channels that never vary have a root and an inverse.
EPSILON = 1e-4


class StyleLoss(Protocol):
    """One kind of style loss. Features are [1, H, W, C], in the type of the convolutions."""

    target_ranks: ClassVar[Ranks]
    """Rank and type of each tensor of a target."""

    def statistics(self, features: tf.Tensor) -> Tensors:
        """What is measured: means over positions, so that several images may be averaged."""
        ...

    def select(self, mean: tf.Tensor, moment: tf.Tensor) -> Tensors:
        """The statistics, out of the mean [C] and the raw second moment [C, C] of features."""
        ...

    def target(self, statistics: Tensors) -> Tensors:
        """What the loss needs of a style's statistics, computed once for a transfer."""
        ...

    def loss(self, features: tf.Tensor, target: Tensors) -> tf.Tensor:
        """How far features are from a target; a scalar, 0 if their statistics agree."""
        ...

    def distance(self, statistics: Tensors, target: Tensors) -> tf.Tensor:
        """As `loss`, from the features' statistics, float32 or float64; float32."""
        ...


class Gram:
    """mean((G - G*)^2): Gatys et al. (CVPR 2016, eq. 4), with a mean for the sum."""

    target_ranks: ClassVar[Ranks] = ((2, tf.float32),)
    _distance = staticmethod(mean_squared)

    def statistics(self, features: tf.Tensor) -> Tensors:
        """The Gram matrix [C, C], divisor H W."""
        return (gram_matrix(features),)

    def select(self, mean: tf.Tensor, moment: tf.Tensor) -> Tensors:
        """The Gram matrix, which is the moment."""
        del mean
        return (moment,)

    def target(self, statistics: Tensors) -> Tensors:
        """The Gram matrix itself."""
        return statistics

    def loss(self, features: tf.Tensor, target: Tensors) -> tf.Tensor:
        """The distance between the features' Gram matrix and the target's."""
        return self.distance(self.statistics(features), target)

    def distance(self, statistics: Tensors, target: Tensors) -> tf.Tensor:
        """The distance between two Gram matrices."""
        return self._distance(tf.cast(statistics[0], tf.float32), target[0])


class GramScaled(Gram):
    """sum(d^2) / sum(|d|), d = G - G*: every layer's gradient has the same size (K. Crowson)."""

    _distance = staticmethod(scaled_squared)


class Wasserstein:
    """Squared 2-Wasserstein distance between Gaussians fitted to the features, per channel.

    With mean m and covariance C (divisor H W, plus 1e-4 I) of the C_l-dimensional features:
    mean((m - m*)^2) + tr(C + C* - 2 (R C R)^(1/2)) / C_l, R = C*^(1/2); Olkin & Pukelsheim 1982,
    as a style loss K. Crowson, style-transfer-pytorch, 2023. Not in Gatys et al.; it matches
    means and covariances instead of raw second moments, and moves features along the optimal
    transport, which paints large coherent strokes.
    """

    target_ranks: ClassVar[Ranks] = ((1, tf.float32), (2, tf.float64), (0, tf.float64))

    def statistics(self, features: tf.Tensor) -> Tensors:
        """Mean [C] and raw second moment [C, C], divisor H W."""
        return self.select(*moments(features))

    def select(self, mean: tf.Tensor, moment: tf.Tensor) -> Tensors:
        """Both."""
        return mean, moment

    def target(self, statistics: Tensors) -> Tensors:
        """Mean [C], root of the covariance [C, C], its trace."""
        mean, moment = statistics
        covariance = _covariance(mean, moment)
        values, vectors = tf.linalg.eigh(covariance)
        root = (vectors * tf.sqrt(tf.maximum(values, 0.0))) @ tf.transpose(vectors)
        return mean, root, tf.linalg.trace(covariance)

    def loss(self, features: tf.Tensor, target: Tensors) -> tf.Tensor:
        """The squared distance, divided by the number of channels."""
        return self.distance(self.statistics(features), target)

    def distance(self, statistics: Tensors, target: Tensors) -> tf.Tensor:
        """The squared distance, divided by the number of channels."""
        mean, root, trace = target
        own_mean, own_moment = statistics
        covariance = _covariance(own_mean, own_moment)
        channels = tf.cast(tf.shape(mean)[0], tf.float64)
        spread = (tf.linalg.trace(covariance) + trace - 2 * fidelity(covariance, root)) / channels
        return mean_squared(tf.cast(own_mean, tf.float32), mean) + tf.cast(spread, tf.float32)


@tf.custom_gradient
def fidelity(covariance: tf.Tensor, root: tf.Tensor) -> Any:  # noqa: ANN401 - as the decorator wants it
    """tr((R C R)^(1/2)), with the closed form of its gradient: R (R C R)^(-1/2) R / 2.

    Nothing is back-propagated through the eigenvectors, whose derivative is undefined where
    eigenvalues meet. The matrices' condition numbers reach 4e7, hence float64 and eigh:
    Newton-Schulz in float32 stops at half the loss or diverges.

    Args:
        covariance: C, [C_l, C_l] float64.
        root: R, the symmetric root of the target's covariance, likewise; not differentiated.
    """
    product = root @ covariance @ root
    values, vectors = tf.linalg.eigh((product + tf.transpose(product)) / 2)
    singular = tf.sqrt(tf.maximum(values, EPSILON**2))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        turned = root @ vectors
        return upstream / 2 * (turned / singular) @ tf.transpose(turned), None

    return tf.reduce_sum(singular), gradient


STYLE_LOSSES: dict[str, StyleLoss] = {
    "gram": Gram(),
    "gram_scaled": GramScaled(),
    "w2": Wasserstein(),
}


def _covariance(mean: tf.Tensor, moment: tf.Tensor) -> tf.Tensor:
    """Covariance + 1e-4 I in float64, from the mean [C] and the raw second moment [C, C]."""
    mean, moment = tf.cast(mean, tf.float64), tf.cast(moment, tf.float64)
    identity = tf.eye(tf.shape(mean)[0], dtype=tf.float64)
    return moment - mean[:, None] * mean[None, :] + EPSILON * identity
