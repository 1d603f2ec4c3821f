"""Sizes, and pixels at other sizes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from nstd.resampling import fit, resize


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((5335, 3561), 1024, (1024, 683)),
        ((3561, 5335), 1024, (683, 1024)),
        ((100, 100), 64, (64, 64)),
        ((10, 5), 20, (20, 10)),
        ((20_000, 10), 512, (512, 1)),
        ((1, 1), 1, (1, 1)),
        ((4, 1), 2, (2, 1)),  # a half is rounded up
    ],
)
def test_fit(size: tuple[int, int], long_side: int, expected: tuple[int, int]) -> None:
    """The long side is met exactly, the other to the nearest pixel, never below one."""
    assert fit(*size, long_side) == expected


@pytest.mark.parametrize("size", [(5, 7), (64, 48), (1, 1)])
def test_resize_keeps_a_constant(size: tuple[int, int]) -> None:
    """A constant picture stays that constant at any size."""
    resized = resize(np.full((16, 16, 3), 0.3, np.float32), size)
    assert resized.shape == (*size, 3)
    assert resized.dtype == np.float32
    assert_allclose(resized, 0.3, atol=1e-6)


def test_resize_is_antialiased() -> None:
    """A checkerboard finer than the new pixels becomes its mean."""
    board = (np.indices((64, 64)).sum(axis=0) % 2).astype(np.float32)
    assert_allclose(resize(board, (16, 16))[2:-2, 2:-2], 0.5, atol=1e-2)


def test_resize_is_clipped() -> None:
    """The overshoot of the kernel at an edge stays within [0, 1]."""
    edge = np.zeros((8, 8, 3), np.float32)
    edge[:, 4:] = 1
    resized = resize(edge, (32, 32))
    assert (resized.min(), resized.max()) == (0, 1)


def test_resize_is_finer_than_8_bits() -> None:
    """A slope of less than a level over the whole picture survives."""
    slope = np.linspace(0.5, 0.501, 64, dtype=np.float32)[None].repeat(8, axis=0)
    assert len(np.unique(resize(slope, (4, 32))[0])) > 20


# Writing
