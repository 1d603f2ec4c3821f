"""A double: a device whose memory does not hold large images as a whole."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from nstd.engine.engine import Engine, Network

if TYPE_CHECKING:
    from nstd.engine.descent import Descent
    from nstd.engine.objective import Structure


class TightDescent:
    """The real descent, without room for more than so many pixels.

    Args:
        descent: the real one.
        pixels: that there is room for.
        failed: gets a reference to the targets of each attempt that failed.
    """

    def __init__(self, descent: Descent, pixels: int, failed: list[Any]) -> None:
        self._descent = descent
        self._pixels = pixels
        self._failed = failed

    def __getattr__(self, name: str) -> Any:
        """Answer as the real one."""
        return getattr(self._descent, name)

    def run(self, state: Any, targets: Any, *settings: Any) -> Any:
        """Iterate if there is room."""
        if state.image.shape[1] * state.image.shape[2] > self._pixels:
            self._failed.append(weakref.ref(targets.content[0]))
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return self._descent.run(state, targets, *settings)


class TightNetwork(Network):
    """The real network but for its descents."""

    def __init__(self, network: Network, pixels: int, *, tiles_fit: bool) -> None:
        self.__dict__.update(network.__dict__)
        self._network = network
        self._pixels = pixels
        self._tiles_fit = tiles_fit
        self._failed: list[Any] = []
        self.held: list[bool] = []

    def descent(self, structure: Structure) -> Any:
        """Lend the double."""
        return TightDescent(self._network.descent(structure), self._pixels, self._failed)

    def tiled_descent(self, *settings: Any) -> Any:
        """Lend the real one, or the double; see what is left of attempts that failed."""
        self.held += [ref() is not None for ref in self._failed]
        tiled: Any = self._network.tiled_descent(*settings)
        return tiled if self._tiles_fit else TightDescent(tiled, self._pixels, self._failed)


class TightEngine(Engine):
    """The real engine with such a network.

    Args:
        engine: the real one.
        pixels: of the largest image that there is room for as a whole.
        tiles_fit: whether there is room for larger ones by tiles.
    """

    def __init__(self, engine: Engine, pixels: int, *, tiles_fit: bool = True) -> None:
        self.__dict__.update(engine.__dict__)
        self._double = TightNetwork(engine.network(), pixels, tiles_fit=tiles_fit)

    def network(self, precision: str = "auto") -> Network:
        """Lend the double, whatever the precision."""
        assert precision == "auto"
        return self._double

    @property
    def held(self) -> list[bool]:
        """Whether what a failed attempt had was still there, each time that tiles were wanted."""
        return self._double.held
