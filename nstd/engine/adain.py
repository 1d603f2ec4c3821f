"""A feed-forward draft by adaptive instance normalisation (Huang & Belongie, ICCV 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nstd.engine.convolution import Convolution
from nstd.engine.graph import add_up, graph
from nstd.engine.tiles import Grid, halo, radius, stride
from nstd.engine.vgg import FeatureExtractor, pad_one, smallest_side

if TYPE_CHECKING:
    from nstd.domain import Float32Image
    from nstd.engine.weights import Weights

    Statistics = tuple[tf.Tensor, tf.Tensor]
    Sums = tuple[tf.Tensor, tf.Tensor, tf.Tensor]

_ENCODED = "block4_conv1"
_CONVOLUTIONS = 9
_UPSAMPLED_AFTER = frozenset({1, 5, 7})
_EPSILON = 1e-5

# Mirroring needs a second pixel on each axis of the encoded features.
SMALLEST_SIDE = 2 * smallest_side([_ENCODED])


class Draft:
    """Encoder statistics and decoder as two graphs that serve every size.

    Args:
        extractor: the encoder.
        weights: hold the decoder's convolutions.
        dtype: that the convolutions run in.
    """

    def __init__(self, extractor: FeatureExtractor, weights: Weights, dtype: tf.DType) -> None:
        self.traces = 0
        self._extractor = extractor
        self._dtype = dtype
        self._convolutions = [
            Convolution(
                weights.arrays[f"decoder_conv{index}/kernel"],
                weights.arrays[f"decoder_conv{index}/bias"],
                dtype,
            )
            for index in range(1, _CONVOLUTIONS + 1)
        ]
        image = tf.TensorSpec([1, None, None, 3], tf.float32)
        statistic = tf.TensorSpec([None], tf.float32)
        scalar = tf.TensorSpec([], tf.float32)
        pair = (statistic, statistic)
        self.statistics = graph(self._statistics, [image])
        self.paint = graph(self._paint, [image, *pair, scalar])
        self.measure = graph(self._measure, [image, tf.TensorSpec([4], tf.int32)])
        self.paint_tile = graph(self._paint_tile, [image, pair, pair, scalar])

    def _statistics(self, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and standard deviation of the encoded features, [C] each."""
        self.traces += 1
        return _moments(self._encode(image))

    def _paint(
        self, content: tf.Tensor, mean: tf.Tensor, deviation: tf.Tensor, alpha: tf.Tensor
    ) -> tf.Tensor:
        """AdaIN(x) = s_y (x - m_x) / s_x + m_y (eq. 8), decoded; alpha blends as in eq. 14.

        Args:
            content: [1, H, W, 3] in [0, 1].
            mean: [C], of the style.
            deviation: [C], of the style.
            alpha: 0 gives the decoder's idea of the content, 1 the full style.

        Returns:
            [1, H, W, 3], clipped to [0, 1].
        """
        self.traces += 1
        features = self._encode(content)
        return self._restyle(content, features, _moments(features), (mean, deviation), alpha)

    def _measure(self, tile: tf.Tensor, owned: tf.Tensor) -> Sums:
        """Sums over the positions that a tile owns: f, f^2 and 1; float32 [C], [C] and scalar."""
        self.traces += 1
        # Rounded up, as pooling does at the image's end; elsewhere nothing is left to round.
        top, bottom, left, right = tf.unstack(-(-owned // stride(_ENCODED)))
        features = self._encode(tile)[0, top:bottom, left:right]
        return (
            tf.reduce_sum(features, axis=[0, 1]),
            tf.reduce_sum(tf.square(features), axis=[0, 1]),
            tf.cast((bottom - top) * (right - left), tf.float32),
        )

    def _paint_tile(
        self, tile: tf.Tensor, own: Statistics, wanted: Statistics, alpha: tf.Tensor
    ) -> tf.Tensor:
        """As `_paint`, of a part of the content with the statistics of the whole."""
        self.traces += 1
        return self._restyle(tile, self._encode(tile), own, wanted, alpha)

    def _restyle(
        self,
        content: tf.Tensor,
        features: tf.Tensor,
        own: Statistics,
        wanted: Statistics,
        alpha: tf.Tensor,
    ) -> tf.Tensor:
        """`_paint`, from the content's features and the statistics of both."""
        styled = (features - own[0]) / own[1] * wanted[1] + wanted[0]
        decoded = self._decode(alpha * styled + (1 - alpha) * features)
        # Pooling rounded odd sizes up, so the decoder's picture is up to 7 pixels larger.
        shape = tf.shape(content)
        return tf.clip_by_value(decoded[:, : shape[1], : shape[2]], 0.0, 1.0)

    def _encode(self, image: tf.Tensor) -> tf.Tensor:
        found = self._extractor.activations(image, [_ENCODED], padding="reflect")
        return tf.cast(found[_ENCODED], tf.float32)

    def _decode(self, features: tf.Tensor) -> tf.Tensor:
        features = tf.cast(features, self._dtype)
        for index, convolution in enumerate(self._convolutions, start=1):
            features = convolution(pad_one(features, "REFLECT"), "VALID")
            if index < _CONVOLUTIONS:
                features = tf.nn.relu(features)
            if index in _UPSAMPLED_AFTER:
                features = tf.repeat(tf.repeat(features, 2, axis=1), 2, axis=2)
        return tf.cast(features, tf.float32)


class TiledDraft:
    """As `Draft`, by tiles: the same but for rounding, since all that a tile has to know of the
    rest of the image is the statistics.

    Args:
        draft: of the whole image.
        side: of the tiles; a multiple of `tiles.ALIGNMENT`.
    """  # noqa: D205 - the sentence doesn't fit one line

    def __init__(self, draft: Draft, side: int) -> None:
        self._draft = draft
        # The decoder mirrors the encoder, and sees as far.
        self._grid = Grid(side, halo(2 * radius([_ENCODED])))

    def statistics(self, image: Float32Image) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Draft`."""
        tiles = self._grid.tiles(*image.shape[1:3])
        first, second, positions = add_up(
            self._draft.measure(tile.cut(image), tile.owned_within) for tile in tiles
        )
        mean = first / positions
        variance = tf.maximum(second / positions - tf.square(mean), 0.0)
        return tf.cast(mean, tf.float32), tf.cast(tf.sqrt(variance + _EPSILON), tf.float32)

    def paint(
        self, content: Float32Image, mean: tf.Tensor, deviation: tf.Tensor, alpha: tf.Tensor
    ) -> Float32Image:
        """See `Draft`."""
        own = self.statistics(content)
        whole = np.empty_like(content)
        for tile in self._grid.tiles(*content.shape[1:3]):
            part = self._draft.paint_tile(tile.cut(content), own, (mean, deviation), alpha)
            tile.put(whole, part.numpy())
        return whole


def _moments(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Per-channel mean and standard deviation over positions, [C] each."""
    mean, variance = tf.nn.moments(features, axes=[0, 1, 2])
    return mean, tf.sqrt(variance + _EPSILON)
