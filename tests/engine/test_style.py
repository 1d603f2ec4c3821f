"""Style losses against float64 references and closed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
from conftest import harbour, picture
from matrices import matrix_root

from nstd.engine.style import EPSILON, STYLE_LOSSES, fidelity

if TYPE_CHECKING:
    from nstd.engine.engine import Engine

RNG = np.random.default_rng(11)


def features(height: int = 12, width: int = 9, channels: int = 6) -> np.ndarray:
    """Make features whose channels depend on each other."""
    mix = RNG.normal(size=(channels, channels))
    return np.maximum(RNG.normal(size=(1, height, width, channels)) @ mix, 0).astype(np.float32)


def wasserstein(own: np.ndarray, other: np.ndarray) -> float:
    """Evaluate the loss in float64 with roots by eigendecomposition of each matrix."""

    def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
        return flat.mean(0), np.cov(flat.T, bias=True) + EPSILON * np.eye(flat.shape[1])

    (mean, covariance), (target_mean, target) = moments(own), moments(other)
    root = matrix_root(target)
    cross = matrix_root(root @ covariance @ root)
    spread = np.trace(covariance + target - 2 * cross) / len(mean)
    return float(np.mean((mean - target_mean) ** 2) + spread)


def loss(kind: str, own: np.ndarray, other: np.ndarray) -> tuple[float, np.ndarray]:
    """Evaluate a style loss and its gradient by the features."""
    style = STYLE_LOSSES[kind]
    target = style.target(style.statistics(tf.constant(other)))
    value = tf.constant(own)
    with tf.GradientTape() as tape:
        tape.watch(value)
        found = style.loss(value, target)
    return float(found), np.asarray(tape.gradient(found, value))


def test_wasserstein_matches_float64() -> None:
    """The value, against roots taken one by one in NumPy."""
    own, other = features(), features(7, 8)
    assert loss("w2", own, other)[0] == pytest.approx(wasserstein(own, other), rel=1e-4)


def test_wasserstein_of_a_shift() -> None:
    """Equal covariances and means apart by c cost c^2."""
    own = features()
    assert loss("w2", own + 0.5, own)[0] == pytest.approx(0.25, rel=1e-3)


def test_wasserstein_of_a_scale() -> None:
    """Features twice as large, about their mean, cost the mean variance: (2 s - s)^2 each."""
    own = features() * 3  # far above the epsilon that is added to the covariance
    mean = own.mean((0, 1, 2))
    variance = np.trace(np.cov(own.reshape(-1, own.shape[-1]).T, bias=True)) / own.shape[-1]
    found = loss("w2", (own - mean) * 2 + mean, own)[0]
    assert found == pytest.approx(variance, rel=2e-3)


@pytest.mark.parametrize("kind", STYLE_LOSSES)
def test_the_gradient_matches_central_differences(kind: str) -> None:
    """Along the gradient, in float64 steps that are far above float32's rounding."""
    own, other = features(), features(7, 8)
    _, gradient = loss(kind, own, other)
    direction = gradient / np.linalg.norm(gradient)
    step = 0.02
    ends = [loss(kind, own + sign * step * direction, other)[0] for sign in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert slope == pytest.approx(np.linalg.norm(gradient), rel=0.02)


@pytest.mark.parametrize("kind", STYLE_LOSSES)
def test_value_and_gradient_vanish_at_the_target(kind: str) -> None:
    """The same features cost nothing and pull nowhere."""
    own = features()
    far, far_gradient = loss(kind, features(7, 8), own)
    value, gradient = loss(kind, own, own)
    assert abs(value) < 1e-5 * far
    assert np.abs(gradient).max() < 1e-3 * np.abs(far_gradient).max()


def test_wasserstein_on_real_features_of_the_deepest_layer(engine: Engine) -> None:
    """512 channels on 70 positions: a covariance of condition 1e7, value and gradient intact."""
    extractor = engine.network().extractor
    own, other = (
        np.asarray(
            extractor.activations(tf.constant(image[None]), ["block5_conv1"])["block5_conv1"]
        )
        for image in (harbour(160), picture(160, 120, 1))
    )
    assert own.shape[-1] == 512
    value, gradient = loss("w2", own, other)
    assert value == pytest.approx(wasserstein(own, other), rel=1e-3)
    direction = gradient / np.linalg.norm(gradient)
    step = 1.0
    ends = [wasserstein(own + sign * step * direction, other) for sign in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(np.linalg.norm(gradient), rel=0.02)


def test_fidelity_of_commuting_matrices() -> None:
    """For diagonal matrices it is the sum of the roots of the products."""
    own, other = RNG.uniform(0.5, 2, 5), RNG.uniform(0.5, 2, 5)
    found = fidelity(tf.constant(np.diag(own)), tf.constant(np.diag(np.sqrt(other))))
    assert float(found) == pytest.approx(np.sum(np.sqrt(own * other)), rel=1e-10)


@pytest.mark.parametrize("kind", STYLE_LOSSES)
def test_statistics_of_halves_average_to_those_of_the_whole(kind: str) -> None:
    """Everything measured is a mean over positions, so blends and tiles may be averaged."""
    style = STYLE_LOSSES[kind]
    whole = features(12, 8)
    parts = [style.statistics(tf.constant(half)) for half in (whole[:, :6], whole[:, 6:])]
    for measured, *halves in zip(style.statistics(tf.constant(whole)), *parts, strict=True):
        assert np.allclose(measured, np.mean(halves, axis=0), rtol=1e-4, atol=1e-5)
