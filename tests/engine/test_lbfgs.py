"""L-BFGS on functions whose minima are known, within [0, 1]."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

from nstd.engine import lbfgs
from nstd.engine.lbfgs import HISTORY, MOST_TRIALS, SUFFICIENT_DECREASE, Search, advance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Evaluation = tuple[float, np.ndarray]
    Function = Callable[[np.ndarray], Evaluation]

FIRST_STEP = 0.05


def told(search: Search, loss: float, gradient: np.ndarray) -> Search:
    """Take an evaluation into account."""
    as_tensors = tf.constant(loss, tf.float32), tf.constant(gradient, tf.float32)
    return advance(search, *as_tensors, first_step=FIRST_STEP)


def course(function: Function, start: np.ndarray) -> Iterator[Search]:
    """Search until there is nothing left to try; the state after each evaluation."""
    search = Search.start(tf.constant(start, tf.float32))
    while not search.done:
        loss, gradient = function(search.trial.numpy())
        search = told(search, loss, gradient)
        yield search


def minimise(function: Function, start: np.ndarray, evaluations: int) -> list[Search]:
    """At most so many evaluations."""
    return [search for search, _ in zip(course(function, start), range(evaluations), strict=False)]


def quadratic(curvatures: np.ndarray, minimum: np.ndarray) -> Function:
    """Half the sum of c (x - m)^2."""

    def function(x: np.ndarray) -> Evaluation:
        gradient = curvatures * (x - minimum)
        return 0.5 * float(gradient @ (x - minimum)), gradient

    return function


def rosenbrock(x: np.ndarray) -> Evaluation:
    """A bent valley whose floor is lowest at (.6, .36); in units of a fifth it is the usual one."""
    a, b = 5 * x[0] - 2, 5 * x[1] - 0.8
    rise = b - a**2
    by_a, by_b = -2 * (1 - a) - 400 * a * rise, 200 * rise
    return (1 - a) ** 2 + 100 * rise**2, 5 * np.array([by_a, by_b])


def counted(function: Function, calls: list[np.ndarray]) -> Function:
    """Remember where a function was evaluated."""

    def counting(x: np.ndarray) -> Evaluation:
        calls.append(x)
        return function(x)

    return counting


def test_an_ill_conditioned_quadratic_is_minimised_in_few_evaluations() -> None:
    """Of condition 1e4, where steepest descent would take tens of thousands."""
    minimum = np.linspace(0.3, 0.7, 8)
    found = minimise(quadratic(np.logspace(-2, 2, 8), minimum), np.full(8, 0.5), 80)
    assert np.allclose(found[-1].point, minimum, atol=1e-4)


def test_rosenbrocks_valley_is_followed_to_its_end() -> None:
    """The standard function that isn't convex."""
    found = minimise(rosenbrock, np.array([0.16, 0.4]), 100)
    assert np.allclose(found[-1].point, [0.6, 0.36], atol=1e-4)


def test_a_solution_on_the_bounds_is_found_exactly() -> None:
    """Uncoupled, a box-constrained quadratic's solution is its minimum, clipped."""
    minimum = np.array([-0.4, 0.2, 0.6, 1.7, 0.9, -3.0])
    curvatures = np.array([1.0, 30.0, 1000.0, 0.2, 5.0, 0.1])
    calls: list[np.ndarray] = []
    found = minimise(counted(quadratic(curvatures, minimum), calls), np.full(6, 0.5), 60)
    point = found[-1].point.numpy()
    assert point[[0, 3, 5]].tolist() == [0, 1, 0]
    assert np.allclose(point, np.clip(minimum, 0, 1), atol=1e-6)
    assert all(call.min() >= 0 and call.max() <= 1 for call in calls)


def test_coupled_pixels_on_a_bound_do_not_hold_the_others_back() -> None:
    """Minimum of (x + y - 2)^2 + x^2 / 4 with y at most 1: y = 1, and so x = .8."""

    def function(x: np.ndarray) -> Evaluation:
        beyond = x.sum() - 2
        return beyond**2 + x[0] ** 2 / 4, 2 * beyond + np.array([x[0] / 2, 0.0])

    found = minimise(function, np.array([0.1, 0.3]), 40)
    # At the minimum the loss is .2, whose rounding hides what 1e-4 more or less of x adds.
    assert np.allclose(found[-1].point, [0.8, 1.0], atol=3e-4)


def test_accepted_steps_fall_enough() -> None:
    """Armijo's condition holds between every point and the next, so the loss never rises."""
    found = minimise(rosenbrock, np.array([0.16, 0.4]), 60)
    pairs = [
        (before, after)
        for before, after in itertools.pairwise(found)
        if not np.array_equal(before.point, after.point)
    ]
    assert len(pairs) > 20
    for before, after in pairs:
        promised = before.gradient.numpy() @ (after.point - before.point).numpy()
        assert promised < 0
        assert after.loss <= before.loss + SUFFICIENT_DECREASE * promised


def test_the_direction_is_that_of_the_inverse_hessian() -> None:
    """The recursion is BFGS's update of the matrix, written out, on the pixels that are free."""
    rng = np.random.default_rng(3)
    steps = rng.normal(size=(HISTORY, 6))
    changes = steps * [1, 2, 3, 4, 5, 6] + 0.1 * rng.normal(size=(HISTORY, 6))
    steps[:3], changes[5] = 0, -changes[5]  # not there yet; without curvature
    gradient, free = rng.normal(size=6), np.array([1.0, 1, 0, 1, 1, 0])
    latest = changes[-1] * free
    inverse = np.diag(free) * (steps[-1] @ latest) / (latest @ latest)
    for index in (3, 4, 6, 7, 8, 9):
        step, change = steps[index] * free, changes[index] * free
        scale = 1 / (step @ change)
        turn = np.eye(6) - scale * np.outer(step, change)
        inverse = turn @ inverse @ turn.T + scale * np.outer(step, step)
    pairs = tuple(
        lbfgs.Pair(tf.constant(step), tf.constant(change))
        for step, change in zip(steps, changes, strict=True)
    )
    found, known = lbfgs.quasi_newton(tf.constant(gradient), tf.constant(free), pairs)
    assert known
    assert np.allclose(found, -inverse @ (free * gradient))


def test_the_history_is_bounded_and_curved() -> None:
    """However long it runs, a search keeps the last few pairs, all with positive curvature."""
    curvatures = np.logspace(0, 3, 30)
    found = minimise(quadratic(curvatures, np.linspace(0.1, 0.9, 30)), np.full(30, 0.5), 60)
    assert len(found) == 60
    assert all(len(search.pairs) == HISTORY for search in found)
    for pair in found[-1].pairs:
        assert pair.step.numpy() @ pair.change.numpy() > 0


def test_a_step_without_curvature_is_not_remembered() -> None:
    """Where the function bends down, its gradients would make a matrix that leads uphill."""

    def cap(x: np.ndarray) -> Evaluation:
        return -float(x @ x) / 2, -x

    found = minimise(cap, np.array([0.2, 0.3]), 30)
    assert found[-1].point.numpy().tolist() == [1, 1]
    assert found[-1].done
    assert not any(bool(search.has_history) for search in found)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_trial_that_is_no_number_shortens_the_step(wrong: float) -> None:
    """It is refused like one that rose, and the search goes on from where it was."""

    def cliff(x: np.ndarray) -> Evaluation:
        loss, gradient = quadratic(np.array([1.0, 3.0]), np.array([0.49, 0.45]))(x)
        return (wrong if x.max() > 0.5 else loss), gradient

    found = minimise(cliff, np.array([0.49, 0.47]), 30)
    after = next(search for search in found if search.refused)
    before = found[found.index(after) - 1]
    assert after.length < before.length
    assert np.array_equal(after.point, before.point)
    assert np.allclose(found[-1].point, [0.49, 0.45], atol=1e-4)


def test_a_gradient_that_is_no_number_is_refused_too() -> None:
    """Its loss may be a number."""
    start = Search.start(tf.constant([0.5, 0.5]))
    search = told(start, 1.0, np.array([1.0, 2.0]))
    after = told(search, 0.5, np.array([float("nan"), 0.0]))
    assert int(after.refused) == 1
    assert np.array_equal(after.point, start.point)


def test_a_start_that_is_no_number_ends_at_once() -> None:
    """There is nothing to go on from."""
    found = minimise(lambda x: (float("nan"), x), np.array([0.5]), 9)
    assert len(found) == 1
    assert found[0].done


def test_a_failed_line_search_follows_the_gradient() -> None:
    """A gradient that lies where the function is flat leads the matrix uphill, but not itself."""
    function = quadratic(np.array([100.0, 0.01]), np.array([0.5, 0.6]))
    learned = (
        lbfgs.Pair(tf.constant([0.0, 0.1]), tf.constant([0.0, 0.001])),
        lbfgs.Pair(tf.constant([0.1, 0.0]), tf.constant([10.0, 0.0])),
    )
    start = Search.start(tf.constant([0.501, 0.9]))
    search = start._replace(pairs=(*start.pairs[2:], *learned))
    loss, gradient = function(search.trial.numpy())
    searches = [search]
    for lie in [-50.0] + [1.0] * 2 * MOST_TRIALS:
        search = told(search, loss, gradient * [1, lie])
        searches.append(search)
        loss, gradient = function(search.trial.numpy())
    before, after = searches[MOST_TRIALS], searches[MOST_TRIALS + 1]
    assert before.has_history
    assert [int(one.failures) for one in (before, after, search)] == [0, 1, 1]
    assert not after.has_history
    assert not any(pair.step.numpy().any() for pair in after.pairs)
    assert np.array_equal(after.point, start.point)
    assert search.loss < after.loss


def test_a_gradient_that_points_uphill_ends_the_search_where_it_began() -> None:
    """No step lowers the loss, so after a line search along the gradient itself it says so."""
    truth = quadratic(np.ones(3), np.full(3, 0.2))

    def lie(x: np.ndarray) -> Evaluation:
        loss, gradient = truth(x)
        return loss, -gradient

    found = minimise(lie, np.full(3, 0.6), 99)
    assert len(found) == 1 + MOST_TRIALS
    assert found[-1].done
    assert np.array_equal(found[-1].point, np.full(3, 0.6, np.float32))


def test_a_stationary_start_is_done() -> None:
    """A gradient of zero, or one that presses every pixel against its bound."""
    for start, gradient in (([0.5, 0.5], [0.0, 0.0]), ([0.0, 1.0], [2.0, -3.0])):
        found = minimise(lambda _, g=gradient: (1.0, np.array(g)), np.array(start), 9)
        assert len(found) == 1
        assert found[0].done
