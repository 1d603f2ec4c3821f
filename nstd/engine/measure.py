"""What takes how long on this process's device: the contestants of `nstd bench`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import tensorflow as tf

from nstd.engine.descent import Schedule, State
from nstd.engine.estimate import operations
from nstd.engine.objective import Weights
from nstd.engine.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nstd.domain import StyleRequest
    from nstd.engine.engine import Engine

MATRIX_SIDE = 4096
_SECONDS_A_TURN = 0.5


class Loop:
    """A request's compiled loop at the result's size, as a transfer runs it in its last scale.

    Args:
        engine: does the work.
        request: with a preset that iterates.

    Attributes:
        operations: floating-point operations of the convolutions in one iteration.
    """

    def __init__(self, engine: Engine, request: StyleRequest) -> None:
        plan = Plan(engine, request)
        self.operations = operations(plan.structure.layers, *request.shape)
        self._descent = plan.descent(request.shape)
        self._start = State.start(plan.start(request.shape), self._descent.hold)
        self._targets = plan.targets(request.shape)
        self._weights = Weights.of(plan.recipe)
        self._schedule = Schedule.of(plan.recipe, plan.iterations)

    def losses(self) -> list[float]:
        """[total, content, style, variation] of the image that the loop starts from."""
        found = self._descent.loss(self._start.image, self._targets, self._weights)
        return [float(value) for value in found.numpy()]

    def __call__(self, iterations: int) -> float:
        """Run iterations from the start; returns the seconds that they took."""
        started = time.perf_counter()
        _, terms, _ = self._descent.run(
            self._start, self._targets, self._weights, self._schedule, tf.constant(iterations)
        )
        terms.numpy()  # on a GPU, this is what waits for the work
        return time.perf_counter() - started


class MatrixProduct:
    """A product of square matrices: what the hardware gives at best.

    Args:
        dtype: of the matrices.
        side: rows and columns.

    Attributes:
        operations: floating-point operations of one product.
    """

    def __init__(self, dtype: tf.DType, side: int = MATRIX_SIDE) -> None:
        self.operations = 2.0 * side**3
        self._matrix = tf.cast(tf.random.stateless_normal([side, side], seed=[1, 2]), dtype)

    def __call__(self, times: int) -> float:
        """Multiply; returns the seconds that it took."""
        started = time.perf_counter()
        for _ in range(times):
            product = tf.linalg.matmul(self._matrix, self._matrix)
        product[0, 0].numpy()
        return time.perf_counter() - started


def interleaved(
    contestants: Mapping[str, Callable[[int], float]],
    rounds: int,
    *,
    seconds_a_turn: float = _SECONDS_A_TURN,
) -> dict[str, list[float]]:
    """Time contestants in turns, so that whatever else the machine does meets all of them.

    Each takes one step untimed, for what only a first step costs, and one to see how many steps
    fill a turn.

    Args:
        contestants: take a number of steps and return the seconds that these took.
        rounds: turns that each gets.
        seconds_a_turn: to aim at; a turn has one step at least.

    Returns:
        Seconds a step of each turn.
    """
    steps = {}
    for name, contestant in contestants.items():
        contestant(1)
        steps[name] = max(1, round(seconds_a_turn / contestant(1)))
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            found[name].append(contestant(steps[name]) / steps[name])
    return found


def job_seconds(engine: Engine, request: StyleRequest) -> float:
    """Seconds that a whole transfer takes, from pictures in memory to a picture in memory."""
    started = time.perf_counter()
    engine.transfer(request).result()
    return time.perf_counter() - started


def expected_seconds(engine: Engine, request: StyleRequest, speed: float) -> float:
    """Seconds that the estimate gives for a request at this many operations a second."""
    plan = Plan(engine, request)
    return sum(
        iterations * operations(plan.structure.layers, height, width) / speed
        for height, width, iterations in plan.sizes
    )
