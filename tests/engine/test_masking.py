"""Masks at the sizes where they are needed."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from nstd.domain import Region
from nstd.engine.masking import Masks, at_stride

WHOLE = np.ones((1, 1), np.float32)
LEFT = np.zeros((8, 16), np.float32)
LEFT[:, :8] = 1


def test_without_regions_everything_is_one() -> None:
    """No tensors, one area, and the styles' own shares."""
    masks = Masks((), [1.0, 3.0])
    assert len(masks) == 0
    assert masks.of_content((8, 16)) == masks.of_style(0, (8, 16)) == ()
    assert masks.areas((8, 16)) == (1.0,)
    assert masks.blend(1) == (0.75,)
    assert masks.vanishing(None, (8, 16), 16) is None


def test_masks_are_stretched_to_their_picture() -> None:
    """Whatever their own size; a region that a style lacks is zero there."""
    masks = Masks((Region("l", LEFT, (None,)), Region("all", WHOLE, (LEFT,))), [1.0])
    (content,) = masks.of_content((4, 8))
    assert content.shape == (1, 4, 8, 2)
    (style,) = masks.of_style(0, (20, 20))
    assert np.all(style[..., 0] == 0)
    assert style[..., 1].mean() == pytest.approx(0.5, abs=0.01)


def test_overlapping_regions_share_a_position() -> None:
    """Together they weigh no more than 1; alone, each what its mask says."""
    half = np.full((1, 1), 0.5, np.float32)
    (content,) = Masks(
        (Region("l", LEFT, (WHOLE,)), Region("h", half, (WHOLE,))), [1.0]
    ).of_content((8, 16))
    assert np.allclose(content[0, :, :8], [2 / 3, 1 / 3])
    assert np.allclose(content[0, :, 8:], [0, 0.5])


def test_areas_are_shares_of_the_content() -> None:
    """What is covered by none is nobody's."""
    quarter = LEFT * (np.arange(16) < 4)
    masks = Masks((Region("l", LEFT, (WHOLE,)), Region("r", 0.5 * (1 - LEFT), (WHOLE,))), [1.0])
    assert masks.areas((8, 16)) == pytest.approx((0.5, 0.25))
    assert Masks((Region("q", quarter, (WHOLE,)),), [1.0]).areas((8, 16)) == pytest.approx((0.25,))


def test_each_region_has_a_blend_of_its_own() -> None:
    """Of the styles that have a part in it."""
    masks = Masks(
        (Region("one", LEFT, (WHOLE, None)), Region("both", LEFT, (WHOLE, LEFT))), [1.0, 3.0]
    )
    assert masks.blend(0) == (1.0, 0.25)
    assert masks.blend(1) == (0.0, 0.75)


@pytest.mark.parametrize("stride", [1, 2, 8])
def test_a_layers_masks_are_means_over_its_positions(stride: int) -> None:
    """Of the pixels that pooling joins to one."""
    values = np.random.default_rng(2).random((1, 16, 24, 2), np.float32)
    found = at_stride(tf.constant(values), stride).numpy()
    blocks = values.reshape(1, 16 // stride, stride, 24 // stride, stride, 2)
    assert np.allclose(found, blocks.mean((2, 4)), atol=1e-6)


@pytest.mark.parametrize("size", [(17, 30), (23, 41)])
@pytest.mark.parametrize("rounded_up", [False, True])
def test_a_layers_masks_have_its_size(size: tuple[int, int], rounded_up: bool) -> None:  # noqa: FBT001 - a case
    """Where sides are odd, they round as pooling does; a mask of ones stays one."""
    pooled = tf.ones([1, *size, 1])
    for _ in range(3):
        pooled = tf.nn.max_pool2d(pooled, 2, 2, "SAME" if rounded_up else "VALID")
    found = at_stride(tf.ones([1, *size, 1]), 8, rounded_up=rounded_up)
    assert np.array_equal(found, pooled)


def test_a_region_that_the_network_cannot_see_is_named() -> None:
    """It lies where pooling leaves rows out, or is nothing but a trace."""
    last_rows = np.zeros((23, 32), np.float32)
    last_rows[17:] = 1
    masks = Masks((Region("a", WHOLE, (WHOLE,)), Region("rows", last_rows, (last_rows,))), [1.0])
    assert masks.vanishing(None, (23, 32), 16) == "rows"
    assert masks.vanishing(0, (23, 32), 16) == "rows"
    assert masks.vanishing(None, (23, 32), 4) is None
    assert Masks((Region("b", WHOLE, (None,)),), [1.0]).vanishing(0, (23, 32), 16) is None
