"""The Python API."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import picture, save_picture
from PIL import Image
from transfers import SHALLOW

import nstd
from nstd import api
from nstd.errors import ImageError, ImageTooSmallError, ParamsError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("shared_engine")

DRAFT = nstd.StyleParams(preset="draft")


def test_arrays_in_array_out() -> None:
    """No files, no folders: a picture in float32 RGB."""
    result = nstd.stylize(picture(48, 32), picture(32, 32, 1), DRAFT)
    assert isinstance(result, nstd.StyleResult)
    assert result.image.shape == (32, 48, 3)
    assert result.image.dtype == np.float32


def test_files_are_read(tmp_path: Path) -> None:
    """Paths and strings may stand for arrays."""
    content, style = save_picture(tmp_path / "c.png"), save_picture(tmp_path / "s.png", seed=1)
    assert nstd.stylize(content, str(style), DRAFT).image.shape == (48, 64, 3)


def test_the_size_is_the_one_asked_for() -> None:
    """Content is reduced to `size`, aspect kept; enlarged only when allowed."""
    content = picture(64, 32)
    for size, upscale, width in ((32, False, 32), (128, False, 64), (128, True, 128)):
        params = nstd.StyleParams(preset="draft", size=size, upscale=upscale)
        assert nstd.stylize(content, content, params).image.shape == (width // 2, width, 3)


def test_styles_blend_by_their_weights() -> None:
    """Equal shares unless told; one that is next to nothing leaves the other style alone."""
    content, styles = picture(48, 32), [picture(32, 32, 1), picture(32, 32, 2)]

    def blend(weights: list[float] | None) -> np.ndarray:
        return nstd.stylize(content, styles, DRAFT, style_weights=weights).image

    assert np.array_equal(blend(None), blend([3, 3]))
    alone = nstd.stylize(content, styles[1], DRAFT).image
    assert np.abs(blend([1e-6, 1e3]) - alone).max() < 1e-3
    assert np.abs(blend([1, 3]) - alone).mean() < np.abs(blend([3, 1]) - alone).mean()


@pytest.mark.parametrize("weights", [[1], [1, 2, 3], [1, 0], [1, -1], [1, float("nan")], [1, 1e7]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    """By the argument's name."""
    styles = [picture(32, 32, 1), picture(32, 32, 2)]
    with pytest.raises(ParamsError, match="style_weights: "):
        nstd.stylize(picture(48, 32), styles, DRAFT, style_weights=weights)


WHOLE = np.ones((1, 1), np.float32)
HALF = np.repeat(np.array([[1, 0]], np.float32), 2, axis=0)


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (nstd.Region("r", HALF, ()), "'r' has 0 masks for 1 styles"),
        (nstd.Region("r", HALF, (None,)), "0 of them not None"),
        (nstd.Region("r", 0 * HALF, (WHOLE,)), "a mask of region 'r' is empty"),
        (nstd.Region("r", HALF, (2 * WHOLE,)), r"no array \[H, W\] in \[0, 1\]"),
        (nstd.Region("r", HALF * np.float32("nan"), (WHOLE,)), "no array"),
        (nstd.Region("r", HALF[0], (WHOLE,)), "no array"),
    ],
)
def test_regions_that_make_no_sense_are_refused(region: nstd.Region, words: str) -> None:
    """Before anything is computed; the message names the region."""
    with pytest.raises(ParamsError, match=words):
        api.start(picture(48, 32), picture(32, 32, 1), DRAFT, regions=[region])


def test_masks_may_be_files_or_arrays(tmp_path: Path) -> None:
    """With the same result: files by the parameters, arrays as regions."""
    mask = np.zeros((32, 48), np.uint8)
    mask[:, :24] = 255
    Image.fromarray(mask).save(tmp_path / "left.png")
    content, style = picture(48, 32), picture(32, 32, 1)
    params = nstd.StyleParams(preset="draft", content_mask={"l": str(tmp_path / "left.png")})
    by_file = nstd.stylize(content, style, params).image
    regions = [nstd.Region("l", (mask / 255).astype(np.float32), (WHOLE,))]
    by_array = nstd.stylize(content, style, DRAFT, regions=regions).image
    assert np.allclose(by_file, by_array, atol=1e-5)
    assert np.array_equal(by_array[:, 24:], content[:, 24:])
    for kind in (bool, np.uint8, np.float64):
        regions = [nstd.Region("l", (mask / 255).astype(kind), (WHOLE,))]
        found = nstd.stylize(content, style, DRAFT, regions=regions).image
        assert np.array_equal(found, by_array)


def test_a_transfer_can_be_followed() -> None:
    """The iterator form yields iterates, then has the result."""
    params = nstd.StyleParams(preset="fast", iterations=3)
    transfer = api.start(picture(32, 32), picture(32, 32, 1), params)
    assert [iterate.iteration for iterate in transfer] == [0, 1, 2]
    assert len(transfer.result().trace) == 3


def test_a_picture_to_start_from(tmp_path: Path) -> None:
    """As an array, as a file, or as a parameter that names the file."""
    path = save_picture(tmp_path / "i.png", 48, 32, seed=5)
    params = nstd.StyleParams(preset="classic", iterations=1)
    named = nstd.StyleParams(preset="classic", iterations=1, init=str(path))
    pair = picture(48, 32), picture(32, 32, 1)
    by_path = nstd.stylize(*pair, params, init=path).image
    assert np.array_equal(nstd.stylize(*pair, named).image, by_path)
    assert np.array_equal(nstd.stylize(*pair, params, init=by_path).image, by_path)
    assert np.allclose(by_path, picture(48, 32, 5), atol=1 / 255)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4)),
        np.zeros((4, 4, 4)),
        np.full((20, 20, 3), np.nan),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(wrong: np.ndarray) -> None:
    """The message says which one and what is expected."""
    with pytest.raises(ImageError, match=r"the style array.*\[H, W, 3\]"):
        nstd.stylize(picture(32, 32), wrong, DRAFT)


@pytest.mark.parametrize(
    "wrong",
    [np.full((20, 20, 3), 200, np.uint8), np.full((20, 20, 3), 200.0), -np.ones((20, 20, 3))],
)
def test_arrays_in_another_range_are_refused(wrong: np.ndarray) -> None:
    """Bytes taken for shares would all be white; what a resampling overshoots is clipped."""
    with pytest.raises(ImageError, match=r"the content array must hold floats in \[0, 1\], not"):
        nstd.stylize(wrong, picture(32, 32), DRAFT)
    nearly = picture(32, 32) * 1.2 - 0.1
    assert np.array_equal(
        nstd.stylize(nearly, picture(32, 32), DRAFT).image,
        nstd.stylize(nearly.clip(0, 1), picture(32, 32), DRAFT).image,
    )


def test_a_style_at_least_is_needed() -> None:
    """No pictures to blend are told at once."""
    with pytest.raises(ParamsError, match=r"there is no style\. Pass one"):
        nstd.stylize(picture(32, 32), [], DRAFT)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20_000, 10)])
def test_files_of_extreme_shapes_are_refused_clearly(
    tmp_path: Path, width: int, height: int
) -> None:
    """As content or as style: which picture, what it is, and what is needed."""
    extreme = save_picture(tmp_path / "x.png", width, height)
    good = picture(64, 64)
    for pair, who in (((extreme, good), "the content image"), ((good, extreme), "the style image")):
        with pytest.raises(ImageTooSmallError, match=f"{who}: size: is .*needs 16 on the short"):
            nstd.stylize(*pair, nstd.StyleParams(preset="fast"))


REPEATED = """
import json
import sys
import nstd
from nstd import api

exact = api.engine(deterministic=True)
*pair, shallow = sys.argv[1:]
settings = {"size": 64, "init": "random", "seed": 7, "min_scale": 45, **json.loads(shallow)}
for optimizer, iterations in (("adam", 4), ("lbfgs", 3)):
    params = nstd.StyleParams(optimizer=optimizer, iterations=iterations, **settings)
    pictures = [nstd.stylize(*pair, params, using=exact).image for _ in range(2)]
    assert pictures[0].tobytes() == pictures[1].tobytes(), abs(pictures[0] - pictures[1]).max()
    assert pictures[0].std() > 0.05
"""


def test_the_same_request_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    """With either optimizer, in a process of its own: TensorFlow becomes deterministic for good."""
    pair = [save_picture(tmp_path / f"{seed}.png", 64, 56, seed=seed) for seed in (0, 1)]
    done = subprocess.run(
        [sys.executable, "-c", REPEATED, *map(str, pair), json.dumps(SHALLOW)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_unknown_names_are_attribute_errors() -> None:
    """The lazy package behaves like any other."""
    with pytest.raises(AttributeError, match="no attribute 'stylise'"):
        _ = nstd.stylise
