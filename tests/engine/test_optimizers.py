"""Adam against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nstd.engine.optimizers import Moments, adam, cosine_decay


def test_adam_matches_a_float64_reference() -> None:
    """Twenty steps of algorithm 1 of the paper, written out in NumPy."""
    rng = np.random.default_rng(5)
    gradients = rng.normal(size=(20, 4, 3))
    betas, rate = (0.9, 0.99), 0.03
    mean, square, expected = np.zeros((4, 3)), np.zeros((4, 3)), np.zeros((4, 3))
    moments = Moments(tf.zeros((4, 3)), tf.zeros((4, 3)))
    position = tf.zeros((4, 3))
    for step, gradient in enumerate(gradients):
        mean = betas[0] * mean + (1 - betas[0]) * gradient
        square = betas[1] * square + (1 - betas[1]) * gradient**2
        unbiased = mean / (1 - betas[0] ** (step + 1)), square / (1 - betas[1] ** (step + 1))
        expected -= rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
        update, moments = adam(
            tf.constant(gradient, tf.float32),
            moments,
            iteration=tf.constant(step),
            rate=tf.constant(rate),
            betas=tf.constant(betas),
        )
        position += update
    assert np.allclose(position, expected, rtol=1e-4, atol=1e-6)


def test_the_first_step_is_the_learning_rate() -> None:
    """Whatever the gradient's size, the first step goes `rate` against its sign."""
    gradient = tf.constant([1e-3, -5.0, 700.0])
    zeros = tf.zeros(3)
    update, _ = adam(
        gradient,
        Moments(zeros, zeros),
        iteration=tf.constant(0),
        rate=tf.constant(0.1),
        betas=tf.constant([0.9, 0.999]),
    )
    assert np.allclose(update, [-0.1, 0.1, -0.1], rtol=1e-4)


def test_cosine_decay_starts_halves_and_ends_where_it_should() -> None:
    """The whole rate first, the mean of both ends in the middle, the final share last."""
    rate, final = tf.constant(0.04), tf.constant(0.1)
    values = [
        float(cosine_decay(tf.constant(i), tf.constant(61), rate, final)) for i in (0, 30, 60)
    ]
    assert values == pytest.approx([0.04, 0.022, 0.004], rel=1e-5)


def test_cosine_decay_of_a_single_iteration() -> None:
    """One iteration has the whole rate, without dividing by zero."""
    one = cosine_decay(tf.constant(0), tf.constant(1), tf.constant(0.04), tf.constant(0.1))
    assert float(one) == pytest.approx(0.04)
