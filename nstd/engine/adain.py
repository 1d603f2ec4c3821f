"""A feed-forward draft by adaptive instance normalisation (Huang & Belongie, ICCV 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nstd.engine.convolution import Convolution, pad_one
from nstd.engine.graph import add_up, graph
from nstd.engine.masking import at_stride
from nstd.engine.tiles import Grid, halo, nobody_waits, radius, stride
from nstd.engine.vgg import FeatureExtractor, smallest_side

if TYPE_CHECKING:
    from nstd.domain import Float32Image
    from nstd.engine.masking import MaskTensors
    from nstd.engine.tiles import Alive
    from nstd.engine.weights import Weights

    # For each region; for one, without masks.
    Statistics = list[tuple[tf.Tensor, tf.Tensor]]
    Sums = list[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]

_ENCODED = "block4_conv1"
_CONVOLUTIONS = 9
_UPSAMPLED_AFTER = frozenset({1, 5, 7})
_EPSILON = 1e-5

# Mirroring needs a second pixel on each axis of the encoded features.
SMALLEST_SIDE = 2 * smallest_side([_ENCODED])
STRIDE = stride(_ENCODED)


class Draft:
    """Encoder statistics and decoder as graphs that serve every size, whole and by tiles.

    Args:
        extractor: the encoder.
        weights: hold the decoder's convolutions.
        dtype: that the convolutions run in.
        regions: how many masks there are.
    """

    def __init__(
        self, extractor: FeatureExtractor, weights: Weights, dtype: tf.DType, regions: int = 0
    ) -> None:
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
        masks = (tf.TensorSpec([1, None, None, regions], tf.float32),) if regions else ()
        pairs = [(statistic, statistic)] * max(1, regions)
        self.statistics = graph(self._statistics, [image, masks])
        self.paint = graph(self._paint, [image, masks, pairs, scalar])
        self.measure = graph(self._measure, [image, tf.TensorSpec([4], tf.int32), masks])
        self.paint_tile = graph(self._paint_tile, [image, masks, pairs, pairs, scalar])

    def _statistics(self, image: tf.Tensor, masks: MaskTensors) -> Statistics:
        """Mean and standard deviation of the encoded features, [C] each, in each region."""
        self.traces += 1
        return _moments(self._encode(image), _encoded(masks))

    def _paint(
        self, content: tf.Tensor, masks: MaskTensors, wanted: Statistics, alpha: tf.Tensor
    ) -> tf.Tensor:
        """AdaIN(x) = s_y (x - m_x) / s_x + m_y (eq. 8), decoded; alpha blends as in eq. 14.

        With masks, each region has its own (section 7.3, "spatial control"); what none of them
        covers is the decoder's idea of the content.

        Args:
            content: [1, H, W, 3] in [0, 1].
            masks: of the content.
            wanted: the style's statistics.
            alpha: 0 gives the decoder's idea of the content, 1 the full style.

        Returns:
            [1, H, W, 3], clipped to [0, 1].
        """
        self.traces += 1
        features, encoded = self._encode(content), _encoded(masks)
        own = _moments(features, encoded)
        return self._picture(_restyled(features, encoded, own, wanted, alpha), tf.shape(content))

    def _measure(self, tile: tf.Tensor, owned: tf.Tensor, masks: MaskTensors) -> Sums:
        """Sums over the positions that a tile owns: f, f^2 and 1; float32 [C], [C] and scalar."""
        self.traces += 1
        # Rounded up, as pooling does at the image's end; elsewhere nothing is left to round.
        top, bottom, left, right = tf.unstack(-(-owned // STRIDE))
        features = self._encode(tile)[:, top:bottom, left:right]
        ones = tf.ones_like(features[..., :1])
        return [
            (
                tf.reduce_sum(mask * features, axis=[0, 1, 2]),
                tf.reduce_sum(mask * tf.square(features), axis=[0, 1, 2]),
                tf.reduce_sum(mask),
            )
            for mask in [one[:, top:bottom, left:right] for one in _encoded(masks)] or [ones]
        ]

    def _paint_tile(
        self,
        tile: tf.Tensor,
        masks: MaskTensors,
        own: Statistics,
        wanted: Statistics,
        alpha: tf.Tensor,
    ) -> tf.Tensor:
        """As `_paint`, of a part of the content with the statistics of the whole."""
        self.traces += 1
        restyled = _restyled(self._encode(tile), _encoded(masks), own, wanted, alpha)
        return self._picture(restyled, tf.shape(tile))

    def _picture(self, features: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
        """Decoded; pooling rounded odd sizes up, so what comes is up to 7 pixels too large."""
        return tf.clip_by_value(self._decode(features)[:, : size[1], : size[2]], 0.0, 1.0)

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
        alive: called after each tile.
    """  # noqa: D205 - the sentence doesn't fit one line

    def __init__(self, draft: Draft, side: int, alive: Alive = nobody_waits) -> None:
        self._draft = draft
        self._alive = alive
        # The decoder mirrors the encoder, and sees as far.
        self._grid = Grid(side, halo(2 * radius([_ENCODED])))

    def statistics(self, image: Float32Image, masks: tuple[Float32Image, ...] = ()) -> Statistics:
        """See `Draft`."""
        sums = add_up(
            self._draft.measure(tile.cut(image), tile.owned_within, tile.cut_all(masks))
            for tile in self._grid.visited(image, self._alive)
        )
        found = []
        for first, second, positions in sums:
            mean = first / positions
            variance = tf.maximum(second / positions - tf.square(mean), 0.0)
            deviation = tf.sqrt(variance + _EPSILON)
            found.append((tf.cast(mean, tf.float32), tf.cast(deviation, tf.float32)))
        return found

    def paint(
        self,
        content: Float32Image,
        masks: tuple[Float32Image, ...],
        wanted: Statistics,
        alpha: tf.Tensor,
    ) -> Float32Image:
        """See `Draft`."""
        own = self.statistics(content, masks)
        whole = np.empty_like(content)
        for tile in self._grid.visited(content, self._alive):
            seen = tile.cut(content), tile.cut_all(masks)
            tile.put(whole, self._draft.paint_tile(*seen, own, wanted, alpha).numpy())
        return whole


def _restyled(
    features: tf.Tensor,
    masks: list[tf.Tensor],
    own: Statistics,
    wanted: Statistics,
    alpha: tf.Tensor,
) -> tf.Tensor:
    """Features with the wanted statistics in place of their own, in each region."""
    changes = [
        (features - mine[0]) / mine[1] * theirs[1] + theirs[0] - features
        for mine, theirs in zip(own, wanted, strict=True)
    ]
    if masks:
        changes = [mask * change for mask, change in zip(masks, changes, strict=True)]
    return features + alpha * tf.add_n(changes)


def _encoded(masks: MaskTensors) -> list[tf.Tensor]:
    """Each region's mask at the encoded features' positions, [1, H', W', 1]."""
    return [
        mask[..., None]
        for one in masks
        for mask in tf.unstack(at_stride(one, STRIDE, rounded_up=True), axis=-1)
    ]


def _moments(features: tf.Tensor, masks: list[tf.Tensor]) -> Statistics:
    """Per-channel mean and standard deviation over each region's positions, [C] each."""
    found = []
    for mask in masks or [tf.ones([1, 1, 1, 1])]:
        mean, variance = tf.nn.weighted_moments(features, axes=[0, 1, 2], frequency_weights=mask)
        found.append((mean, tf.sqrt(variance + _EPSILON)))
    return found
