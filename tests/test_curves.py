"""Losses as a drawing."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest

from nstd import curves
from nstd.domain import Losses, ScaleSummary


def falling(count: int, variation: float = 0.0) -> list[Losses]:
    """Make losses that fall by a factor of ten every hundred iterations."""
    powers = [10.0 ** (-number / 100) for number in range(count)]
    return [Losses(2 * p, p, p, variation) for p in powers]


def scale(side: int, iterations: int) -> ScaleSummary:
    """Make up a scale."""
    return ScaleSummary(side, side // 2, iterations, Losses(1, 1, 0, 0), 0.1)


def draw(trace: list[Losses], *scales: ScaleSummary) -> ET.Element:
    """Draw, and read the drawing as what it is."""
    return ET.fromstring(curves.svg(trace, scales or [scale(64, len(trace))], "what it shows"))  # noqa: S314 - our own


def points(drawing: ET.Element, term: str) -> list[tuple[float, float]]:
    """Read the points of a curve."""
    (path,) = (one for one in drawing.findall("path") if one.get("class") == term)
    found = re.findall(r"[ML]([\d.]+) ([\d.]+)", path.attrib["d"])
    return [(float(x), float(y)) for x, y in found]


def texts(drawing: ET.Element) -> list[str]:
    """Read the labels."""
    return [one.text or "" for one in drawing.findall("text")]


def test_a_loss_that_falls_by_a_constant_factor_is_a_straight_line() -> None:
    """The axis is logarithmic: equal factors are equal distances."""
    found = points(draw(falling(301)), "content")
    assert len(found) == 301
    slopes = [
        (y2 - y1) / (x2 - x1)
        for (x1, y1), (x2, y2) in zip(found[::50], found[50::50], strict=False)
    ]
    assert slopes == pytest.approx([slopes[0]] * 6, rel=0.02)
    assert slopes[0] > 0, "down the page"


def test_a_term_that_is_zero_has_no_curve() -> None:
    """Its logarithm is no number; nor has what isn't a number a place."""
    trace = falling(3)
    assert curves.shown_terms(trace) == ("total", "content", "style")
    assert not [one for one in draw(trace).findall("path") if one.get("class") == "variation"]
    assert curves.shown_terms([Losses(math.nan, math.inf, 0.0, -1.0)]) == ()


def test_a_curve_has_gaps_where_there_is_no_number() -> None:
    """It goes on behind them, and a point that stands alone is a dot."""
    trace = [Losses(value, 0, 0, 0) for value in (1.0, 2.0, math.nan, 3.0, math.inf, 4.0, 5.0)]
    (path,) = (one for one in draw(trace).findall("path") if one.get("class") == "total")
    commands = re.sub(r"[\d. ]+", "", path.attrib["d"].replace("h0", "o"))
    assert commands == "MLMoML"


def test_one_iteration_is_a_dot() -> None:
    """There is nothing to divide by."""
    (path,) = (one for one in draw(falling(1)).findall("path") if one.get("class") == "total")
    assert re.fullmatch(r"M[\d.]+ [\d.]+h0", path.attrib["d"])


def test_long_runs_are_thinned_to_their_end() -> None:
    """The drawing stays small; first and last iterate are in it."""
    found = points(draw(falling(100_000 // 50)), "total")
    assert len(found) <= 601
    assert found[-1][0] == pytest.approx(points(draw(falling(10)), "total")[-1][0])


def test_everything_lies_within_the_drawing() -> None:
    """Whatever the range."""
    for trace in (falling(2), falling(900), [Losses(1e-30, 1e30, 1, 1)] * 3):
        for term in curves.shown_terms(trace):
            for x, y in points(draw(trace), term):
                assert 0 <= x <= curves.WIDTH
                assert 0 <= y <= curves.HEIGHT


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1.2, 0.1, [0.1, 0.2, 0.5, 1.0]),
        (-2.1, 3.1, [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]),
        (-9.5, 9.5, [1e-8, 1e-4, 1.0, 1e4, 1e8]),
        (0.11, 0.13, [1.32]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    """Decades, or 1, 2 and 5 of few of them; the middle of a narrow range."""
    assert curves.ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.02, "0.02"), (500.0, "500"), (1e6, "10⁶"), (2.5e-7, "2.5·10⁻⁷")]
)
def test_numbers_are_for_people(value: float, shown: str) -> None:
    """Plain while they are short."""
    assert curves.number(value) == shown


def test_scales_are_marked_where_they_begin() -> None:
    """With their long side, as far as there is room for the words."""
    drawing = draw(falling(100), scale(128, 40), scale(181, 40), scale(256, 20))
    marks = [one for one in drawing.findall("path") if one.get("class") == "scale"]
    assert len(marks) == 2
    assert [text for text in texts(drawing) if text.endswith("px")] == [
        "128 px",
        "181 px",
        "256 px",
    ]
    crowded = draw(falling(100), *[scale(100 + index, 2) for index in range(50)])
    assert len([text for text in texts(crowded) if text.endswith("px")]) < 8


def test_iterations_are_labelled_from_the_first_on() -> None:
    """And no label names one that there wasn't."""
    for count in (1, 2, 7, 30, 2000):
        below = [
            one.text
            for one in draw(falling(count)).findall("text")
            if one.get("text-anchor") == "middle"
        ]
        labels = [int(text) for text in below if text != "iteration"]
        assert labels[0] == 1
        assert labels == sorted(set(labels))
        assert labels[-1] <= count
        assert len(labels) <= 6


def test_who_does_not_see_it_is_told() -> None:
    """The drawing is one image, with words."""
    drawing = draw(falling(3))
    assert drawing.get("role") == "img"
    assert drawing.get("aria-label") == "what it shows"
