"""What a transfer starts from, and the colours and scales that it looks at."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import picture
from transfers import request

from nstd.domain import StyleImage, StyleRequest
from nstd.errors import ParamsError
from nstd.params import StyleParams
from nstd.resampling import resize

if TYPE_CHECKING:
    from nstd.engine.engine import Engine


def test_a_texture_needs_no_content(engine: Engine) -> None:
    """The result has the shape asked for, and no content loss."""
    wanted = StyleRequest(
        None,
        (StyleImage(picture(40, 40, 1)),),
        StyleParams(preset="fast", iterations=25),
        texture_shape=(32, 48),
    )
    result = engine.transfer(wanted).result()
    assert result.image.shape == (32, 48, 3)
    assert {losses.content for losses in result.trace} == {0.0}
    assert result.loss is not None
    assert result.loss.style < 0.5 * result.trace[0].style


def test_a_draft_of_a_texture_is_painted(engine: Engine) -> None:
    """From noise, which it is no more: neighbours are alike, and the style's colour is there."""
    red = StyleImage((picture(64, 64, 1) * [1, 0.1, 0.1]).astype(np.float32))
    wanted = StyleRequest(None, (red,), StyleParams(preset="draft"), texture_shape=(64, 96))
    image = engine.transfer(wanted).result().image
    grey = image.mean(-1)
    alike = np.corrcoef(grey[:, :-1].ravel(), grey[:, 1:].ravel())[0, 1]
    assert alike > 0.7, "noise has 0"
    assert image[..., 0].mean() > 2 * image[..., 1:].mean()


def test_the_seed_determines_a_random_start(engine: Engine) -> None:
    """The same seed gives the same picture, another seed another."""
    pictures = [
        engine.transfer(request(preset="fast", init="random", iterations=2, seed=seed))
        .result()
        .image
        for seed in (1, 1, 2)
    ]
    assert np.allclose(pictures[0], pictures[1], atol=1e-5)
    assert not np.allclose(pictures[0], pictures[2], atol=0.05)


def test_noise_in_the_styles_colours_is_a_start(engine: Engine) -> None:
    """A red style's noise is red, and the seed determines it."""
    red = StyleImage((picture(40, 40, 1) * [1, 0.1, 0.1]).astype(np.float32))
    starts = []
    for seed in (1, 1, 2):
        params = StyleParams(preset="classic", init="style_stats", iterations=1, seed=seed)
        wanted = StyleRequest(picture(40, 40), (red,), params)
        starts.append(engine.transfer(wanted).result().image)
    assert np.array_equal(starts[0], starts[1])
    assert not np.allclose(starts[0], starts[2], atol=0.05)
    assert starts[0][..., 0].mean() > 3 * starts[0][..., 1:].mean()


def test_a_picture_is_a_start(engine: Engine) -> None:
    """It is stretched to the result's size; what it shows is there before the first update."""
    begin = picture(96, 20, 5)
    wanted = dataclasses.replace(request(preset="classic", iterations=1), start=begin)
    result = engine.transfer(wanted).result()
    assert result.recipe["init"] == "image"
    assert np.array_equal(result.image, np.clip(resize(begin, (40, 48)), 0, 1))


def test_a_picture_is_a_start_at_the_coarsest_scale(engine: Engine) -> None:
    """From there it is optimised as any start; the way shows in the result."""
    content = request(preset="quality", iterations=2, min_scale=34)
    other = dataclasses.replace(content, start=1 - picture(48, 40))
    results = [engine.transfer(wanted).result() for wanted in (content, other)]
    assert results[0].scales[0].first.total != results[1].scales[0].first.total
    assert not np.allclose(results[0].image, results[1].image, atol=0.05)


def test_a_texture_may_start_from_a_picture(engine: Engine) -> None:
    """Without one it starts from noise, for there is no content."""
    texture = StyleRequest(
        None,
        (StyleImage(picture(40, 40, 1)),),
        StyleParams(preset="classic", iterations=1),
        texture_shape=(32, 48),
    )
    begin = picture(48, 32, 4)
    for start, init in ((None, "random"), (begin, "image")):
        result = engine.transfer(dataclasses.replace(texture, start=start)).result()
        assert result.recipe["init"] == init
        assert np.array_equal(result.image, begin) == (start is not None)


def test_a_start_in_grey_for_brightness_alone(engine: Engine) -> None:
    """What keeps the content's colours optimises brightness; a red start has no red in it."""
    red = np.zeros((40, 48, 3), np.float32)
    red[..., 0] = 0.9
    wanted = request(preset="classic", iterations=1, preserve_color="luminance")
    transfer = engine.transfer(dataclasses.replace(wanted, start=red))
    next(iter(transfer))
    # One update away from the start, the channels still are nearly equal.
    assert transfer.image.std(axis=2).mean() < 0.05


def test_a_start_that_was_not_handed_over_is_named(engine: Engine) -> None:
    """A file's name alone is nothing that the engine could open."""
    with pytest.raises(ParamsError, match=r"init: sketch.png was not handed over"):
        engine.transfer(request(init="sketch.png"))


@pytest.mark.parametrize("preserve", ["luminance", "match", "histogram"])
def test_colours_are_preserved(engine: Engine, preserve: str) -> None:
    """A grey content in a red style stays nearer to grey than without."""
    grey = np.repeat(picture(48, 48)[..., :1], 3, axis=2)
    red = (picture(48, 48, 1) * [1, 0.1, 0.1]).astype(np.float32)
    kept, taken = (
        engine.transfer(
            StyleRequest(
                grey,
                (StyleImage(red),),
                StyleParams(preset="fast", iterations=20, preserve_color=mode),
            )
        ).result()
        for mode in (preserve, "none")
    )
    saturation = [
        float((image.max(2) - image.min(2)).mean()) for image in (kept.image, taken.image)
    ]
    assert saturation[0] < 0.4 * saturation[1]
