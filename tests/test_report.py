"""A job's page: complete in itself, for every eye, and safe whatever the names."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from conftest import picture
from daemon_process import DaemonProcess, drop
from PIL import Image

from nstd.domain import Losses, ScaleSummary, StyleResult
from nstd.report import Report, Shown, thumbnail

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "img", "path", "br"}
FACTS: dict[str, Any] = {
    "parameters": {"preset": "fast", "size": 640, "report": True},
    "recipe": {"init": "adain"},
    "scales": [],
    "network": {"id": "vgg19", "sha256": "0" * 64},
    "estimate": {"seconds": 3.0},
    "device": "cpu",
    "precision": "float32",
    "versions": {"nstd": "1", "tensorflow": "2"},
    "iterations": 3,
    "losses": {
        "initial": {"total": 3.0, "content": 1.0, "style": 2.0, "variation": 0.0},
        "best": {"total": 1.5, "content": 0.5, "style": 1.0, "variation": 0.0},
        "final": {"total": None, "content": 0.5, "style": 1.0, "variation": 0.0},
    },
    "seconds": {"load": 0.5, "optimise": 12.25},
    "seconds_per_iteration": 4.0833,
    "notes": [],
}
TRACE = tuple(Losses(3.0 / n, 1.0 / n, 2.0 / n, 0.0) for n in (1, 2, 3))


class Page(HTMLParser):
    """A page taken apart: its elements in order, and its words."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(data.decode())
        assert self._open == [], "something isn't closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note words."""
        self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """List the attributes of every element of a kind."""
        return [attributes for found, attributes in self.elements if found == tag]


def result(trace: tuple[Losses, ...] = TRACE) -> StyleResult:
    """Make up how a picture came about."""
    return StyleResult(
        image=picture(64, 48),
        kept="best",
        loss=trace[-1] if trace else None,
        best_iteration=2 if trace else None,
        trace=trace,
        scales=(ScaleSummary(64, 48, len(trace), Losses(1, 1, 0, 0), 1.0),),
        estimate={},
        recipe={},
        seconds={},
        device="cpu",
        precision="float32",
        traces=0,
    )


def shown(role: str, name: str) -> Shown:
    """Make up a picture of the page's."""
    return Shown(role, name, 4000, 3000, thumbnail(picture(64, 48)))  # type: ignore[arg-type]


def report(name: str = "sea/harbour", **facts: object) -> Report:
    """Make up a job's report."""
    pictures = (shown("content", "/home/me/harbour.jpg"), shown("style", "oil.jpg"))
    told = {**FACTS, **facts}
    trace = TRACE if told["losses"] else ()
    return Report(name, (*pictures, shown("result", name)), result(trace), told)


def test_pictures_lie_within_the_page_and_have_words() -> None:
    """Content, style and result, each with what it is; no folder of anybody's."""
    page = Page(report().page())
    pictures = page.all("img")
    assert [one["alt"] for one in pictures] == [
        "Content: harbour.jpg",
        "Style: oil.jpg",
        "Result: harbour",
    ]
    for one in pictures:
        kind, data = (one["src"] or "").split(",")
        assert kind == "data:image/jpeg;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert image.size == (int(one["width"] or 0), int(one["height"] or 0)) == (64, 48)
    assert "4000 × 3000" in page.words  # noqa: RUF001 - the sign for it
    assert b"/home/me" not in report().page()


def test_nothing_is_fetched_and_nothing_runs() -> None:
    """One file, for ever: no script, no address but of the pictures within."""
    page = Page(report().page())
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert not {"href", "srcset", "action", "data"} & attributes.keys()
    (policy,) = (one for one in page.all("meta") if "http-equiv" in one)
    assert (policy["content"] or "").startswith("default-src 'none'; img-src data:;")
    assert b"url(" not in report().page()


@pytest.mark.parametrize(
    "name", ['<script>alert("x")</script>', "\"><img src=x onerror='x'>", "caf\udce9\u202e\n{x}"]
)
def test_names_can_be_anything(name: str) -> None:
    """They are words, never markup; what doesn't print is escaped."""
    data = dataclasses.replace(report(name), shown=(shown("style", name),)).page()
    page = Page(data)
    assert not page.all("script")
    assert len(page.all("img")) == 1
    assert not [attributes for _, attributes in page.elements if "onerror" in attributes]
    assert "\u202e" not in data.decode()


def test_losses_are_a_drawing_and_a_table() -> None:
    """The table says what the drawing shows; what isn't a number is said to be none."""
    page = Page(report().page())
    (drawing,) = (one for one in page.all("svg") if one.get("role") == "img")
    assert "3 iterations" in (drawing["aria-label"] or "")
    legend = [one for one in page.all("svg") if one.get("aria-hidden") == "true"]
    assert len(legend) == 3, "a term that is always zero has no curve"
    assert {"1.5", "not a number", "variation"} <= set(page.words)
    for cell in page.all("th"):
        assert cell["scope"] in {"row", "col"}


def test_a_draft_says_that_it_has_no_losses() -> None:
    """No empty axes."""
    page = Page(report(losses=None, seconds_per_iteration=None, iterations=0).page())
    assert not page.all("svg")
    assert any("draft has no iterations" in words for words in page.words)


def test_parameters_and_timings_are_told() -> None:
    """What was asked for, what it took, and notes if there are any."""
    page = Page(report(notes=["harbour.jpg: is a CMYK picture"]).page())
    assert {"fast", "640", "12.25 s", "4.0833 s", "float32"} <= set(page.words)
    assert "harbour.jpg: is a CMYK picture" in page.words
    assert "Notes" not in Page(report().page()).words


def test_large_pictures_are_reduced() -> None:
    """The page stays small enough to be sent around."""
    small = thumbnail(picture(3000, 1000))
    assert (small.width, small.height) == (800, 267)
    assert len(small.jpeg) < 400_000


def test_a_job_that_asks_has_its_report_beside_its_result(tmp_path: Path) -> None:
    """The manifest names it; a job that doesn't ask has none."""
    drop(tmp_path / "inbox" / "sea", "a", "preset: fast\niterations: 3\nreport: true\n")
    drop(tmp_path / "inbox", "b", "preset: fast\niterations: 3\n", seed=4)
    daemon = DaemonProcess(tmp_path, "once", copying=True)
    assert daemon.ended() == 0
    outbox = tmp_path / "outbox"
    assert {path.name for path in (outbox / "sea").iterdir()} == {
        "a.png",
        "a.json",
        "a.report.html",
    }
    assert json.loads((outbox / "sea" / "a.json").read_text())["report"] == "a.report.html"
    assert json.loads((outbox / "b.json").read_text())["report"] is None
    assert not (outbox / "b.report.html").exists()
    page = Page((outbox / "sea" / "a.report.html").read_bytes())
    assert [one["alt"] for one in page.all("img")] == [
        "Content: a.jpg",
        "Style: a.style.png",
        "Result: a",
    ]
