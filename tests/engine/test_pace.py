"""What this device takes for work."""

from __future__ import annotations

import pytest
import tensorflow as tf

from nstd.engine.estimate import Work
from nstd.engine.pace import Pace

GRAM = Work(convolutions=2e10, roots=0.0)
TRANSPORT = Work(convolutions=2e9, roots=3e8)


def test_a_first_answer_needs_no_transfer() -> None:
    """Both rates are measured: roots take longer than nothing, and twice the work twice as long."""
    pace = Pace(tf.float32)
    assert pace.seconds(GRAM) > 0
    assert pace.seconds(TRANSPORT) > pace.seconds(Work(TRANSPORT.convolutions, 0.0))
    assert pace.seconds(TRANSPORT * 2) == pytest.approx(2 * pace.seconds(TRANSPORT))


def test_it_learns_what_transfers_really_take() -> None:
    """Each measurement halves what the estimate is wrong by."""
    for work in (GRAM, TRANSPORT):
        pace = Pace(tf.float32)
        before = pace.seconds(work)
        for factor in (10.0, 0.1):
            wanted = factor * before
            wrong = pace.seconds(work) - wanted
            pace.learn(work, wanted)
            assert pace.seconds(work) - wanted == pytest.approx(wrong / 2)


def test_it_tells_roots_from_convolutions() -> None:
    """From times at several sizes it finds the two rates, though each time is of both."""
    pace = Pace(tf.float32)
    sizes = [Work(convolutions, 3e8) for convolutions in (1e9, 4e9, 16e9, 64e9)]
    truth = {work: work.convolutions / 2e10 + work.roots / 1e9 for work in sizes}
    for _ in range(30):
        for work in sizes:
            pace.learn(work, truth[work])
    for work in sizes:
        assert pace.seconds(work) == pytest.approx(truth[work], rel=0.02)
    assert pace.seconds(Work(2e10, 0.0)) == pytest.approx(1.0, rel=0.02)
