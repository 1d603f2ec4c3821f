"""The Python API."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import picture, save_picture

import nstd
from nstd import api
from nstd.errors import ImageError, ImageTooSmallError

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.engine.engine import Engine

DRAFT = nstd.StyleParams(preset="draft")


@pytest.fixture(autouse=True)
def _shared_engine(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the test session's engine instead of building another."""
    monkeypatch.setattr(api, "engine", lambda: engine)


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
    "wrong", [np.zeros((4, 4)), np.zeros((4, 4, 4)), np.full((20, 20, 3), np.nan)]
)
def test_arrays_that_are_no_pictures_are_refused(wrong: np.ndarray) -> None:
    """The message says which one and what is expected."""
    with pytest.raises(ImageError, match=r"the style array.*\[H, W, 3\]"):
        nstd.stylize(picture(32, 32), wrong, DRAFT)


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
import sys
import nstd
from nstd import api

exact = api.engine(deterministic=True)
settings = {"size": 64, "init": "random", "seed": 7, "min_scale": 32}
for optimizer, iterations in (("adam", 4), ("lbfgs", 3)):
    params = nstd.StyleParams(optimizer=optimizer, iterations=iterations, **settings)
    pictures = [nstd.stylize(*sys.argv[1:], params, using=exact).image for _ in range(2)]
    assert pictures[0].tobytes() == pictures[1].tobytes(), abs(pictures[0] - pictures[1]).max()
    assert pictures[0].std() > 0.05
"""


def test_the_same_request_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    """With either optimizer, in a process of its own: TensorFlow becomes deterministic for good."""
    pair = [save_picture(tmp_path / f"{seed}.png", 64, 56, seed=seed) for seed in (0, 1)]
    done = subprocess.run(
        [sys.executable, "-c", REPEATED, *map(str, pair)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_unknown_names_are_attribute_errors() -> None:
    """The lazy package behaves like any other."""
    with pytest.raises(AttributeError, match="no attribute 'stylise'"):
        _ = nstd.stylise
