"""Transfers by regions: whole and by tiles."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import picture
from transfers import SHALLOW

from nstd.domain import Region, StyleImage, StyleRequest
from nstd.engine import losses
from nstd.engine.objective import Objective, Structure
from nstd.engine.plan import Plan
from nstd.engine.tiles import Grid, halo, radius
from nstd.errors import ImageTooSmallError
from nstd.params import StyleParams

if TYPE_CHECKING:
    from nstd.engine.engine import Engine

WHOLE = np.ones((1, 1), np.float32)
PRESETS = ["classic", "fast", "quality"]


def left(width: int, height: int, until: float = 0.5) -> np.ndarray:
    """Mask the left part, with an edge that is soft for a tenth of the width."""
    place = (np.arange(width, dtype=np.float32) + 0.5) / width
    edge = np.clip((until - place) / 0.1 + 0.5, 0, 1)
    return np.tile(edge, (height, 1)).astype(np.float32)


def asked(
    regions: tuple[Region, ...], width: int = 96, height: int = 80, styles: int = 2, **params: Any
) -> StyleRequest:
    """Ask for a small transfer by regions."""
    images = [StyleImage(picture(88 - 16 * n, 72, 1 + n)) for n in range(styles)]
    return StyleRequest(
        picture(width, height), tuple(images), StyleParams(**params), regions=regions
    )


def halves(width: int = 96, height: int = 80) -> tuple[Region, ...]:
    """Paint the left in the first style, the right in a part of the second."""
    mask = left(width, height)
    return (
        Region("left", mask, (WHOLE, None)),
        Region("right", 1 - mask, (None, left(72, 72, 0.7))),
    )


def evaluated(engine: Engine, wanted: StyleRequest, image: np.ndarray) -> tuple[Any, np.ndarray]:
    """Find the terms and the gradient at a picture, computed whole."""
    plan = Plan(engine, wanted)
    descent, targets = plan.descent(wanted.shape), plan.targets(wanted.shape)
    terms, gradient = descent.evaluate(
        tf.constant(image[None]), targets, plan.weights(wanted.shape)
    )
    return terms.numpy(), gradient.numpy()[0]


def test_weighted_sums_and_their_gradient_match_float64() -> None:
    """w^T F and F^T diag(w) F, and the product rule with them, in NumPy."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(1, 6, 7, 4)).astype(np.float32)
    weights = rng.random((1, 6, 7)).astype(np.float32)
    by_first, by_second = rng.normal(size=4), rng.normal(size=(4, 4))
    watched = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        sums = losses.channel_sums(watched, tf.constant(weights))
        value = tf.reduce_sum(sums.first * by_first.astype(np.float32)) + tf.reduce_sum(
            sums.second * by_second.astype(np.float32)
        )
    flat, column = features.reshape(-1, 4).astype(np.float64), weights.reshape(-1, 1)
    assert np.allclose(sums.first, (flat * column).sum(0), rtol=1e-5, atol=1e-5)
    assert np.allclose(sums.second, (flat * column).T @ flat, rtol=1e-5, atol=1e-5)
    assert float(sums.positions) == pytest.approx(weights.sum())
    expected = column * (by_first + flat @ (by_second + by_second.T))
    assert np.allclose(tape.gradient(value, watched), expected.reshape(features.shape), atol=1e-4)


@pytest.mark.parametrize("preset", [*PRESETS, "draft"])
def test_one_region_of_everything_is_no_region(engine: Engine, preset: str) -> None:
    """The same picture as without masks."""
    plain = asked((), styles=1, preset=preset, iterations=2, **SHALLOW)
    masked = dataclasses.replace(plain, regions=(Region("all", WHOLE, (WHOLE,)),))
    found = engine.transfer(masked).result().image
    assert np.allclose(found, engine.transfer(plain).result().image, atol=2e-3)


@pytest.mark.parametrize("preset", PRESETS)
def test_two_regions_of_one_style_are_found_where_they_are(engine: Engine, preset: str) -> None:
    """A picture that has each style in its place has no style loss; exchanged, it has."""
    first, second = picture(96, 96, 1), picture(96, 96, 2)
    mask = np.zeros((96, 192), np.float32)
    mask[:, :96] = 1
    # Half a picture away from the seam, so that nothing of the other is seen.
    inner = np.zeros((96, 192), np.float32)
    inner[:, :48] = 1
    regions = (
        Region("left", inner, (inner,)),
        Region("right", inner[:, ::-1].copy(), (inner[:, ::-1].copy(),)),
    )
    both = np.concatenate([first, second], 1)
    settings = {"min_scale": 192, "content_weight": 0.0, "tv_weight": 0.0, **SHALLOW}
    params = StyleParams(preset=preset, **settings)
    wanted = StyleRequest(both, (StyleImage(both),), params, regions=regions)
    rightly, _ = evaluated(engine, wanted, both)
    wrongly, _ = evaluated(engine, wanted, np.concatenate([second, first], 1))
    assert rightly[0] < 1e-3 * wrongly[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_style_pulls_only_within_its_regions(engine: Engine, preset: str) -> None:
    """Beyond what the deepest layer sees of them, the gradient of the style is zero."""
    width = 288
    mask = np.zeros((64, width), np.float32)
    mask[:, :64] = 1
    wanted = asked(
        (Region("left", mask, (WHOLE, WHOLE)),),
        width,
        64,
        preset=preset,
        content_weight=0,
        tv_weight=0,
    )
    _, gradient = evaluated(engine, wanted, 0.2 + 0.6 * picture(width, 64, 5))
    assert np.abs(gradient[:, :64]).max() > 0
    assert np.all(gradient[:, 64 + 96 + 16 :] == 0)


@pytest.mark.parametrize(
    ("preset", "tolerance"), [("classic", 1e-6), ("fast", 1e-6), ("quality", 1e-5)]
)
def test_by_tiles_the_gradient_is_the_same(engine: Engine, preset: str, tolerance: float) -> None:
    """Masks are cut as the image is, at sizes that are no multiples of anything."""
    width, height = 91, 155
    wanted = asked(halves(width, height), width, height, preset=preset, **SHALLOW)
    image = 0.1 + 0.8 * picture(width, height, 4)
    plan = Plan(engine, wanted)
    terms, gradient = evaluated(engine, wanted, image)
    grid = Grid(32, halo(radius(plan.structure.layers)))
    tiled = engine.network().tiled_descent(plan.structure, grid)
    targets = plan.targets(wanted.shape)._replace(content=[wanted.content[None]])
    found, by_tiles = tiled.value_and_gradient(image[None], targets, plan.weights(wanted.shape))
    assert np.allclose(found, terms[1:], rtol=1e-5)
    assert np.linalg.norm(by_tiles[0] - gradient) <= tolerance * np.linalg.norm(gradient)


def test_by_tiles_styles_and_drafts_are_the_same(engine: Engine) -> None:
    """What is measured of a style's regions, and what is drafted with it."""
    wanted = asked(halves(200, 160), 200, 160, preset="draft")
    whole = engine.transfer(wanted).result()
    # A limit below what the untiled draft takes, above what the tiles' smallest does.
    least = Plan(engine, wanted).estimate.memory / 2**30
    params = wanted.params.model_copy(update={"max_memory": least * 0.99})
    plan = Plan(engine, dataclasses.replace(wanted, params=params))
    assert plan.grid(wanted.shape) is not None
    by_tiles = engine.transfer(dataclasses.replace(wanted, params=params)).result()
    assert np.allclose(by_tiles.image, whole.image, atol=2e-3)
    masks = (np.stack([left(88, 72), 1 - left(88, 72)], -1)[None],)
    style = wanted.styles[0].rgb[None]
    structure = dataclasses.replace(
        Structure.of(StyleParams(preset="quality").recipe(), 2), padding="replicate"
    )
    objective = Objective(engine.network().extractor, structure)
    grid = Grid(32, halo(radius(structure.layers)))
    tiled = engine.network().tiled_descent(structure, grid)
    pairs = zip(
        tf.nest.flatten(tiled.style_statistics(style, masks)),
        tf.nest.flatten(objective.style_statistics(tf.constant(style), masks)),
        strict=True,
    )
    for found, expected in pairs:
        scale = float(tf.reduce_max(tf.abs(expected)))
        assert np.allclose(found, expected, atol=1e-5 * scale)


@pytest.mark.parametrize(
    ("preset", "init"),
    [
        ("draft", "adain"),
        *(("fast", init) for init in ("adain", "content", "random", "style_stats")),
    ],
)
def test_what_no_region_covers_stays_the_content(engine: Engine, preset: str, init: str) -> None:
    """To the last bit, whatever the start; what one covers doesn't."""
    mask = np.zeros((80, 96), np.float32)
    mask[:, :48] = 1
    wanted = asked((Region("left", mask, (WHOLE, WHOLE)),), preset=preset, iterations=2, init=init)
    found = engine.transfer(wanted).result().image
    assert np.array_equal(found[:, 48:], wanted.content[:, 48:])
    assert np.abs(found[:, :48] - wanted.content[:, :48]).mean() > 0.01


def test_each_region_starts_in_its_styles_colours(engine: Engine) -> None:
    """A warm start of halves has the mean colour of each half's style."""
    wanted = asked(halves(), preset="fast", iterations=1)
    red, blue = np.zeros((2, 64, 64, 3), np.float32)
    red[..., 0], blue[..., 2] = 0.8, 0.7
    noise = 0.1 * picture(64, 64, 3)
    styles = (StyleImage(red + noise), StyleImage(blue + noise))
    mask = left(96, 80)
    regions = (Region("l", mask, (WHOLE, None)), Region("r", 1 - mask, (None, WHOLE)))
    start = Plan(engine, dataclasses.replace(wanted, styles=styles, regions=regions)).start(
        (80, 96)
    )
    pixels = np.asarray(start)[0]
    on_the_left, on_the_right = pixels[:, :40].mean((0, 1)), pixels[:, 56:].mean((0, 1))
    assert on_the_left[0] > on_the_left[2] + 0.4
    assert on_the_right[2] > on_the_right[0] + 0.4


def test_a_texture_may_have_regions(engine: Engine) -> None:
    """They say where in it each style is; there is no content to be left."""
    wanted = asked(halves(), preset="fast", iterations=2, **SHALLOW)
    wanted = dataclasses.replace(wanted, content=None)
    wanted = dataclasses.replace(wanted, texture_shape=(80, 96))
    assert engine.transfer(wanted).result().image.shape == (80, 96, 3)


@pytest.mark.parametrize("where", ["content", "style"])
def test_a_region_of_which_nothing_is_left_is_named(engine: Engine, where: str) -> None:
    """With its picture, and what to do."""
    speck = np.zeros((80, 96), np.float32)
    speck[79, 95] = 1
    region = Region(
        "speck", *((speck, (WHOLE, WHOLE)) if where == "content" else (WHOLE, (speck, WHOLE)))
    )
    with pytest.raises(ImageTooSmallError, match="region 'speck' is so small") as caught:
        engine.transfer(asked((region,), preset="classic"))
    assert caught.value.key == f"{where}_mask"
    assert caught.value.file


def test_styles_are_cached_by_their_masks(engine: Engine) -> None:
    """The same style with other regions is another target."""
    regions = halves()
    other = tuple(dataclasses.replace(r, styles=r.styles[::-1]) for r in regions)
    first = Plan(engine, asked(regions, preset="classic")).targets((80, 96))
    second = Plan(engine, asked(other, preset="classic")).targets((80, 96))
    again = Plan(engine, asked(regions, preset="classic")).targets((80, 96))
    assert not np.allclose(first.style[0][0], second.style[0][0], rtol=1e-3)
    assert np.array_equal(first.style[0][0], again.style[0][0])
