"""Each term against a closed form or a float64 reference."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nstd.engine import losses

RNG = np.random.default_rng(3)


def test_gram_matrix_matches_float64() -> None:
    """G = F^T F / (H W), against NumPy in float64."""
    features = RNG.normal(size=(1, 9, 7, 5)).astype(np.float32)
    flat = features.reshape(-1, 5).astype(np.float64)
    expected = flat.T @ flat / (9 * 7)
    assert np.allclose(losses.gram_matrix(tf.constant(features)), expected, rtol=1e-5)


def test_gram_matrix_of_a_constant_does_not_depend_on_size() -> None:
    """Features c everywhere give c c^T whatever the size: the divisor is H W."""
    channels = np.array([1.0, 2.0, 3.0], np.float32)
    for height, width in ((1, 1), (4, 6), (17, 3)):
        features = tf.constant(np.tile(channels, (1, height, width, 1)))
        assert np.allclose(losses.gram_matrix(features), np.outer(channels, channels))


def test_mean_squared_of_a_shift() -> None:
    """A difference of c everywhere costs c^2."""
    value = tf.constant(RNG.normal(size=(3, 4)).astype(np.float32))
    assert float(losses.mean_squared(value, value - 0.5)) == pytest.approx(0.25, rel=1e-5)


def test_scaled_squared_of_a_shift() -> None:
    """A difference of c everywhere costs |c|: c^2 n / (|c| n)."""
    value = tf.constant(RNG.normal(size=(30, 40)).astype(np.float32))
    assert float(losses.scaled_squared(value, value + 0.5)) == pytest.approx(0.5, rel=1e-4)


def test_scaled_squared_gradient_has_unit_size() -> None:
    """The gradient's L1 norm is 1 for a constant difference, in a layer of any size."""
    for size in (10, 1000):
        value = tf.constant(np.zeros(size, np.float32))
        with tf.GradientTape() as tape:
            tape.watch(value)
            loss = losses.scaled_squared(value, value * 0 - 2.0)
        assert float(tf.reduce_sum(tf.abs(tape.gradient(loss, value)))) == pytest.approx(
            1, rel=1e-5
        )


def test_scaled_squared_vanishes_at_the_target() -> None:
    """Equal features cost nothing and pull nowhere, without dividing by zero."""
    value = tf.constant(RNG.normal(size=(5, 5)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(value)
        loss = losses.scaled_squared(value, tf.stop_gradient(value))
    assert float(loss) == 0.0
    assert not np.any(tape.gradient(loss, value))


@pytest.mark.parametrize(("height", "width"), [(2, 2), (5, 8), (1, 6)])
def test_total_variation_of_a_checkerboard(height: int, width: int) -> None:
    """Straight neighbours all differ by 1, diagonal ones not at all."""
    board = (np.indices((height, width)).sum(0) % 2).astype(np.float32)
    image = tf.constant(np.repeat(board[None, ..., None], 3, -1))
    pairs = height * (width - 1) + (height - 1) * width
    expected = 2 / 3 * pairs / (height * width)
    assert float(losses.total_variation(image)) == pytest.approx(expected, rel=1e-6)


def test_total_variation_of_stripes() -> None:
    """Vertical stripes: horizontal and diagonal neighbours differ, vertical ones do not."""
    height, width = 4, 6
    stripes = np.tile(np.arange(width) % 2, (height, 1)).astype(np.float32)
    image = tf.constant(np.repeat(stripes[None, ..., None], 3, -1))
    straight, diagonal = height * (width - 1), 2 * (height - 1) * (width - 1)
    expected = (2 / 3 * straight + 1 / 6 * diagonal) / (height * width)
    assert float(losses.total_variation(image)) == pytest.approx(expected, rel=1e-6)


def test_total_variation_of_one_pixel() -> None:
    """A picture without neighbours has no variation."""
    assert float(losses.total_variation(tf.constant(np.ones((1, 1, 1, 3), np.float32)))) == 0.0
