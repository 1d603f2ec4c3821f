"""The terms of the objective: pure functions of tensors; every result is float32."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

# Keeps the scaled distance finite where generated and target features are equal.
_EPSILON = 1e-8


def gram_matrix(features: tf.Tensor) -> tf.Tensor:
    """Gram matrix G = F^T F / (H W), F the features as [H W, C].

    Gatys et al. (CVPR 2016, eq. 3) do not divide and have 1 / (4 N^2 M^2) in the loss; dividing
    by the number of positions makes statistics of images of different sizes comparable.

    Args:
        features: [1, H, W, C], float32 or bfloat16.

    Returns:
        Float32 [C, C], divisor H W.
    """
    return moments(features)[1]


def moments(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and Gram matrix of the channels.

    Args:
        features: [1, H, W, C], float32 or bfloat16.

    Returns:
        Float32 [C] and [C, C], divisor H W.
    """
    mean, moment = _moments(tf.reshape(features, [-1, features.shape[-1]]))
    return mean, moment


@tf.custom_gradient
def _moments(flat: tf.Tensor) -> Any:  # noqa: ANN401 - as the decorator wants it
    """1^T F / n and F^T F / n for F [n, C].

    The product rule's two equal halves are one product in the gradient. That is taken in the
    features' own type, for it goes on through the convolutions in that type anyway, so that no
    float32 copy of bfloat16 features is kept for it.
    """
    positions = tf.cast(tf.shape(flat)[0], tf.float32)
    exact = tf.cast(flat, tf.float32)

    def gradient(by_mean: tf.Tensor, by_moment: tf.Tensor) -> tf.Tensor:
        factor = tf.cast((by_moment + tf.transpose(by_moment)) / positions, flat.dtype)
        return tf.nn.bias_add(
            tf.linalg.matmul(flat, factor), tf.cast(by_mean / positions, flat.dtype)
        )

    moment = tf.linalg.matmul(exact, exact, transpose_a=True) / positions
    return (tf.reduce_mean(exact, axis=0), moment), gradient


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


@tf.custom_gradient
def total_variation(image: tf.Tensor) -> Any:  # noqa: ANN401 - as the decorator wants it
    """Squared differences to the eight neighbours, averaged over the image's H W 3 entries.

    2/3 (horizontal + vertical) + 1/6 (both diagonals), each the sum of squared differences over
    the pairs that exist, divided by H W 3: the nine-point stencil of the Laplacian, whose
    gradient has no preferred direction. The paper has no such term.

    The gradient is written out: differentiating slices costs a tenth of a whole iteration.

    Args:
        image: [1, H, W, 3].

    Returns:
        A scalar; 0 for a constant image.
    """
    entries = tf.cast(tf.size(image), tf.float32)
    total = tf.constant(0.0)
    pairs = []
    for weight, later, earlier in _NEIGHBOURS:
        difference = _cut(image, later) - _cut(image, earlier)
        total += weight * tf.reduce_sum(tf.square(difference))
        pairs.append((weight, later, earlier, difference))

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        whole = tf.add_n(
            [
                weight * (_grow(difference, later) - _grow(difference, earlier))
                for weight, later, earlier, difference in pairs
            ]
        )
        return 2 * upstream / entries * whole

    return total / entries, gradient


# Pairs of neighbours: (weight, margins of the later pixel, margins of the earlier one); margins
# are the rows and columns (top, bottom, left, right) of the image that have no such neighbour.
_Margins = tuple[int, int, int, int]
_NEIGHBOURS: tuple[tuple[float, _Margins, _Margins], ...] = (
    (2 / 3, (0, 0, 1, 0), (0, 0, 0, 1)),  # horizontal
    (2 / 3, (1, 0, 0, 0), (0, 1, 0, 0)),  # vertical
    (1 / 6, (1, 0, 1, 0), (0, 1, 0, 1)),  # falling diagonal
    (1 / 6, (0, 1, 1, 0), (1, 0, 0, 1)),  # rising diagonal
)


def _cut(image: tf.Tensor, margins: _Margins) -> tf.Tensor:
    """The image without its margins."""
    top, bottom, left, right = margins
    shape = tf.shape(image)
    return image[:, top : shape[1] - bottom, left : shape[2] - right]


def _grow(values: tf.Tensor, margins: _Margins) -> tf.Tensor:
    """Zeros around the values where `_cut` took the margins away."""
    top, bottom, left, right = margins
    return tf.pad(values, [[0, 0], [top, bottom], [left, right], [0, 0]])
