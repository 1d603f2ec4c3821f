"""Adam on the pixels of an image, as pure functions of tensors."""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf

_EPSILON = 1e-8


class Moments(NamedTuple):
    """Adam's running means of the gradient and of its square; both shaped like the image."""

    mean: tf.Tensor
    square: tf.Tensor


def adam(
    gradient: tf.Tensor,
    moments: Moments,
    *,
    iteration: tf.Tensor,
    rate: tf.Tensor,
    betas: tf.Tensor,
) -> tuple[tf.Tensor, Moments]:
    """One step of Adam (Kingma & Ba, ICLR 2015, algorithm 1).

    Args:
        gradient: any shape.
        moments: zeros before the first step.
        iteration: int32, counts from 0.
        rate: the step size.
        betas: [2].

    Returns:
        What to add to the parameters, and the new moments.
    """
    mean = betas[0] * moments.mean + (1 - betas[0]) * gradient
    square = betas[1] * moments.square + (1 - betas[1]) * tf.square(gradient)
    # Both means start at zero; dividing by 1 - beta^t removes that bias (section 3).
    correction = 1 - tf.pow(betas, tf.cast(iteration + 1, tf.float32))
    update = -rate * (mean / correction[0]) / (tf.sqrt(square / correction[1]) + _EPSILON)
    return update, Moments(mean, square)


def cosine_decay(
    iteration: tf.Tensor, planned: tf.Tensor, start: tf.Tensor, final: tf.Tensor
) -> tf.Tensor:
    """From `start` at iteration 0 to `start * final` at the last, along half a cosine.

    Args:
        iteration: int32 scalar.
        planned: int32 scalar, the number of iterations.
        start: float32 scalar.
        final: float32 scalar, a share; 1 keeps the rate constant.
    """
    last = tf.cast(tf.maximum(planned - 1, 1), tf.float32)
    falling = 0.5 * (1 + tf.cos(math.pi * tf.cast(iteration, tf.float32) / last))
    return start * (final + (1 - final) * falling)
