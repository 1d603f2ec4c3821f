"""L-BFGS on the pixels of an image, as pure functions of tensors.

Told the loss and the gradient of the image it asked for, a search says which image to evaluate
next, so that it knows nothing of what it minimises, and stops and goes on at any evaluation:

    search = Search.start(image)
    while not search.done:
        search = advance(search, *loss_and_gradient(search.trial), first_step=0.05)

The quasi-Newton direction is the two-loop recursion of Nocedal & Wright, Numerical Optimization,
2nd ed., 2006, algorithms 7.4 and 7.5. The bounds [0, 1] are kept by two-metric projection (D. P.
Bertsekas, "Projected Newton methods for optimization problems with simple constraints", SIAM
Journal on Control and Optimization 20, 1982; with limited memory: M. Schmidt, D. Kim, S. Sra,
"Projected Newton-type methods in machine learning", in Optimization for Machine Learning, 2012):
pixels that lie on a bound and are pushed beyond it are held, the recursion runs on the others
alone, and a step follows the path that clipping bends along the bounds.

Departures: pixels are held on a bound only, not within a margin of it. The line search asks for
Armijo's sufficient decrease, not for Wolfe's slope, which means little on a bent path and on a
network of ReLUs; pairs that show no curvature are left out instead.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from nstd.engine.graph import graph

HISTORY = 10
# Images that a search holds at once: its history, and a point, gradient, direction and trial.
HELD_IMAGES = 2 * HISTORY + 4
MOST_TRIALS = 8
SUFFICIENT_DECREASE = 1e-4
# Of the cosine between a step and the gradient's change; rounding alone gives about this much.
_LEAST_CURVATURE = 1e-4
_SHORTEST, _LONGEST = 0.1, 0.5  # what a refused trial's step may be multiplied by


class Pair(NamedTuple):
    """A step that was taken, and the gradient's change along it; both are like the image."""

    step: tf.Tensor
    change: tf.Tensor


class Search(NamedTuple):
    """Where a minimisation stands; every part is a tensor, scalars too.

    Attributes:
        point: the last image that was accepted, float32 in [0, 1], of any shape.
        loss: the point's; infinite before the first evaluation.
        gradient: the point's.
        direction: of the present line search; zero where a pixel is held.
        length: of the trial step, in directions.
        refused: trials of this line search that were refused, int32.
        pairs: the last `HISTORY`, oldest first; zeros where there is none.
        has_history: whether the direction is a quasi-Newton one; else it is the gradient's.
        failures: quasi-Newton line searches that failed so far, int32. After each, history is
            dropped and the gradient followed.
        done: whether there is nothing left to try: the point is stationary, no step along its
            gradient lowers the loss, or the first loss or gradient wasn't finite.
    """

    point: tf.Tensor
    loss: tf.Tensor
    gradient: tf.Tensor
    direction: tf.Tensor
    length: tf.Tensor
    refused: tf.Tensor
    pairs: tuple[Pair, ...]
    has_history: tf.Tensor
    failures: tf.Tensor
    done: tf.Tensor

    @classmethod
    def start(cls, image: tf.Tensor, failures: tf.Tensor | None = None) -> Search:
        """Before the first evaluation, of an image in [0, 1]; `failures` count on."""
        zeros = tf.zeros_like(image)
        return cls(
            point=image,
            loss=tf.constant(float("inf")),
            gradient=zeros,
            direction=zeros,
            length=tf.constant(1.0),
            refused=tf.constant(0),
            pairs=(Pair(zeros, zeros),) * HISTORY,
            has_history=tf.constant(value=False),
            failures=tf.constant(0) if failures is None else failures,
            done=tf.constant(value=False),
        )

    @property
    def trial(self) -> tf.Tensor:
        """The image to evaluate next, in [0, 1]."""
        return tf.clip_by_value(self.point + self.length * self.direction, 0.0, 1.0)


def advance(
    search: Search, loss: tf.Tensor, gradient: tf.Tensor, *, first_step: float | tf.Tensor
) -> Search:
    """Take the evaluation of the trial into account.

    A loss or gradient that isn't finite refuses the trial, as a loss that fell too little does.

    Args:
        search: before it.
        loss: of `search.trial`, a scalar.
        gradient: of `search.trial`, in its shape and dtype.
        first_step: how far a pixel may move in the first trial along the gradient, for nothing
            else then says how long a step should be; in units of the [0, 1] range.
    """
    finite = bool(tf.math.is_finite(loss)) and bool(tf.reduce_all(tf.math.is_finite(gradient)))
    if not bool(tf.math.is_finite(search.loss)):
        if not finite:
            return search._replace(done=tf.constant(value=True))
        return _aimed(search._replace(loss=loss, gradient=gradient), first_step)
    if not finite or not _falls_enough(search, loss):
        return _refused(search, loss, first_step)
    trial = search.trial
    pair = Pair(trial - search.point, gradient - search.gradient)
    has_curvature = bool(_curvature(pair, tf.ones_like(trial)) > 0)
    pairs = (*search.pairs[1:], pair) if has_curvature else search.pairs
    return _aimed(
        search._replace(point=trial, loss=loss, gradient=gradient, pairs=pairs), first_step
    )


def _falls_enough(search: Search, loss: tf.Tensor) -> bool:
    """Armijo's condition, on the step that is left after clipping (Bertsekas, Schmidt et al.)."""
    promised = _dot(search.gradient, search.trial - search.point)
    return bool(promised < 0) and bool(loss <= search.loss + SUFFICIENT_DECREASE * promised)


def _refused(search: Search, loss: tf.Tensor, first_step: float | tf.Tensor) -> Search:
    """Shorten the step; past the last trial follow the gradient; past that, end."""
    refused = search.refused + 1
    if int(refused) < MOST_TRIALS:
        return search._replace(length=search.length * _shortening(search, loss), refused=refused)
    if not bool(search.has_history):
        return search._replace(done=tf.constant(value=True))
    fresh = Search.start(search.point, search.failures + 1)
    return _aimed(fresh._replace(loss=search.loss, gradient=search.gradient), first_step)


def _shortening(search: Search, loss: tf.Tensor) -> tf.Tensor:
    """By what to multiply the step: leads to the lowest point of the parabola through both losses.

    Nocedal & Wright, equation 3.58, within bounds, for a bent path is no parabola.
    """
    slope = search.length * _dot(search.gradient, search.direction)
    minimum = -slope / (2 * (loss - search.loss - slope))
    minimum = tf.where(tf.math.is_finite(minimum), minimum, _SHORTEST)
    return tf.clip_by_value(minimum, _SHORTEST, _LONGEST)


def _aimed(search: Search, first_step: float | tf.Tensor) -> Search:
    """Begin a line search from the point."""
    direction, has_history = _aim(
        search.point, search.gradient, search.pairs, tf.convert_to_tensor(first_step)
    )
    return search._replace(
        direction=direction,
        length=tf.ones_like(search.length),
        refused=tf.constant(0),
        has_history=has_history,
        done=tf.reduce_all(tf.equal(direction, 0)),
    )


def _direction(
    point: tf.Tensor, gradient: tf.Tensor, pairs: tuple[Pair, ...], first_step: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where to search: -H g, or along the gradient if no pair tells of H; and whether one does."""
    presses = ((point <= 0) & (gradient > 0)) | ((point >= 1) & (gradient < 0))
    free = tf.cast(~presses, point.dtype)  # 0 for pixels that are held at their bound
    newton, has_history = quasi_newton(gradient, free, pairs)
    steepest = -free * gradient
    longest = tf.reduce_max(tf.abs(steepest))
    return tf.where(
        has_history, newton, steepest * tf.math.divide_no_nan(first_step, longest)
    ), has_history


def quasi_newton(
    gradient: tf.Tensor, free: tf.Tensor, pairs: tuple[Pair, ...]
) -> tuple[tf.Tensor, tf.Tensor]:
    """-H g on the free pixels by the two-loop recursion, and whether a pair has curvature there.

    Restricting every pair to the free pixels gives the inverse Hessian of the problem in which
    the others are constants; restricting -H g afterwards would not descend. A pair without
    curvature has a share of 0, so it changes nothing.
    """
    curvatures = [_curvature(pair, free) for pair in pairs]
    vector, shares = free * gradient, []
    for pair, curvature in zip(reversed(pairs), reversed(curvatures), strict=True):
        share = tf.math.divide_no_nan(_dot(pair.step, vector), curvature)
        vector -= share * free * pair.change
        shares.append(share)
    scale = tf.zeros([], gradient.dtype)
    for pair, curvature in zip(pairs, curvatures, strict=True):
        latest = curvature / _dot(pair.change, free * pair.change)
        scale = tf.where(curvature > 0, latest, scale)
    vector *= scale
    for pair, curvature, share in zip(pairs, curvatures, reversed(shares), strict=True):
        turned = tf.math.divide_no_nan(_dot(pair.change, vector), curvature)
        vector += (share - turned) * free * pair.step
    return -vector, scale > 0


def _curvature(pair: Pair, free: tf.Tensor) -> tf.Tensor:
    """s^T y over the free pixels; 0 if that isn't clearly positive, as H needs it."""
    step, change = free * pair.step, free * pair.change
    product = _dot(step, change)
    least = _LEAST_CURVATURE * tf.norm(step) * tf.norm(change)
    return tf.where(product > least, product, tf.zeros_like(product))


def _dot(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(one * other)


_ANY = tf.TensorSpec(None, tf.float32)
_aim = graph(_direction, [_ANY, _ANY, (Pair(_ANY, _ANY),) * HISTORY, tf.TensorSpec([], tf.float32)])
