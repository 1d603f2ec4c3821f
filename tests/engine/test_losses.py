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


def moments_and_gradient(features: tf.Tensor, by_mean: np.ndarray, by_moment: np.ndarray) -> tuple:
    """Take the moments, and the gradient of a weighted sum of them."""
    with tf.GradientTape() as tape:
        tape.watch(features)
        mean, moment = losses.moments(features)
        value = tf.reduce_sum(mean * by_mean) + tf.reduce_sum(moment * by_moment)
    return mean, moment, tape.gradient(value, features)


def test_moments_and_their_gradient_match_float64() -> None:
    """The product rule in NumPy: (1 u^T + F (U + U^T)) / (H W), U not symmetric."""
    features = RNG.normal(size=(1, 9, 7, 5)).astype(np.float32)
    by_mean = RNG.normal(size=5).astype(np.float32)
    by_moment = RNG.normal(size=(5, 5)).astype(np.float32)
    mean, moment, gradient = moments_and_gradient(tf.constant(features), by_mean, by_moment)
    flat = features.reshape(-1, 5).astype(np.float64)
    assert np.allclose(mean, flat.mean(0), rtol=1e-5, atol=1e-6)
    assert np.allclose(moment, flat.T @ flat / len(flat), rtol=1e-5, atol=1e-6)
    expected = (by_mean + flat @ (by_moment + by_moment.T)) / len(flat)
    assert np.allclose(gradient, expected.reshape(features.shape), rtol=1e-4, atol=1e-6)


def test_moments_of_bfloat16_are_those_of_its_values() -> None:
    """Sums over positions are float32 whatever the features are; the gradient is theirs."""
    rounded = tf.cast(RNG.normal(size=(1, 40, 50, 6)), tf.bfloat16)
    weights = RNG.normal(size=6).astype(np.float32), RNG.normal(size=(6, 6)).astype(np.float32)
    found = moments_and_gradient(rounded, *weights)
    exact = moments_and_gradient(tf.cast(rounded, tf.float32), *weights)
    assert [part.dtype for part in found] == [tf.float32, tf.float32, tf.bfloat16]
    assert np.allclose(found[0], exact[0], atol=1e-6)
    assert np.allclose(found[1], exact[1], atol=1e-6)
    error = tf.norm(tf.cast(found[2], tf.float32) - exact[2]) / tf.norm(exact[2])
    assert float(error) < 0.01


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


def test_the_variation_of_parts_adds_up() -> None:
    """Each pair counts in one part, though parts share the row or the column at their seam."""
    image = tf.constant(RNG.random((1, 7, 9, 3)).astype(np.float32))
    parts = [
        losses.variation_sum(image[:, :4, :5], 1, 1),
        losses.variation_sum(image[:, :4, 4:], below=1),
        losses.variation_sum(image[:, 3:, :5], beside=1),
        losses.variation_sum(image[:, 3:, 4:]),
    ]
    assert sum(map(float, parts)) == pytest.approx(float(losses.variation_sum(image)), rel=1e-6)


def test_the_gradient_of_the_variation_is_its_slope() -> None:
    """Of a part too: written out by hand, it agrees with a difference."""
    image = tf.constant(RNG.random((1, 4, 5, 3)).astype(np.float32))
    along = tf.constant(RNG.normal(size=image.shape).astype(np.float32))
    for seam in ((0, 0), (1, 0), (0, 1), (1, 1)):
        with tf.GradientTape() as tape:
            tape.watch(image)
            value = losses.variation_sum(image, *seam)
        slope = float(tf.reduce_sum(tape.gradient(value, image) * along))
        ends = [float(losses.variation_sum(image + sign * 0.1 * along, *seam)) for sign in (1, -1)]
        assert slope == pytest.approx((ends[0] - ends[1]) / 0.2, rel=1e-3)


def test_sums_of_parts_make_the_moments() -> None:
    """Mean and Gram matrix come out of the sums of two halves."""
    features = tf.constant(RNG.normal(size=(1, 6, 4, 5)).astype(np.float32))
    halves = [losses.channel_sums(features[:, rows]) for rows in (slice(0, 2), slice(2, 6))]
    whole = losses.ChannelSums(*(tf.add(*parts) for parts in zip(*halves, strict=True)))
    for found, wanted in zip(whole.moments(), losses.moments(features), strict=True):
        assert np.allclose(found, wanted, atol=1e-6)


def test_a_part_without_positions_has_no_sums() -> None:
    """A narrow tile owns no position of a deep layer; that is no division by zero yet."""
    sums = losses.channel_sums(tf.zeros([1, 0, 3, 4]))
    assert [float(tf.reduce_sum(part)) for part in sums] == [0, 0, 0]
