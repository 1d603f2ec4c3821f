"""Descent by tiles against the same computed whole."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import picture
from tile_mistakes import CroppingGrid, ShiftedGrid
from transfers import SHALLOW, make, request

from nstd.engine.descent import Schedule, State
from nstd.engine.objective import Structure, Targets
from nstd.engine.tiles import Grid, halo, radius

if TYPE_CHECKING:
    from collections.abc import Callable

    from nstd.domain import StyleRequest
    from nstd.engine.descent import Descent
    from nstd.engine.engine import Engine
    from nstd.engine.objective import Weights
    from nstd.engine.tiled import TiledDescent


@dataclass(frozen=True)
class Case:
    """A request's objective at a picture that isn't its content."""

    engine: Engine
    wanted: StyleRequest

    @property
    def structure(self) -> Structure:
        """Of the objective."""
        return Structure.of(self.wanted.params.recipe(max(self.wanted.shape)))

    @property
    def image(self) -> np.ndarray:
        """Where the objective is evaluated."""
        height, width = self.wanted.shape
        return 0.1 + 0.8 * picture(width, height, 2)[None]

    @property
    def descent(self) -> Descent:
        """That which computes it whole."""
        return self.engine.network().descent(self.structure)

    def tiled(self, grid: Grid | None = None, side: int = 64) -> TiledDescent:
        """Take that which computes it by tiles."""
        grid = grid or Grid(side, halo(radius(self.structure.layers)))
        return self.engine.network().tiled_descent(self.structure, grid)

    @functools.cached_property
    def targets(self) -> tuple[Targets, Targets, Weights]:
        """What to match: for the whole, for tiles; and the weights."""
        _, targets, weights = make(self.engine, self.wanted)
        return targets, Targets([self.wanted.content[None]], targets.style), weights

    def whole_gradient(self) -> tuple[np.ndarray, np.ndarray]:
        """Compute the terms and the gradient as ever."""
        targets, _, weights = self.targets
        objective = self.descent.objective
        terms, gradient = objective.value_and_gradient(tf.constant(self.image), targets, weights)
        return terms.numpy(), gradient.numpy()

    def tiled_gradient(self, grid: Grid | None = None, side: int = 64) -> tuple[Any, np.ndarray]:
        """Compute them by tiles."""
        _, targets, weights = self.targets
        tiled = self.tiled(grid, side)
        terms, gradient = tiled.value_and_gradient(self.image, targets, weights)
        return terms.numpy(), gradient


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """Relative L2."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.fixture(scope="module")
def exact(engine: Engine) -> tuple[Case, np.ndarray]:
    """A Gram matrices' objective of odd size, and its gradient computed whole."""
    case = Case(engine, request(91, 155, preset="classic"))
    return case, case.whole_gradient()[1]


@pytest.mark.parametrize(
    ("params", "tolerance"),
    [
        ({"preset": "classic"}, 1e-6),
        ({"preset": "fast"}, 1e-6),
        ({"preset": "quality"}, 1e-5),
    ],
    ids=["gram", "gram_scaled", "w2"],
)
def test_the_gradient_is_the_whole_images(
    engine: Engine, params: dict[str, Any], tolerance: float
) -> None:
    """Down to block5, for every loss, at a size that is no multiple of anything."""
    case = Case(engine, request(91, 155, **params))
    terms, gradient = case.whole_gradient()
    found, by_tiles = case.tiled_gradient()
    assert difference(by_tiles, gradient) <= tolerance
    assert found == pytest.approx(terms, rel=1e-5)


@pytest.mark.parametrize(
    ("width", "height", "params"),
    [
        (67, 97, {"preset": "quality", "pooling": "average"}),
        (67, 97, {"preset": "fast", "content_weight": 100.0}),
        (33, 150, {"preset": "fast", "tv_weight": 100.0}),
        (64, 48, {"preset": "fast", "tv_weight": 100.0}),
        (50, 81, {"preset": "classic", "style_loss": "gram_scaled"}),
    ],
    ids=["average", "content", "variation", "multiples", "zeros"],
)
def test_it_is_so_for_every_term(
    engine: Engine, width: int, height: int, params: dict[str, Any]
) -> None:
    """Whatever outweighs the rest, and however image and features are padded and pooled."""
    case = Case(engine, request(width, height, **SHALLOW, **params))
    assert difference(case.tiled_gradient(side=16)[1], case.whole_gradient()[1]) <= 1e-6


@pytest.mark.parametrize(
    ("mistaken", "least"),
    [
        (CroppingGrid(64, 96), 0.05),
        (Grid(64, 88), 0.005),
        (ShiftedGrid(64, 96), 0.005),
        (Grid(64, 64), 2e-5),
    ],
    ids=["cropping", "misaligned halo", "misaligned tile", "halo too small"],
)
def test_mistakes_show(exact: tuple[Case, np.ndarray], mistaken: Grid, least: float) -> None:
    """Each breaks the equality by far more than rounding does."""
    case, gradient = exact
    assert difference(case.tiled_gradient(mistaken)[1], gradient) > least


def test_bfloat16_differs_by_its_rounding(build_engine: Callable[[str], Engine]) -> None:
    """Near the seams each tile rounds what the whole rounds once."""
    case = Case(build_engine("bfloat16"), request(67, 97, preset="fast", **SHALLOW))
    wrong = difference(case.tiled_gradient(side=16)[1], case.whole_gradient()[1])
    assert wrong < 0.01


@pytest.mark.parametrize("preset", ["fast", "quality"])
def test_a_style_is_measured_by_tiles(engine: Engine, preset: str) -> None:
    """Its statistics are the whole image's."""
    case = Case(engine, request(67, 97, preset=preset, **SHALLOW))
    whole = case.descent.style_statistics(tf.constant(case.image), ())
    by_tiles = case.tiled(side=32).style_statistics(case.image)
    for wanted, found in zip(tf.nest.flatten(whole), tf.nest.flatten(by_tiles), strict=True):
        assert found.dtype == wanted.dtype
        assert difference(found.numpy(), wanted.numpy()) < 1e-6


@pytest.mark.parametrize("preset", ["fast", "quality"])
def test_the_loss_is_the_whole_images(engine: Engine, preset: str) -> None:
    """Total and terms, without a gradient."""
    case = Case(engine, request(67, 97, preset=preset, **SHALLOW))
    targets, by_tiles, weights = case.targets
    wanted = case.descent.loss(tf.constant(case.image), targets, weights).numpy()
    found = case.tiled(side=32).loss(case.image, by_tiles, weights).numpy()
    assert found == pytest.approx(wanted, rel=1e-5)


def test_iterations_are_the_whole_images(engine: Engine) -> None:
    """Image, moments, average and best iterate go the same way; the images stay where they are."""
    case = Case(engine, request(67, 97, preset="fast", **SHALLOW))
    targets, by_tiles, weights = case.targets
    schedule = Schedule.of(case.wanted.params.recipe(97), 4)
    whole, trace, _ = case.descent.run(
        State.start(tf.constant(case.image)), targets, weights, schedule, tf.constant(4)
    )
    tiled = case.tiled(side=32)
    start = State.start(case.image, tiled.hold)
    state, found, finite = tiled.run(start, by_tiles, weights, schedule, tf.constant(4))
    assert finite
    assert found.numpy() == pytest.approx(trace.numpy(), rel=1e-4)
    for name, wanted, part in zip(State._fields, whole, state, strict=True):
        assert np.allclose(part, wanted, atol=1e-3, rtol=1e-3), name
    assert state.image is start.image
    assert state.best_image is start.best_image


def test_searches_are_the_whole_images(engine: Engine) -> None:
    """L-BFGS is told the same by tiles, and so it goes the same way."""
    case = Case(engine, request(67, 97, preset="fast", optimizer="lbfgs", **SHALLOW))
    targets, by_tiles, weights = case.targets
    schedule = Schedule.of(case.wanted.params.recipe(97), 5)
    whole, trace, _ = case.descent.run(
        State.start(tf.constant(case.image), optimizer="lbfgs"),
        targets,
        weights,
        schedule,
        tf.constant(5),
    )
    tiled = case.tiled(side=32)
    start = State.start(case.image, tiled.hold, "lbfgs")
    state, found, finite = tiled.run(start, by_tiles, weights, schedule, tf.constant(5))
    assert finite
    assert found.numpy() == pytest.approx(trace.numpy(), rel=1e-3)
    assert found.numpy()[-1, 0] < 0.9 * found.numpy()[0, 0]
    assert np.allclose(state.latest, whole.latest, atol=1e-2)


def test_a_step_that_is_no_number_is_the_last(engine: Engine) -> None:
    """As for the whole image: the iteration is counted, and said not to be finite."""
    case = Case(engine, request(67, 97, preset="fast", **SHALLOW))
    _, targets, weights = case.targets
    schedule = Schedule.of(case.wanted.params.recipe(97), 4)
    tiled = case.tiled(side=32)
    state = State.start(case.image, tiled.hold)
    state.image[0, 90, 60] = math.nan
    state, trace, finite = tiled.run(state, targets, weights, schedule, tf.constant(4))
    assert not finite
    assert trace.shape == (1, 4)
    assert int(state.best_iteration) == -1


def test_other_sizes_and_tiles_are_not_traced_again(engine: Engine) -> None:
    """One set of graphs serves every picture and every grid."""
    case = Case(engine, request(67, 97, preset="fast", **SHALLOW))
    case.tiled_gradient(side=32)
    before = engine.traces
    other = Case(engine, request(50, 81, preset="fast", **SHALLOW))
    other.tiled_gradient(side=48)
    assert engine.traces == before
