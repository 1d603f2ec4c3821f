"""Parameters and presets."""

from __future__ import annotations

from typing import Any

import pytest

from nstd.errors import ParamsError
from nstd.params import StyleParams
from nstd.recipes import PRESETS


def test_the_defaults_are_the_preset() -> None:
    """Without changes, each preset's recipe is used as it is."""
    for preset, recipe in PRESETS.items():
        assert StyleParams(preset=preset).recipe() == recipe


def test_style_layer_weights_sum_to_one() -> None:
    """The style loss is a weighted mean over layers, so layers may be added without rescaling."""
    for recipe in PRESETS.values():
        assert sum(weight for _, weight in recipe.style_layers) == pytest.approx(1)


def test_weights_multiply_the_presets_own() -> None:
    """A weight of 2 means twice the preset's."""
    recipe = StyleParams(preset="classic", content_weight=2, style_weight=0.5).recipe()
    assert recipe.content_weight == 2 * PRESETS["classic"].content_weight
    assert recipe.style_weight == PRESETS["classic"].style_weight / 2


def test_a_draft_never_iterates() -> None:
    """Iterations, from a configuration's defaults say, don't make a draft another preset."""
    assert StyleParams(preset="draft", iterations=50).recipe().stages(512) == ()


@pytest.mark.parametrize(
    ("size", "upscale", "content", "expected"),
    [
        (None, False, 800, 800),
        (None, False, 4000, 1024),
        (512, False, 4000, 512),
        (2000, False, 800, 800),
        (2000, True, 800, 2000),
        (None, True, 800, 800),
    ],
)
def test_long_side(size: int | None, *, upscale: bool, content: int, expected: int) -> None:
    """The content's up to 1024 by default; never above it unless asked."""
    assert StyleParams(size=size, upscale=upscale).long_side(content) == expected


@pytest.mark.parametrize(
    ("values", "key", "clause"),
    [
        ({"colour": 1}, "colour", "unknown key"),
        ({"itterations": 9}, "itterations", "unknown key, did you mean 'iterations'?"),
        ({"iterations": 0}, "iterations", "greater than or equal to 1, not 0"),
        ({"iterations": "20"}, "iterations", "valid integer, not '20'"),
        ({"style_weight": -1}, "style_weight", "greater than or equal to 0, not -1"),
        ({"style_weight": float("nan")}, "style_weight", "finite number, not nan"),
        ({"learning_rate": float("inf")}, "learning_rate", "finite number, not inf"),
        ({"preset": "fastest"}, "preset", "'quality' or 'classic', not 'fastest'"),
        ({"init": "sketch"}, "init", "or an image file that ends in .jpg"),
        ({"init": 3}, "init", "one of adain, content, random, style_stats, or an image file"),
        ({"style_layers": {"block9_conv1": 1}}, "style_layers", "unknown layer 'block9_conv1'"),
        ({"style_layers": {"block3_conv1": -1}}, "style_layers.block3_conv1", "equal to 0, not -1"),
        ({"content_layers": {"block3_conv1": float("nan")}}, "content_layers.block3_conv1", "nan"),
        ({"content_layers": {"block4_conv2": 0}}, "content_layers", "one weight at least"),
        ({"style_layers": {}}, "style_layers", "at least 1"),
        ({"content_weight": float("inf")}, "content_weight", "finite number, not inf"),
        ({"time_limit": 0}, "time_limit", "greater than 0, not 0"),
        ({"size": True}, "size", "whole number of pixels, or `original`, not True"),
        ({"depth": 16, "format": "jpeg"}, "depth", "8, as the format has no more; png and tiff"),
        ({"format": "webp", "depth": 16}, "depth", "should be 8"),
    ],
)
def test_wrong_values_are_named(values: dict[str, Any], key: str, clause: str) -> None:
    """Each message has the key, what is wrong, and what stood there."""
    with pytest.raises(ParamsError) as caught:
        StyleParams.parse(values, file="a.yaml")
    assert caught.value.key == key
    assert clause in str(caught.value)
    assert str(caught.value).startswith("a.yaml: ")


@pytest.mark.parametrize("init", ["adain", "content", "random", "style_stats"])
def test_kinds_of_starts_are_no_files(init: str) -> None:
    """Each is the recipe's start as it stands."""
    params = StyleParams(init=init)
    assert params.init_file is None
    assert params.recipe().init == init


def test_a_start_may_be_a_file() -> None:
    """Its name is kept for whoever can open it; a draft has no start but itself."""
    assert StyleParams(init="sketch.PNG").init_file == "sketch.PNG"
    assert StyleParams(init="sketch.png").recipe().init == "image"
    assert StyleParams(init="sketch.png", preset="draft").recipe().init == "adain"


def test_all_problems_are_reported_at_once() -> None:
    """Nobody has to correct a file one error at a time."""
    with pytest.raises(ParamsError) as caught:
        StyleParams.parse({"size": 1, "quality": 101, "sise": 2})
    assert all(key in str(caught.value) for key in ("size:", "quality:", "sise:"))
