"""Masks as they are written."""

from __future__ import annotations

from typing import Any

import pytest

from nstd import regions
from nstd.errors import ParamsError
from nstd.params import StyleParams

SKY = {"sky": "sky.png"}


@pytest.mark.parametrize("mask", ["labels.png", SKY, {"#ff0000": "a.png", "sea": "b.JPG"}, None])
def test_masks_are_kept_as_they_are_written(mask: Any) -> None:
    """A label image, or a grey image for each region; an only style's needs no list."""
    params = StyleParams.parse({"content_mask": mask, "style_mask": mask})
    assert params.content_mask == mask
    assert params.style_mask == (None if mask is None else [mask])


def test_each_style_has_its_own() -> None:
    """A style may be used as a whole for a region, or for all of them."""
    masks = [None, {"sky": "all", "sea": "b.png"}, "labels.png"]
    params = StyleParams.parse({"content_mask": SKY, "style_mask": masks})
    assert params.style_mask == masks
    assert StyleParams.parse(params.model_dump(mode="json")) == params


@pytest.mark.parametrize(
    ("key", "mask", "words"),
    [
        ("content_mask", "labels", "should be a label image, or {region: grey image}"),
        ("content_mask", 7, "should be a label image"),
        ("content_mask", [SKY], "should be a label image"),
        ("content_mask", {}, "1 to 16 regions"),
        ("content_mask", {f"r{n}": "x.png" for n in range(17)}, "1 to 16 regions"),
        ("content_mask", {7: "x.png"}, "should be a label image"),
        ("content_mask", {"sky": "all"}, "'sky' should be an image file that ends in"),
        ("content_mask", {"sky": None}, "'sky' should be an image file"),
        ("style_mask", {"sky": "sky"}, "'sky' should be `all` or an image file"),
        ("style_mask", "all", "should be a label image"),
        ("style_mask", [], "should have a mask, or null, for each style"),
        ("style_mask", [["x.png"]], "should be a label image"),
    ],
)
def test_what_is_no_mask_is_refused_in_one_message(key: str, mask: Any, words: str) -> None:
    """It names the key, and says what is wanted."""
    with pytest.raises(ParamsError) as caught:
        StyleParams.parse({key: mask})
    assert caught.value.key == key
    assert words in str(caught.value)


def test_files_are_named_once_and_in_order() -> None:
    """Whatever the masks' kind; `all` is no file."""
    assert regions.files(None) == ()
    assert regions.files("a.png") == ("a.png",)
    masks = [None, {"x": "b.png", "y": "all"}, "a.png", {"z": "b.png"}]
    assert regions.files(masks) == ("b.png", "a.png")
    assert regions.files([7, {"x": None, "y": "no image"}]) == regions.files(7) == ()


def test_files_can_be_called_otherwise() -> None:
    """The rest stays as it was."""
    masks = [None, {"x": "b.png", "y": "all"}, "a.png"]
    assert regions.renamed(masks, {"b.png": "c.png"}) == [None, {"x": "c.png", "y": "all"}, "a.png"]
    assert regions.renamed("a.png", {"a.png": "d.png"}) == "d.png"
