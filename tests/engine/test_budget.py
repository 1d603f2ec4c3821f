"""Which images are computed by tiles."""

from __future__ import annotations

import pytest

from nstd.engine.budget import Budget
from nstd.engine.estimate import memory_bytes
from nstd.engine.tiles import Grid

LAYERS = ("block1_conv1", "block5_conv1")
GIBIBYTE = 2**30


def test_what_fits_is_computed_whole() -> None:
    """At the limit itself too, and always where there is none."""
    limit = memory_bytes(LAYERS, 512, 768, 4)
    assert Budget(LAYERS, 4, limit).grid(512, 768) is None
    assert Budget(LAYERS, 4, limit - 1).grid(512, 768) is not None
    assert Budget(LAYERS, 4, None).grid(10**5, 10**5) is None


@pytest.mark.parametrize(
    ("height", "width", "limit"), [(4096, 4096, 4), (6144, 8192, 8), (1000, 3000, 2)]
)
def test_tiles_are_as_large_as_the_limit_allows(height: int, width: int, limit: int) -> None:
    """They fit, and the next larger ones, one fewer along an axis, would not."""
    budget = Budget(LAYERS, 4, limit * GIBIBYTE)
    grid = budget.grid(height, width)
    assert grid is not None
    assert budget.memory(height, width) <= limit * GIBIBYTE
    larger = Grid(grid.side + 16, grid.halo)
    assert memory_bytes(LAYERS, height, width, 4, larger) > limit * GIBIBYTE


def test_the_halo_is_the_deepest_layers() -> None:
    """Deep layers see further."""
    halos = [
        Budget((layer,), 4, 1.05e9).grid(512, 512) for layer in ("block2_conv1", "block5_conv2")
    ]
    assert [grid.halo for grid in halos if grid] == [16, 96]


def test_memory_grows_by_nine_images_of_the_size() -> None:
    """With tiles of one side, by nine float32 values a channel and pixel, and nothing else."""
    grid = Grid(256, 80)
    small, large = (memory_bytes(LAYERS, side, side, 4, grid) for side in (1024, 2048))
    assert large - small == 9 * 12 * (2048**2 - 1024**2)


@pytest.mark.parametrize("side", [768, 1024, 2048])
def test_a_failure_tightens_the_budget(side: int) -> None:
    """What did not fit as a whole takes a quarter then, beside what no tile makes smaller."""
    budget = Budget(LAYERS, 2, None)
    tighter = budget.after_failure(side, side)
    grid, base = tighter.grid(side, side), memory_bytes(LAYERS, 0, 0, 2)
    assert grid is not None
    assert grid.side > 64
    assert tighter.memory(side, side) - base <= (budget.memory(side, side) - base) / 4


def test_what_is_held_beside_counts_too() -> None:
    """An optimizer's history may be what an image computed whole has no room beside."""
    limit = memory_bytes(LAYERS, 512, 768, 4)
    held = Budget(LAYERS, 4, limit, held_images=24)
    grid = held.grid(512, 768)
    assert grid is not None
    needed = memory_bytes(LAYERS, 512, 768, 4, grid) + 24 * 12 * 512 * 768
    assert held.memory(512, 768) == needed <= limit
