"""The feature extractor against a convolution written out in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
from conftest import harbour, picture

from nstd.engine.vgg import LAYERS, FeatureExtractor, smallest_side

if TYPE_CHECKING:
    from nstd.engine.engine import Engine

PAD_MODES = {"zeros": "constant", "replicate": "edge", "reflect": "reflect"}


@pytest.fixture(scope="module")
def extractor(engine: Engine) -> FeatureExtractor:
    """Extract with the real network in float32."""
    return FeatureExtractor(engine.weights, tf.float32)


def convolve(features: np.ndarray, kernel: np.ndarray, bias: np.ndarray, mode: str) -> np.ndarray:
    """Convolve 3x3 in float64, shift by shift, and rectify."""
    height, width = features.shape[:2]
    padded = np.pad(features, [(1, 1), (1, 1), (0, 0)], mode=mode)
    total = sum(
        padded[y : y + height, x : x + width] @ kernel[y, x].astype(np.float64)
        for y in range(3)
        for x in range(3)
    )
    return np.maximum(total + bias, 0)


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("padding", ["zeros", "replicate", "reflect"])
def test_activations_match_float64(
    engine: Engine, extractor: FeatureExtractor, padding: str, pooling: str
) -> None:
    """The first three layers and the pooling between, for every kind of padding and pooling."""
    image = picture(15, 11).astype(np.float64)
    arrays = engine.weights.arrays
    mean = np.array([103.939, 116.779, 123.68])
    features = image[..., ::-1] * 255 - mean  # RGB in [0, 1] to zero-mean BGR
    for layer in ("block1_conv1", "block1_conv2"):
        mode = PAD_MODES[padding]
        if padding == "replicate" and layer != "block1_conv1":
            mode = "constant"
        features = convolve(features, arrays[f"{layer}/kernel"], arrays[f"{layer}/bias"], mode)
    if padding == "reflect":
        features = np.pad(features, [(0, 1), (0, 1), (0, 0)], mode="edge")
    pooled = features[: features.shape[0] // 2 * 2, : features.shape[1] // 2 * 2]
    pooled = pooled.reshape(pooled.shape[0] // 2, 2, pooled.shape[1] // 2, 2, -1)
    pooled = pooled.max((1, 3)) if pooling == "max" else 1.25 * pooled.mean((1, 3))
    mode = "reflect" if padding == "reflect" else "constant"
    expected = convolve(pooled, arrays["block2_conv1/kernel"], arrays["block2_conv1/bias"], mode)
    found = extractor.activations(
        tf.constant(image[None], tf.float32), ["block2_conv1"], padding=padding, pooling=pooling
    )["block2_conv1"]
    assert np.allclose(found[0], expected, rtol=1e-4, atol=1e-4)


def test_mean_activation_is_one(extractor: FeatureExtractor) -> None:
    """The weights are the rescaled ones: natural pictures activate by about 1 on average."""
    found = extractor.activations(tf.constant(picture(96, 96)[None]), LAYERS)
    means = [float(tf.reduce_mean(found[layer])) for layer in LAYERS]
    assert all(0.1 < mean < 10 for mean in means)
    assert list(found) == list(LAYERS)


def test_average_pooling_keeps_the_activations_size(extractor: FeatureExtractor) -> None:
    """Of one picture, each block's mean is within two fifths of that with max pooling."""
    image = tf.constant(harbour(192)[None])
    most, average = (
        extractor.activations(image, LAYERS, padding="replicate", pooling=pooling)
        for pooling in ("max", "average")
    )
    for block in ("block2", "block3", "block4", "block5"):
        layers = [layer for layer in LAYERS if layer.startswith(block)]
        means = [
            sum(float(tf.reduce_mean(of[layer])) for layer in layers) for of in (average, most)
        ]
        assert 0.7 < means[0] / means[1] < 1.4


def test_of_an_even_picture_average_pooling_only_scales(
    engine: Engine, extractor: FeatureExtractor
) -> None:
    """Four equal activations have themselves as maximum and mean, so the factor alone is seen."""
    image = tf.fill([1, 12, 12, 3], 0.7)
    most, average = (
        # One position of block2, away from the border, where padding is felt.
        extractor.activations(image, ["block2_conv1"], pooling=pooling)["block2_conv1"][0, 3, 3]
        for pooling in ("max", "average")
    )
    bias = engine.weights.arrays["block2_conv1/bias"]
    active = (most.numpy() > 0) & (average.numpy() > 0)
    assert active.sum() > 10
    assert np.allclose((average - bias)[active], 1.25 * (most - bias)[active], rtol=1e-4, atol=1e-4)


def test_only_the_layers_asked_for_are_returned(extractor: FeatureExtractor) -> None:
    """Depth is paid for only as far as it is asked for."""
    found = extractor.activations(tf.constant(picture(16, 16)[None]), ["block1_conv2"])
    assert set(found) == {"block1_conv2"}
    assert found["block1_conv2"].shape == (1, 16, 16, 64)


def test_bfloat16_agrees_roughly(engine: Engine, extractor: FeatureExtractor) -> None:
    """Convolutions in bfloat16 give the same activations within their eight bits."""
    image = tf.constant(picture(64, 48)[None])
    exact = extractor.activations(image, ["block4_conv2"])["block4_conv2"]
    extractor = FeatureExtractor(engine.weights, tf.bfloat16)
    rough = extractor.activations(image, ["block4_conv2"])["block4_conv2"]
    error = tf.norm(tf.cast(rough, tf.float32) - exact) / tf.norm(exact)
    assert rough.dtype == tf.bfloat16
    assert 0 < float(error) < 0.03


@pytest.mark.parametrize(
    ("layer", "side"), [("block1_conv2", 1), ("block3_conv4", 4), ("block5_conv1", 16)]
)
def test_smallest_side_leaves_one_position(
    extractor: FeatureExtractor, layer: str, side: int
) -> None:
    """At the smallest side a layer has exactly one position."""
    assert smallest_side([layer]) == side
    found = extractor.activations(tf.constant(picture(side, side)[None]), [layer])[layer]
    assert found.shape[1:3] == (1, 1)
