"""A whole transfer by L-BFGS, at small sizes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf
from engine_nan import NanEngine
from transfers import SHALLOW, request, total_loss

from nstd.domain import Checkpoint
from nstd.engine.descent import State
from nstd.engine.lbfgs import MOST_TRIALS

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.domain import StyleRequest
    from nstd.engine.engine import Engine


def by_lbfgs(**params: Any) -> StyleRequest:
    """Ask for a small transfer by L-BFGS, whose objective is of shallow layers."""
    return request(optimizer="lbfgs", **SHALLOW, **params)


@pytest.mark.parametrize(("preset", "count"), [("fast", 12), ("quality", 6)])
def test_the_loss_falls_and_the_picture_is_displayable(
    engine: Engine, preset: str, count: int
) -> None:
    """With every preset's objective; the picture returned is one that was evaluated."""
    wanted = by_lbfgs(preset=preset, iterations=count)
    result = engine.transfer(wanted).result()
    assert len(result.trace) == count
    assert result.loss is not None
    assert result.loss.total < 0.6 * result.trace[0].total
    assert result.image.min() >= 0
    assert result.image.max() <= 1
    assert total_loss(engine, wanted, result.image) == pytest.approx(result.loss.total, rel=1e-3)
    assert result.recipe["optimizer"] == "lbfgs"


def test_an_iteration_is_an_evaluation(engine: Engine) -> None:
    """Iterates come one by one, as many as were planned, refused trials among them."""
    iterates = list(engine.transfer(by_lbfgs(preset="classic", iterations=9, learning_rate=1.0)))
    assert [iterate.iteration for iterate in iterates] == list(range(9))
    totals = [iterate.losses.total for iterate in iterates]
    assert totals[1] > totals[0], "the first step must be refused for this to prove anything"
    assert iterates[-1].best_iteration == int(np.argmin(totals))


def test_a_refused_trial_is_not_the_picture_so_far(engine: Engine) -> None:
    """Who watches sees what was accepted, and `last` keeps that."""
    wanted = by_lbfgs(preset="classic", iterations=2, learning_rate=1.0, keep="last")
    transfer = engine.transfer(wanted)
    for _ in transfer:
        assert np.array_equal(transfer.image, wanted.content)
    assert np.array_equal(transfer.result().image, wanted.content)


@pytest.mark.parametrize("stop_after", [3, 6, 9])
def test_resumed_equals_uninterrupted(engine: Engine, tmp_path: Path, stop_after: int) -> None:
    """The history is part of the checkpoint, and so is a line search that is under way."""
    wanted = by_lbfgs(preset="fast", iterations=6, min_scale=34)
    whole = engine.transfer(wanted).result()
    saving = Checkpoint(tmp_path, every_seconds=0.0)
    for iterate in engine.transfer(wanted, saving):
        if iterate.iteration == stop_after:
            break
    result = engine.transfer(wanted, saving).result()
    assert any("resumed after iteration" in note for note in result.notes)
    assert len(result.trace) == len(whole.trace)
    assert result.best_iteration == whole.best_iteration
    assert np.allclose(result.image, whole.image, atol=1e-5)


def test_the_history_is_dropped_between_scales() -> None:
    """It is of another function; the image is the accepted one, and failures count on."""
    state = State.start(tf.fill([1, 16, 16, 3], 0.5), optimizer="lbfgs")
    search = state.memory._replace(
        point=tf.fill([1, 16, 16, 3], 0.25),
        pairs=tuple(pair._replace(step=pair.step + 1) for pair in state.memory.pairs),
        failures=tf.constant(2),
    )
    finer = state._replace(memory=search).at_size(24, 24)
    assert np.allclose(finer.image, 0.25)
    assert finer.memory.pairs[0].step.shape == (1, 24, 24, 3)
    assert not any(pair.step.numpy().any() for pair in finer.memory.pairs)
    assert finer.remarks == (
        "2 line searches of L-BFGS failed, and a gradient step was taken instead",
    )


def test_a_network_that_stops_answering_ends_it(engine: Engine) -> None:
    """Once neither the quasi-Newton step nor the gradient leads to a number; the policy holds."""
    wanted = by_lbfgs(preset="classic", iterations=99, on_nonfinite="keep_best")
    result = NanEngine(engine, 3).transfer(wanted).result()
    assert len(result.trace) == 3 + 2 * MOST_TRIALS
    finite = [losses.total for losses in result.trace if math.isfinite(losses.total)]
    assert result.best_iteration == int(np.argmin(finite))
    assert result.notes[0].startswith(f"stopped at iteration {2 + 2 * MOST_TRIALS}: loss or ")
    assert result.notes[1].startswith("1 line search of L-BFGS failed, and a gradient step")


def test_the_estimate_counts_the_history(engine: Engine) -> None:
    """The iterations take as long as Adam's, the memory is more."""
    adam = engine.transfer(request(480, 400, preset="fast", **SHALLOW)).estimate
    lbfgs = engine.transfer(by_lbfgs(width=480, height=400, preset="fast")).estimate
    assert lbfgs.seconds == adam.seconds
    assert lbfgs.memory - adam.memory > 2 * 10 * 480 * 400 * 12
