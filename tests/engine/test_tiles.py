"""The geometry of tiles; no network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from nstd.engine import tiles
from nstd.engine.tiles import ALIGNMENT, Grid

LENGTHS = some.integers(1, 700)
SIDES = some.integers(1, 12).map(lambda units: units * ALIGNMENT)


@given(height=LENGTHS, width=LENGTHS, side=SIDES)
def test_every_pixel_has_one_owner(height: int, width: int, side: int) -> None:
    """Whatever the size, tiles cover the image without overlapping."""
    owners = np.zeros((1, height, width), int)
    for tile in Grid(side, 32).tiles(height, width):
        owners[:, tile.owned.top : tile.owned.bottom, tile.owned.left : tile.owned.right] += 1
    assert (owners == 1).all()


@given(length=LENGTHS, side=SIDES, stride=some.sampled_from([1, 2, 4, 8, 16]))
def test_every_position_has_one_owner(length: int, side: int, stride: int) -> None:
    """At every layer, counted in what each tile sees, as its activations are."""
    owned = []
    for tile in Grid(side, 32).tiles(length, 16):
        top, bottom, _, _ = tile.owned_within
        corner = tile.seen.top // stride
        owned += range(corner + top // stride, corner + bottom // stride)
    assert owned == list(range(length // stride))


@given(height=LENGTHS, width=LENGTHS, side=SIDES)
def test_tiles_are_aligned(height: int, width: int, side: int) -> None:
    """Tiles and halos begin at multiples of the deepest stride; halos end there or at the end."""
    for tile in Grid(side, 48).tiles(height, width):
        for box in (tile.owned, tile.seen):
            assert box.top % ALIGNMENT == box.left % ALIGNMENT == 0
        assert tile.seen.bottom % ALIGNMENT == 0 or tile.seen.bottom == height
        assert tile.seen.right % ALIGNMENT == 0 or tile.seen.right == width


@given(length=some.integers(16, 700), side=SIDES)
def test_tiles_are_about_equal(length: int, side: int) -> None:
    """None exceeds the side by more than the odd remainder, and none is a sliver."""
    spans = [tile.owned.height for tile in Grid(side, 16).tiles(length, 16)]
    assert max(spans) < side + ALIGNMENT
    assert max(spans) - min(spans) < 2 * ALIGNMENT


def test_halos_end_at_the_border() -> None:
    """An inner tile sees its halo on all sides, one in a corner on two."""
    seen = [tile.seen for tile in Grid(64, 32).tiles(203, 203)]
    assert (seen[0].top, seen[0].bottom, seen[0].left, seen[0].right) == (0, 96, 0, 96)
    assert (seen[4].top, seen[4].bottom, seen[4].left, seen[4].right) == (32, 160, 32, 160)
    assert (seen[-1].top, seen[-1].bottom) == (96, 203)
    assert Grid(64, 32).longest(203) == 128


@pytest.mark.parametrize(
    ("layers", "pixels"),
    [
        (["block1_conv1"], 1),
        (["block3_conv1", "block1_conv1"], 10),
        (["block4_conv1"], 30),
        (["block5_conv1"], 70),
        (["block5_conv2", "block5_conv1"], 86),
    ],
)
def test_the_radius_is_the_deepest_layers(layers: list[str], pixels: int) -> None:
    """The sum of the convolutions' strides down to it."""
    assert tiles.radius(layers) == pixels


@pytest.mark.parametrize(("pixels", "wanted"), [(1, 16), (70, 80), (80, 80), (86, 96)])
def test_halos_are_rounded_up(pixels: int, wanted: int) -> None:
    """To the deepest stride."""
    assert tiles.halo(pixels) == wanted


def test_gradients_are_added_and_pictures_put() -> None:
    """What halos overlap adds up; what tiles own is set once."""
    image = np.arange(48 * 40 * 3, dtype=np.float32).reshape(1, 48, 40, 3)
    added, put = np.zeros_like(image), np.full_like(image, np.nan)
    seen = np.zeros_like(image)
    for tile in Grid(16, 16).tiles(48, 40):
        tile.add(added, tile.cut(image))
        tile.cut(seen)[...] += 1
        tile.put(put, tile.cut(image))
    assert np.array_equal(added, seen * image)
    assert seen.max() == 6
    assert np.array_equal(put, image)
