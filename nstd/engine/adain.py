"""A feed-forward draft by adaptive instance normalisation (Huang & Belongie, ICCV 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from nstd.engine.convolution import Convolution
from nstd.engine.graph import graph
from nstd.engine.vgg import FeatureExtractor, pad_one, smallest_side

if TYPE_CHECKING:
    from nstd.engine.weights import Weights

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
        self.statistics = graph(self._statistics, [image])
        self.paint = graph(self._paint, [image, statistic, statistic, scalar])

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
        own_mean, own_deviation = _moments(features)
        styled = (features - own_mean) / own_deviation * deviation + mean
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


def _moments(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Per-channel mean and standard deviation over positions, [C] each."""
    mean, variance = tf.nn.moments(features, axes=[0, 1, 2])
    return mean, tf.sqrt(variance + _EPSILON)
