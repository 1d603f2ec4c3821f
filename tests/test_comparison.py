"""Grids of parameters."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import save_picture
from PIL import Image

from nstd import api, comparison
from nstd.cli import app
from nstd.comparison import Axis, axes, variants
from nstd.errors import ImageTooSmallError, ParamsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nstd.engine.engine import Engine


def test_values_are_read_as_yaml_reads_them() -> None:
    """Numbers, words, truth and mappings."""
    assert axes(["style_weight=.5, 1,2e1"]) == (Axis("style_weight", (0.5, 1, 20.0)),)
    assert axes(["preset=fast,quality", "upscale=true"])[1] == Axis("upscale", (True,))
    (layers,) = axes(["style_layers={block1_conv1: 1, block2_conv1: 2},{block3_conv1: 1}"])
    assert layers.values[0] == {"block1_conv1": 1, "block2_conv1": 2}
    assert len(layers.values) == 2


@pytest.mark.parametrize(
    ("grid", "clause"),
    [
        ([], "--grid is given 0 times"),
        (["a=1", "b=1", "c=1"], "--grid is given 3 times"),
        (["preset"], "--grid preset: has no values"),
        (["preset="], "has no values"),
        (["preset=]"], "--grid preset=]: "),
        (["size=64", "size=96"], "varies size twice"),
        (["strength=.5,1,.5"], "--grid strength=.5,1,.5: has a value twice"),
        (["format=png,jpeg"], "format changes no picture. Vary another"),
    ],
)
def test_grids_that_make_no_sense_are_refused(grid: list[str], clause: str) -> None:
    """Each message says which, and what to write."""
    with pytest.raises(UsageError, match=re.escape(clause)):
        axes(grid)


def test_every_combination_is_painted_once() -> None:
    """Row by row; what it has of its own wins over what all share."""
    found = axes(["strength=1,2", "preset=draft,fast,classic"])
    wanted = variants(found, {"size": 64, "preset": "quality"})
    assert [(one.params.strength, one.params.preset) for one in wanted] == [
        (strength, preset) for strength in (1, 2) for preset in ("draft", "fast", "classic")
    ]
    assert {one.params.size for one in wanted} == {64}
    assert wanted[1].label == "strength=1, preset=fast"


def test_a_sheet_is_bounded() -> None:
    """Twenty-four pictures, and not one more."""
    five = axes(["seed=1,2,3,4,5", "strength=1,2,3,4,5"])
    with pytest.raises(UsageError, match=r"asks for 25 pictures; a sheet holds 24\. Give"):
        variants(five, {})
    assert len(variants(axes(["seed=1,2,3,4", "strength=1,2,3,4,5,6"]), {})) == 24


def test_wrong_parameters_are_named() -> None:
    """As anywhere else."""
    with pytest.raises(ParamsError, match="did you mean 'strength'"):
        variants(axes(["strenght=1,2"]), {})


@pytest.mark.parametrize(("count", "columns"), [(2, 2), (6, 6), (7, 4), (13, 5), (24, 6)])
def test_a_single_axis_fills_rows_of_about_the_same_length(count: int, columns: int) -> None:
    """No row is longer than six."""
    assert comparison.columns([Axis("seed", tuple(range(count)))]) == columns


@pytest.fixture
def pair(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str]]:
    """Lend a pair of pictures, and the test session's engine to paint it."""
    monkeypatch.setattr(api, "engine", lambda: engine)
    before = signal.getsignal(signal.SIGTERM)
    content, style = save_picture(tmp_path / "c.png", 96, 64), save_picture(tmp_path / "s.jpg")
    yield str(content), str(style)
    signal.signal(signal.SIGTERM, before)


def compare(*arguments: str) -> None:
    """Run the command in this process."""
    app(["compare", *arguments], standalone_mode=False)


def test_a_table_of_two_parameters(
    pair: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The sheet holds every picture; the facts have loss and seconds of each."""
    out = tmp_path / "sheet.png"
    compare(
        *pair, "-o", str(out), "--size", "48", "--set", "iterations=2", "--json",
        "--grid", "preset=draft,fast", "--grid", "optimizer=adam,lbfgs",
    )  # fmt: skip
    facts = json.loads(capfd.readouterr().out)
    assert [one["settings"] for one in facts["pictures"]] == [
        {"preset": preset, "optimizer": optimizer}
        for preset in ("draft", "fast")
        for optimizer in ("adam", "lbfgs")
    ]
    assert [one["iterations"] for one in facts["pictures"]] == [0, 0, 2, 2]
    assert [one["loss"] is None for one in facts["pictures"]] == [True, True, False, False]
    assert facts["settings"] == {"size": 48, "iterations": 2}
    with Image.open(out) as image:
        assert image.size == (facts["output"]["width"], facts["output"]["height"])
        assert np.asarray(image).std() > 10
    assert {path.name for path in tmp_path.iterdir()} == {"c.png", "s.jpg", "sheet.png"}


def test_what_it_will_take_is_said_before(
    pair: tuple[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """On stderr; stdout has the sheet's path and nothing else."""
    out = tmp_path / "sheet.jpg"
    compare(*pair, "-o", str(out), "--size", "32", "--preset", "draft", "--grid", "alpha=0,1")
    told = capfd.readouterr()
    assert told.out == f"{out}\n"
    assert re.search(r"2 pictures, about \d+ s, \d+\.\d GiB", told.err)


def test_nothing_is_painted_if_one_combination_is_refused(
    pair: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last is too small; the first has not been begun, and no sheet appears."""
    monkeypatch.setattr(comparison, "Painted", None)
    with pytest.raises(ImageTooSmallError, match="needs 16"):
        compare(*pair, "-o", str(tmp_path / "o.png"), "--preset", "fast", "--grid", "size=48,16")
    assert {path.name for path in tmp_path.iterdir()} == {"c.png", "s.jpg"}


def test_an_output_of_no_format_is_refused(pair: tuple[str, str]) -> None:
    """Before anything is loaded."""
    with pytest.raises(UsageError, match="no picture format has this suffix"):
        compare(*pair, "-o", "o.gif", "--grid", "seed=1")
