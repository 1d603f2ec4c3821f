"""From mask images to regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nstd import masks
from nstd.errors import ParamsError
from nstd.params import StyleParams

if TYPE_CHECKING:
    from nstd.domain import Region

LEFT = np.zeros((4, 6, 3), np.float32)
LEFT[:, :3] = 1
SOFT = np.full((4, 6, 3), 0.25, np.float32)
# Left red, right blue.
LABELS = np.zeros((4, 6, 3), np.float32)
LABELS[:, :3, 0] = LABELS[:, 3:, 2] = 1
PICTURES = {
    "left.png": LEFT,
    "right.png": 1 - LEFT,
    "soft.png": SOFT,
    "labels.png": LABELS,
    "black.png": np.zeros((4, 6, 3), np.float32),
    "noise.png": np.random.default_rng(1).random((8, 8, 3), np.float32),
}
BOTH = {"l": "left.png", "r": "right.png"}


def read(content: Any, style: Any = None, styles: int = 1, side: int = 64) -> tuple[Region, ...]:
    """Read masks of those pictures."""
    params = StyleParams.parse({"content_mask": content, "style_mask": style})
    return masks.regions(params, styles, PICTURES.__getitem__, side)


def test_without_masks_there_are_no_regions() -> None:
    """Everything is one."""
    assert read(None) == ()


def test_a_grey_image_is_a_region_with_soft_edges() -> None:
    """White belongs to it, grey in part."""
    left, soft = read({"l": "left.png", "s": "soft.png"})
    assert (left.name, soft.name) == ("l", "s")
    assert np.array_equal(left.content, LEFT[..., 0])
    assert np.allclose(soft.content, 0.25)
    assert left.content.dtype == np.float32


def test_colours_of_a_label_image_are_regions() -> None:
    """Named by their colours; they have no edges but their own."""
    red, blue = sorted(read("labels.png", "labels.png"), key=lambda region: -region.content[0, 0])
    assert (red.name, blue.name) == ("#ff0000", "#0000ff")
    assert np.array_equal(red.content, LEFT[..., 0])
    assert np.array_equal(blue.content, 1 - LEFT[..., 0])
    assert np.array_equal(red.styles[0], red.content)


def test_a_style_without_mask_paints_every_region_as_a_whole() -> None:
    """So that a region may be painted and the rest left alone."""
    for region in read(BOTH):
        (mask,) = region.styles
        assert mask is not None
        assert mask.min() == 1


def test_styles_have_their_regions() -> None:
    """One with a mask of it, one as a whole, one not at all."""
    left, right = read(BOTH, [{"l": "soft.png"}, {"r": "all"}, None], styles=3)
    assert np.allclose(left.styles[0], 0.25)
    assert left.styles[1] is None
    assert right.styles[0] is None
    assert np.array_equal(right.styles[1], masks.WHOLE)
    assert np.array_equal(left.styles[2], masks.WHOLE)


def test_what_a_styles_labels_have_beyond_the_contents_is_left_out() -> None:
    """The content says which regions there are; only a named one may be a slip of the pen."""
    (red,) = read({"#ff0000": "left.png"}, "labels.png")
    assert red.name == "#ff0000"


def test_large_masks_are_reduced_with_soft_edges() -> None:
    """To the side that is needed; what they cover stays."""
    (left,) = read({"l": "left.png"}, side=4)
    assert left.content.shape == (3, 4)
    assert 0 <= left.content.min() <= left.content.max() <= 1
    assert left.content.mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("content", "style", "styles", "words"),
    [
        (None, {"l": "left.png"}, 1, "style_mask: has no content_mask beside it"),
        (BOTH, [None], 2, "style_mask: has 1 entries for 2 styles"),
        (BOTH, {"l": "left.png"}, 1, "style_mask: region 'r' of content_mask has no style"),
        (BOTH, {"left": "all"}, 1, "style_mask: content_mask has no region 'left'"),
        ("labels.png", {"#ff0000": "all"}, 1, "region '#0000ff' of content_mask has no style"),
        ({"l": "black.png"}, None, 1, "black.png: content_mask: region 'l' is empty"),
        (BOTH, {"l": "black.png", "r": "all"}, 1, "black.png: style_mask: region 'l' is empty"),
        ("noise.png", None, 1, "noise.png: content_mask: has 64 colours"),
    ],
)
def test_masks_that_make_no_sense_are_refused(
    content: Any, style: Any, styles: int, words: str
) -> None:
    """The message names the file, the key and the region."""
    with pytest.raises(ParamsError) as caught:
        read(content, style, styles)
    assert words in str(caught.value)
    assert caught.value.remedy
