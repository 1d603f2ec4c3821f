"""Which images are computed whole and which by tiles, so that the memory suffices."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from nstd.engine import tiles
from nstd.engine.estimate import PIXEL_BYTES, memory_bytes
from nstd.engine.tiles import ALIGNMENT, Grid

# Below this, the halo costs more than twenty times what the tile itself does.
_SMALLEST_SIDE = 64
# What is left of its memory to an image that didn't fit though it should have: the device has
# others' things too, and nothing tells how many.
_SHARE_AFTER_FAILURE = 0.25


@dataclass(frozen=True, slots=True)
class Budget:
    """How images of any size are computed.

    Attributes:
        layers: that the objective looks at.
        value_bytes: of an activation: 2 in bfloat16, 4 in float32.
        limit: bytes for everything; None: as much as it takes.
        held_images: in float32 beside the usual few: the optimizer's and masks.
    """

    layers: tuple[str, ...]
    value_bytes: int
    limit: float | None
    held_images: float = 0.0

    def grid(self, height: int, width: int) -> Grid | None:
        """The largest tiles that an image of this size allows within the limit.

        Returns:
            None if it can be computed whole. Tiles of the smallest side if none fit.
        """
        if self.limit is None or self._bytes(height, width, None) <= self.limit:
            return None
        halo = tiles.halo(tiles.radius(self.layers))
        largest = tiles.halo(max(height, width))
        for side in range(largest, _SMALLEST_SIDE, -ALIGNMENT):
            grid = Grid(side, halo)
            if self._bytes(height, width, grid) <= self.limit:
                return grid
        return Grid(_SMALLEST_SIDE, halo)

    def memory(self, height: int, width: int) -> float:
        """Bytes that an image of this size takes, computed as `grid` says."""
        return self._bytes(height, width, self.grid(height, width))

    def after_failure(self, height: int, width: int) -> Budget:
        """A tighter budget, after an image that was computed whole did not fit.

        Of what grows with images only: tiles don't make TensorFlow and the network smaller.
        """
        base = self._bytes(0, 0, None)
        limit = base + _SHARE_AFTER_FAILURE * (self._bytes(height, width, None) - base)
        return dataclasses.replace(self, limit=limit)

    def _bytes(self, height: int, width: int, grid: Grid | None) -> float:
        held = self.held_images * height * width * PIXEL_BYTES
        return memory_bytes(self.layers, height, width, self.value_bytes, grid) + held
