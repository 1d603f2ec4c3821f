"""The course of a transfer."""

from __future__ import annotations

import math

import pytest

from nstd.domain import Losses, ScaleSummary
from nstd.engine.course import Course


def losses(total: float) -> Losses:
    """Losses of this total."""
    return Losses(total, 0.0, total, 0.0)


def course(*totals: float) -> Course:
    """A course of these totals, at one scale."""
    found = Course()
    for total in totals:
        found.record(losses(total))
    return found


def falling(share: float, iterations: int) -> Course:
    """Totals that fall by this share over 20 iterations, and by as much again in the next 20."""
    return course(*((1 - share) ** (number / 20) for number in range(iterations)))


def test_the_best_is_the_lowest_total_that_is_a_number() -> None:
    """With its iteration; the first of equals."""
    assert Course().best is None
    assert course(math.nan, math.inf).best is None
    assert course(3.0, math.nan, 2.0, 2.0, -math.inf, 2.5).best == (2, 2.0)


def test_a_scale_that_is_done_is_summed_up() -> None:
    """Its size, iterations, first and lowest losses; the next one counts from there."""
    found = course(3.0, 2.0, 2.5)
    found.end_scale(30, 40)
    assert (found.start, found.iterations) == (3, 0)
    found.begin_scale()
    found.record(losses(7.0))
    found.end_scale(60, 80)
    assert found.scales == [
        ScaleSummary(40, 30, 3, losses(3.0), 2.0),
        ScaleSummary(80, 60, 1, losses(7.0), 7.0),
    ]
    assert found.best == (3, 7.0)


def test_resumed_it_goes_on_as_if_never_interrupted() -> None:
    """Trace, scales and the best of the scale under way, which is not that of the last."""
    whole = course(3.0, 1.0)
    whole.end_scale(30, 40)
    whole.begin_scale()
    for total in (5.0, 4.0, 6.0):
        whole.record(losses(total))
    assert Course.resumed(tuple(whole.trace), tuple(whole.scales)) == whole
    assert whole.best == (3, 4.0)


@pytest.mark.parametrize(
    ("iterations", "settled"), [(19, False), (20, False), (30, True), (35, False), (40, True)]
)
def test_the_tolerance_is_looked_at_every_ten_iterations(iterations: int, *, settled: bool) -> None:
    """Once there are more than twenty; so that how many run in one call makes no difference."""
    found = falling(0.01, iterations)
    assert found.has_settled(0.02) is settled
    assert found.until_look(0.02) == 10 - iterations % 10


def test_what_still_falls_by_the_tolerance_goes_on() -> None:
    """By just less over 20 iterations it doesn't; a tolerance of 0 never ends it."""
    assert not falling(0.021, 60).has_settled(0.02)
    assert falling(0.019, 60).has_settled(0.02)
    assert not course(*[1.0] * 60).has_settled(0.0)
    assert course(*[1.0] * 60).until_look(0.0) == math.inf


def test_a_trial_that_was_refused_does_not_end_it() -> None:
    """The lowest of the last twenty counts, not the last, whatever that is."""
    totals = [0.9**number for number in range(40)]
    assert not course(*totals[:-1], 50.0).has_settled(0.02)
    assert not course(*totals[:-1], math.nan).has_settled(0.02)
