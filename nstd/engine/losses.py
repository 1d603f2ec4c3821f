"""The terms of the objective: pure functions of tensors; every result is float32.

Each depends on the image only through sums over positions. What takes the sums and what makes a
loss of them are functions of their own, so that an image may be summed up in parts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

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


class ChannelSums(NamedTuple):
    """Sums over positions of the features f at each: of f [C], of f f^T [C, C], and of 1.

    With a mask, each position counts by what that says.
    """

    first: tf.Tensor
    second: tf.Tensor
    positions: tf.Tensor

    def moments(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and Gram matrix of the channels: the sums, divided by the positions."""
        return self.first / self.positions, self.second / self.positions


def moments(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and Gram matrix of the channels.

    Args:
        features: [1, H, W, C], float32 or bfloat16.

    Returns:
        Float32 [C] and [C, C], divisor H W.
    """
    return channel_sums(features).moments()


def channel_sums(features: tf.Tensor, weights: tf.Tensor | None = None) -> ChannelSums:
    """What `moments` divides.

    Args:
        features: [1, H, W, C], float32 or bfloat16; there may be no position.
        weights: float32 [1, H, W], how much each position counts (Gatys et al. 2017, eq. 5 and 6,
            whose guidance channels are their roots); None: 1.

    Returns:
        Float32.
    """
    flat = tf.reshape(features, [-1, features.shape[-1]])
    if weights is None:
        first, second = _sums(flat, None)
        return ChannelSums(first, second, tf.cast(tf.shape(flat)[0], tf.float32))
    first, second = _sums(flat, tf.reshape(weights, [-1, 1]))
    return ChannelSums(first, second, tf.reduce_sum(weights))


def _sums(flat: tf.Tensor, weights: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
    """w^T F and F^T diag(w) F for F [n, C] and w [n, 1], which is 1 if it is None.

    The product rule's two equal halves are one product in the gradient. That is taken in the
    features' own type, for it goes on through the convolutions in that type anyway, so that no
    float32 copy of bfloat16 features is kept for it.
    """

    @tf.custom_gradient
    def sums(flat: tf.Tensor) -> Any:  # noqa: ANN401 - as the decorator wants it
        exact = tf.cast(flat, tf.float32)
        weighted = exact if weights is None else exact * weights

        def gradient(by_first: tf.Tensor, by_second: tf.Tensor) -> tf.Tensor:
            factor = tf.cast(by_second + tf.transpose(by_second), flat.dtype)
            slope = tf.nn.bias_add(tf.linalg.matmul(flat, factor), tf.cast(by_first, flat.dtype))
            return slope if weights is None else slope * tf.cast(weights, flat.dtype)

        second = tf.linalg.matmul(weighted, exact, transpose_a=True)
        return (tf.reduce_sum(weighted, axis=0), second), gradient

    found: tuple[tf.Tensor, tf.Tensor] = sums(flat)
    return found


class DifferenceSums(NamedTuple):
    """Sums over the entries of a difference d: of d^2, of |d|, and of 1."""

    squared: tf.Tensor
    absolute: tf.Tensor
    entries: tf.Tensor

    def mean_squared(self) -> tf.Tensor:
        """See the function of this name."""
        return self.squared / self.entries

    def scaled_squared(self) -> tf.Tensor:
        """See the function of this name."""
        return self.squared / (self.absolute + _EPSILON)


def difference_sums(value: tf.Tensor, target: tf.Tensor) -> DifferenceSums:
    """What the distances of two tensors of one shape are made of; there may be no entry."""
    difference = value - target
    return DifferenceSums(
        tf.reduce_sum(tf.square(difference)),
        tf.reduce_sum(tf.abs(difference)),
        tf.cast(tf.size(difference), difference.dtype),
    )


def mean_squared(value: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """mean((value - target)^2) over all entries; a scalar. Eq. 1 and 4 with means for sums."""
    return difference_sums(value, target).mean_squared()


def scaled_squared(value: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """sum(d^2) / (sum(|d|) + 1e-8), d = value - target; a scalar.

    Not in the paper: the gradient's L1 norm is about 1 whatever the layer's size and magnitude,
    so that layers weigh what their weights say (K. Crowson, style-transfer-pytorch).
    """
    return difference_sums(value, target).scaled_squared()


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
    return variation_sum(image) / tf.cast(tf.size(image), tf.float32)


def variation_sum(
    image: tf.Tensor, below: tf.Tensor | int = 0, beside: tf.Tensor | int = 0
) -> tf.Tensor:
    """What `total_variation` divides.

    The gradient is written out: differentiating slices costs a tenth of a whole iteration.

    Args:
        image: [1, H, W, 3], or a part of one.
        below: 1 if the last row is also another part's first: the horizontal pairs within it
            count there. Otherwise 0.
        beside: likewise for the last column and its vertical pairs.
    """

    @tf.custom_gradient
    def total(image: tf.Tensor) -> Any:  # noqa: ANN401 - as the decorator wants it
        found = tf.constant(0.0)
        pairs = []
        for weight, after, before, (rows, columns) in _NEIGHBOURS:
            seam = (0, rows * below, 0, columns * beside)
            later, earlier = _wider(after, seam), _wider(before, seam)
            difference = _cut(image, later) - _cut(image, earlier)
            found += weight * tf.reduce_sum(tf.square(difference))
            pairs.append((weight, later, earlier, difference))

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            whole = tf.add_n(
                [
                    weight * (_grow(difference, later) - _grow(difference, earlier))
                    for weight, later, earlier, difference in pairs
                ]
            )
            return 2 * upstream * whole

        return found, gradient

    return total(image)


# Pairs of neighbours: (weight, margins of the later pixel, margins of the earlier one, seams);
# margins are the rows and columns (top, bottom, left, right) of the image that have no such
# neighbour; seams say whether pairs lie within the last row, and within the last column.
_Margins = tuple[Any, Any, Any, Any]  # numbers, or scalar tensors
_NEIGHBOURS: tuple[tuple[float, _Margins, _Margins, tuple[int, int]], ...] = (
    (2 / 3, (0, 0, 1, 0), (0, 0, 0, 1), (1, 0)),  # horizontal
    (2 / 3, (1, 0, 0, 0), (0, 1, 0, 0), (0, 1)),  # vertical
    (1 / 6, (1, 0, 1, 0), (0, 1, 0, 1), (0, 0)),  # falling diagonal
    (1 / 6, (0, 1, 1, 0), (1, 0, 0, 1), (0, 0)),  # rising diagonal
)


def _wider(margins: _Margins, others: _Margins) -> _Margins:
    """Both margins together."""
    top, bottom, left, right = (one + other for one, other in zip(margins, others, strict=True))
    return top, bottom, left, right


def _cut(image: tf.Tensor, margins: _Margins) -> tf.Tensor:
    """The image without its margins."""
    top, bottom, left, right = margins
    shape = tf.shape(image)
    return image[:, top : shape[1] - bottom, left : shape[2] - right]


def _grow(values: tf.Tensor, margins: _Margins) -> tf.Tensor:
    """Zeros around the values where `_cut` took the margins away."""
    top, bottom, left, right = margins
    return tf.pad(values, [[0, 0], [top, bottom], [left, right], [0, 0]])
