"""What the benchmarks compare is the same thing."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from nstd.engine.engine import Engine

_SIDE = 48


@pytest.fixture
def iteration(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the script that races the loops."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    return importlib.import_module("iteration")


def test_the_contestants_compute_one_objective(iteration: Any, engine: Engine) -> None:
    """Of the same pictures from the same noise, in nstd's graph and in the plain loop."""
    plain = iteration.plain_loop(engine, iteration.request(_SIDE))
    own = iteration.own_loops(engine, _SIDE)
    assert set(iteration.check(engine, own, plain, None)) == {"nstd float32 gram", "eager float32"}


def test_contestants_that_differ_are_not_raced(iteration: Any, engine: Engine) -> None:
    """One that starts elsewhere does other work."""
    plain = iteration.plain_loop(engine, iteration.request(_SIDE))
    plain.image.assign(np.full_like(plain.image, 0.5))
    with pytest.raises(ValueError, match="compute different objectives"):
        iteration.check(engine, iteration.own_loops(engine, _SIDE), plain, None)
