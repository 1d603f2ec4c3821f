"""How fast this process's device is: measured once, then learned from real iterations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import tensorflow as tf

from nstd.engine.style import STYLE_LOSSES

if TYPE_CHECKING:
    from collections.abc import Callable

    from nstd.engine.estimate import Work

_MATRIX = 1536
# A product of matrices shows what the hardware gives at best; convolutions get about this share.
_CONVOLUTIONS_SHARE = 0.75
_CHANNELS = 512
_TIMES = 3


class Pace:
    """Seconds that work takes.

    Convolutions and eigen-decompositions run at rates of their own, so each has its own. Both
    are measured on first use, which takes some tenths of a second.

    Args:
        dtype: of the convolutions.
    """

    def __init__(self, dtype: tf.DType) -> None:
        self._dtype = dtype
        self._a_convolution: float | None = None  # seconds an operation
        self._a_root: float | None = None

    def seconds(self, work: Work) -> float:
        """What it is likely to take."""
        return sum(self._parts(work))

    def learn(self, work: Work, seconds: float) -> None:
        """Take a measurement of real iterations into account.

        One time for two kinds of work: half of what it differs by goes to each kind by the square
        of its share, so that the kind that hardly mattered hardly changes.
        """
        convolutions, roots = self._parts(work)
        wrong = (seconds - convolutions - roots) / 2
        squares = convolutions**2 + roots**2
        self._a_convolution = (convolutions + wrong * convolutions**2 / squares) / work.convolutions
        if work.roots:
            self._a_root = (roots + wrong * roots**2 / squares) / work.roots

    def _parts(self, work: Work) -> tuple[float, float]:
        """Seconds of the convolutions and of the roots; what there is none of isn't measured."""
        if self._a_convolution is None:
            self._a_convolution = _seconds_an_operation(self._dtype) / _CONVOLUTIONS_SHARE
        if work.roots and self._a_root is None:
            self._a_root = _seconds_a_root_operation()
        return work.convolutions * self._a_convolution, work.roots * (self._a_root or 0.0)


def _seconds_an_operation(dtype: tf.DType) -> float:
    """Of a matrix product."""
    matrix = tf.cast(tf.random.stateless_normal([_MATRIX, _MATRIX], seed=[1, 2]), dtype)
    return _fastest(lambda: tf.reduce_sum(matrix @ matrix)) / (2 * _MATRIX**3)


def _seconds_a_root_operation() -> float:
    """Of the Wasserstein loss's value and gradient, on a layer with as many channels as any."""
    loss = STYLE_LOSSES["w2"]
    features = tf.random.stateless_uniform([1, 16, 16, _CHANNELS], seed=[1, 2])
    target = loss.target(loss.statistics(features))

    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(features)
            value = loss.loss(features, target)
        return tape.gradient(value, features)

    return _fastest(gradient) / _CHANNELS**3


def _fastest(action: Callable[[], tf.Tensor]) -> float:
    """Seconds of the fastest of a few runs; nothing makes one too fast."""
    times = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        action().numpy()
        times.append(time.perf_counter() - started)
    return min(times)
