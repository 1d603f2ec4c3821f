"""Doubles: grids that make one mistake each, which an exact gradient must not survive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nstd.engine.tiles import ALIGNMENT, Grid, Tile


@dataclass(frozen=True)
class CroppingTile(Tile):
    """Adds the gradient of its own pixels only, and forgets what its halo's bear upon."""

    def add(self, whole: Any, part: Any) -> None:
        """Leave the halo out."""
        top, bottom, left, right = self.owned_within
        rows, columns = (
            slice(self.owned.top, self.owned.bottom),
            slice(self.owned.left, self.owned.right),
        )
        whole[:, rows, columns] += part[:, top:bottom, left:right]


@dataclass(frozen=True)
class CroppingGrid(Grid):
    """The right tiles, whose gradients are cropped instead of added."""

    def tiles(self, height: int, width: int) -> tuple[Tile, ...]:
        """Divide rightly."""
        right = Grid(self.side, self.halo).tiles(height, width)
        return tuple(CroppingTile(tile.owned, tile.seen) for tile in right)


@dataclass(frozen=True)
class ShiftedGrid(Grid):
    """Tiles that begin half a stride beside their places, and take their halos with them."""

    def _spans(self, length: int) -> list[tuple[int, int]]:
        right = Grid(self.side, self.halo)._spans(length)
        starts = [0, *(start + ALIGNMENT // 2 for start, _ in right[1:])]
        return list(zip(starts, [*starts[1:], length], strict=True))
