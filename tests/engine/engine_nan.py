"""A double: a feature extractor whose activations stop being numbers after some calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from nstd.engine.descent import Descent
from nstd.engine.transfer import Engine

if TYPE_CHECKING:
    from nstd.engine.objective import Structure


class NanAfter:
    """Wraps the real extractor.

    Args:
        extractor: the real one.
        calls: how many calls are answered truthfully.
    """

    def __init__(self, extractor: Any, calls: int) -> None:
        self._extractor = extractor
        self._left = tf.Variable(calls)

    def activations(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Answer as the real one, or with NaN once the calls are used up."""
        left = self._left.assign_sub(1)
        factor = tf.where(left >= 0, 1.0, float("nan"))
        found = self._extractor.activations(*args, **options)
        return {layer: value * factor for layer, value in found.items()}


class NanEngine(Engine):
    """The real engine but for its descent, whose loss stops being a number.

    Args:
        engine: the real one.
        iterations: how many iterates have a finite loss.
    """

    def __init__(self, engine: Engine, iterations: int) -> None:
        self.__dict__.update(engine.__dict__, _descents={})
        self._calls = 2 + iterations  # the content's and the style's targets come first

    def descent(self, structure: Structure) -> Descent:
        """Make the compiled loop on the double."""
        return Descent(NanAfter(self._extractor, self._calls), structure)
