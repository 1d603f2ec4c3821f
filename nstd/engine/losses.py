"""The terms of the objective: pure functions of tensors, float32 throughout."""

from __future__ import annotations

import tensorflow as tf

# Keeps the scaled distance finite where generated and target features are equal.
_EPSILON = 1e-8


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Gram matrix G = F^T F / (H W), F the features as [H W, C].

    Gatys et al. (CVPR 2016, eq. 3) do not divide and have 1 / (4 N^2 M^2) in the loss; dividing
    by the number of positions makes statistics of images of different sizes comparable.

    Args:
        features: [1, H, W, C].

    Returns:
        [C, C], divisor H W.
    """
    shape = tf.shape(features)
    flat = tf.reshape(features, [-1, shape[-1]])
    return tf.linalg.matmul(flat, flat, transpose_a=True) / tf.cast(tf.shape(flat)[0], tf.float32)


def mean_squared(value: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """mean((value - target)^2) over all entries; a scalar. Eq. 1 and 4 with means for sums."""
    return tf.reduce_mean(tf.math.squared_difference(value, target))


def scaled_squared(value: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """sum(d^2) / (sum(|d|) + 1e-8), d = value - target; a scalar.

    Not in the paper: the gradient's L1 norm is about 1 whatever the layer's size and magnitude,
    so that layers weigh what their weights say (K. Crowson, style-transfer-pytorch).
    """
    difference = value - target
    return tf.reduce_sum(tf.square(difference)) / (tf.reduce_sum(tf.abs(difference)) + _EPSILON)


def total_variation(image: tf.Tensor) -> tf.Tensor:
    """Squared differences to the eight neighbours, averaged over the image's H W 3 entries.

    2/3 (horizontal + vertical) + 1/6 (both diagonals), each the sum of squared differences over
    the pairs that exist, divided by H W 3: the nine-point stencil of the Laplacian, whose
    gradient has no preferred direction. The paper has no such term.

    Args:
        image: [1, H, W, 3].

    Returns:
        A scalar; 0 for a constant image.
    """
    horizontal = image[:, :, 1:] - image[:, :, :-1]
    vertical = image[:, 1:] - image[:, :-1]
    falling = image[:, 1:, 1:] - image[:, :-1, :-1]
    rising = image[:, :-1, 1:] - image[:, 1:, :-1]
    straight = tf.reduce_sum(tf.square(horizontal)) + tf.reduce_sum(tf.square(vertical))
    diagonal = tf.reduce_sum(tf.square(falling)) + tf.reduce_sum(tf.square(rising))
    entries = tf.cast(tf.size(image), tf.float32)
    return (2 / 3 * straight + 1 / 6 * diagonal) / entries
