"""A double: a feature extractor whose activations stop being numbers after some calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from nstd.engine.descent import Descent
from nstd.engine.engine import Engine, Network, StyleCache

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


class NanNetwork(Network):
    """The real network but for its descent, whose loss stops being a number."""

    def __init__(self, network: Network, iterations: int) -> None:
        self.__dict__.update(network.__dict__)
        # The content's and the style's targets come first.
        self._extractor_double = NanAfter(network.extractor, 2 + iterations)
        self._descent: Descent | None = None

    def descent(self, structure: Structure) -> Descent:
        """Make the compiled loop on the double, once."""
        self._descent = self._descent or Descent(self._extractor_double, structure)
        return self._descent


class NanEngine(Engine):
    """The real engine with such a network.

    Args:
        engine: the real one.
        iterations: how many iterates have a finite loss.
    """

    def __init__(self, engine: Engine, iterations: int) -> None:
        self.__dict__.update(engine.__dict__)
        self.styles = StyleCache(0)  # what an earlier test measured would not count as a call
        self._double = NanNetwork(engine.network(), iterations)

    def network(self, precision: str = "auto") -> Network:
        """Lend the double, whatever the precision."""
        assert precision == "auto"
        return self._double
