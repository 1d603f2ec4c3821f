"""Convolutions by either operation against one written out in float64, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nstd.engine import convolution
from nstd.engine.convolution import Convolution

RNG = np.random.default_rng(11)
SIZES = [(9, 7), (1, 1), (2, 5)]


def parts(incoming: int, outgoing: int) -> tuple[np.ndarray, np.ndarray]:
    """Make a kernel and a bias."""
    kernel = RNG.normal(size=(3, 3, incoming, outgoing)).astype(np.float32)
    return kernel, RNG.normal(size=outgoing).astype(np.float32)


def reference(features: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Convolve [H, W, C] continued by zeros, shift by shift in float64."""
    height, width = features.shape[:2]
    padded = np.pad(features.astype(np.float64), [(1, 1), (1, 1), (0, 0)])
    shifts = [
        padded[y : y + height, x : x + width] @ kernel[y, x].astype(np.float64)
        for y in range(3)
        for x in range(3)
    ]
    return np.sum(shifts, axis=0) + bias


@pytest.fixture(params=[True, False], ids=["onednn", "plain"])
def onednn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Take either way, whatever this machine has."""
    monkeypatch.setattr(convolution, "_has_onednn", lambda _: request.param)
    return bool(request.param)


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(("incoming", "outgoing"), [(5, 8), (3, 4), (8, 3)])
def test_same_matches_float64(height: int, width: int, incoming: int, outgoing: int) -> None:
    """Zeros continue the features, for odd sizes and down to one position."""
    kernel, bias = parts(incoming, outgoing)
    features = RNG.normal(size=(1, height, width, incoming)).astype(np.float32)
    found = Convolution(kernel, bias, tf.float32)(tf.constant(features), "SAME")
    assert found.shape == (1, height, width, outgoing)
    assert np.allclose(found[0], reference(features[0], kernel, bias), rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("onednn")
def test_valid_leaves_the_border_out() -> None:
    """Only positions whose nine neighbours all exist."""
    kernel, bias = parts(4, 6)
    features = RNG.normal(size=(1, 8, 6, 4)).astype(np.float32)
    found = Convolution(kernel, bias, tf.float32)(tf.constant(features), "VALID")
    expected = reference(features[0], kernel, bias)[1:-1, 1:-1]
    assert np.allclose(found[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_gradient_matches_finite_differences(padding: str) -> None:
    """Of a weighted sum of the output; exact for any step, for a convolution is linear."""
    kernel, bias = parts(4, 7)
    features = RNG.normal(size=(1, 6, 5, 4)).astype(np.float32)
    convolve = Convolution(kernel, bias, tf.float32)
    cut = slice(1, -1) if padding == "VALID" else slice(None)
    weights = RNG.normal(size=reference(features[0], kernel, bias)[cut, cut].shape)
    image = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(image)
        value = tf.reduce_sum(convolve(image, padding) * weights.astype(np.float32))
    gradient = tape.gradient(value, image).numpy()[0]

    def weighted(values: np.ndarray) -> float:
        return float(np.sum(reference(values, kernel, bias)[cut, cut] * weights))

    for _ in range(10):
        direction = RNG.normal(size=features[0].shape)
        ends = [weighted(features[0] + sign * direction) for sign in (1, -1)]
        assert np.sum(gradient * direction) == pytest.approx((ends[0] - ends[1]) / 2, rel=1e-4)


@pytest.mark.usefixtures("onednn")
def test_one_graph_serves_every_size() -> None:
    """Height and width are known only when it runs."""
    kernel, bias = parts(4, 5)
    convolve = Convolution(kernel, bias, tf.float32)
    signature = [tf.TensorSpec([1, None, None, 4], tf.float32)]
    graph = tf.function(lambda features: convolve(features, "SAME"), input_signature=signature)
    for height, width in SIZES:
        features = RNG.normal(size=(1, height, width, 4)).astype(np.float32)
        expected = reference(features[0], kernel, bias)
        assert np.allclose(graph(tf.constant(features))[0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_both_operations_agree(monkeypatch: pytest.MonkeyPatch, dtype: tf.DType) -> None:
    """The way that is taken for speed changes nothing beyond rounding."""
    kernel, bias = parts(64, 32)
    features = tf.cast(RNG.normal(size=(1, 10, 12, 64)), dtype)
    found = []
    for has in (True, False):
        monkeypatch.setattr(convolution, "_has_onednn", lambda _, has=has: has)
        found.append(tf.cast(Convolution(kernel, bias, dtype)(features, "SAME"), tf.float32))
    error = tf.norm(found[0] - found[1]) / tf.norm(found[1])
    assert float(error) < (1e-5 if dtype == tf.float32 else 0.03)
