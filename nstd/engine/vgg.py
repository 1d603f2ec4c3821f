"""VGG-19 as a frozen feature extractor (Simonyan & Zisserman, ICLR 2015, configuration E).

The weights are those of Gatys et al. (CVPR 2016, section 2): rescaled so that each filter's mean
activation is 1. A first 1x1 convolution, which comes with them, turns RGB in [0, 1] into the
zero-mean BGR that the network was trained on.

Departure: the means are 1 with the network's own max pooling. Average pooling, which the paper
paints with, makes them smaller with each block, down to a fifth in block5; losses are squares, so
the deep layers all but vanish. What is pooled is therefore multiplied by a factor, an idea of
K. Crowson's program (2 there, everywhere; with these weights that makes block4 and block5 three
times too large).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import tensorflow as tf

from nstd.engine.convolution import Convolution, pad_one
from nstd.engine.tiles import stride
from nstd.params import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nstd.engine.weights import Weights

Padding = Literal["zeros", "replicate", "reflect"]
Pooling = Literal["max", "average"]

# What averages are multiplied by on their way into a block, so that its mean activation is that
# with max pooling. Measured on ten pictures, paintings and photographs, at 256 pixels; from 128 to
# 512 pixels every block's mean then stays within a sixth of it.
_AVERAGE_FACTORS = {
    "block2_conv1": 1.25,
    "block3_conv1": 1.5,
    "block4_conv1": 1.35,
    "block5_conv1": 2.1,
}


def smallest_side(layers: Iterable[str]) -> int:
    """The image side in pixels at which the deepest of `layers` still has one position."""
    return max(map(stride, layers))


class FeatureExtractor:
    """Images in, named activations out (after the ReLU, as in the papers).

    Args:
        weights: see `nstd.engine.weights`.
        dtype: that the convolutions run in and the activations have.
    """

    def __init__(self, weights: Weights, dtype: tf.DType) -> None:
        self._dtype = dtype
        self._preprocess = tf.constant(weights.arrays["preprocess/kernel"][0, 0])
        self._mean = tf.constant(weights.arrays["preprocess/bias"])
        self._convolutions = {
            layer: Convolution(
                weights.arrays[f"{layer}/kernel"], weights.arrays[f"{layer}/bias"], dtype
            )
            for layer in LAYERS
        }

    def activations(
        self,
        image: tf.Tensor,
        layers: Iterable[str],
        *,
        padding: Padding = "zeros",
        pooling: Pooling = "max",
    ) -> dict[str, tf.Tensor]:
        """Activations of `layers` for an image.

        Args:
            image: float32 RGB [1, H, W, 3] in [0, 1].
            layers: names from `LAYERS`.
            padding: how images and features are continued past their border. `zeros` is the
                paper's. `replicate` continues the image itself by its edge, the features by
                zeros, and so avoids the dark borders that zeros draw into the result.
                `reflect` continues both by mirroring and rounds odd sizes up when pooling:
                what the AdaIN decoder was trained with.
            pooling: `max` is the network's own; `average` is the paper's (section 2), slightly
                smoother, but scaled so that activations keep their size.

        Returns:
            [1, H', W', C] by layer, H' = H / 2^(block - 1), rounded down except with
            `reflect`.
        """
        wanted = frozenset(layers)
        centred = tf.linalg.matmul(image, self._preprocess) + self._mean
        features = tf.cast(centred, self._dtype)
        found: dict[str, tf.Tensor] = {}
        for layer in LAYERS:
            if layer in _AVERAGE_FACTORS:
                ends = "SAME" if padding == "reflect" else "VALID"
                if pooling == "max":
                    features = tf.nn.max_pool2d(features, 2, 2, ends)
                else:
                    features = tf.nn.avg_pool2d(features, 2, 2, ends) * _AVERAGE_FACTORS[layer]
            features = self._convolve(features, layer, padding)
            if layer in wanted:
                found[layer] = features
                if len(found) == len(wanted):
                    break
        return found

    def _convolve(self, features: tf.Tensor, layer: str, padding: Padding) -> tf.Tensor:
        mirrored = padding == "reflect"
        extended = mirrored or (padding == "replicate" and layer == LAYERS[0])
        if extended:
            # A border of one pixel: mirroring about the edge itself repeats it.
            features = pad_one(features, "REFLECT" if mirrored else "SYMMETRIC")
        return tf.nn.relu(self._convolutions[layer](features, "VALID" if extended else "SAME"))
