"""A page about one job: pictures side by side, losses, parameters, timings.

It stands alone: no script, nothing from elsewhere, pictures within. It is made by the worker, from
what the worker has at hand; how it is published is the spool's affair.
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from PIL import Image

from nstd import curves, names
from nstd.params import StyleParams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nstd.domain import Float32Image, StyleResult

Role: TypeAlias = Literal["content", "style", "start", "result"]

_SIDE = 800
_QUALITY = 85
_TITLES: Final[Mapping[str, str]] = {
    "content": "Content",
    "style": "Style",
    "start": "Start",
    "result": "Result",
}
# The policy lets no script run and nothing be fetched, whatever got into a name.
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - nstd</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
_LEGEND: Final = '<svg viewBox="0 0 40 8" aria-hidden="true"><path class="{}" d="M2 4H38"/></svg>'
_STYLE_SHEET: Final = "report.css"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small JPEG and its size."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture of the page's; its own size may be larger than what was worked with."""

    role: Role
    name: str
    width: int
    height: int
    thumbnail: Thumbnail


def thumbnail(rgb: Float32Image) -> Thumbnail:
    """A picture reduced for the page; what is transparent shows its colours.

    Args:
        rgb: [H, W, 3] float32; values beyond [0, 1] are clipped.
    """
    image = Image.fromarray((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8))
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return Thumbnail(file.getvalue(), *image.size)


@dataclass(frozen=True, slots=True)
class Report:
    """One job's page.

    Attributes:
        name: the job's.
        shown: the pictures, in their order on the page.
        result: how it came about.
        facts: what the manifest says of the engine's work.
    """

    name: str
    shown: Sequence[Shown]
    result: StyleResult
    facts: Mapping[str, Any]

    def page(self) -> bytes:
        """The page, UTF-8."""
        title = _text(self.name)
        body = [
            f"<h1>{title}</h1>",
            f'<div class="pictures">{"".join(map(_figure, self.shown))}</div>',
            f"<section><h2>Losses</h2>{self._losses()}</section>",
            f'<div class="tables">{self._parameters()}{self._timings()}</div>',
            self._notes(),
            self._details(),
        ]
        parts = "\n".join(part for part in body if part)
        return _PAGE.format(title=title, style=_style_sheet(), body=parts).encode()

    def _losses(self) -> str:
        result, told = self.result, self.facts["losses"]
        if told is None:
            return "<p>A draft has no iterations, and so no losses.</p>"
        terms = curves.shown_terms(result.trace)
        if not terms:
            return "<p>No loss was above zero, so that there is nothing to draw.</p>"
        description = (
            f"Losses of {len(result.trace)} iterations on a logarithmic axis, by term: "
            f"{', '.join(terms)}. The table below has their values."
        )
        legend = "".join(f"<li>{_LEGEND.format(term)} {term}</li>" for term in terms)
        rows = [
            (term, *(_loss(told[moment][term]) for moment in ("initial", "best", "final")))
            for term in curves.TERMS
        ]
        head = ("weighted term", "first", "result", "last")
        caption = "Losses at the final scale"
        return (
            f'<ul class="legend">{legend}</ul>'
            f"{curves.svg(result.trace, result.scales, description)}{_table(caption, rows, head)}"
        )

    def _parameters(self) -> str:
        params = StyleParams.model_validate(self.facts["parameters"])
        given = {"preset": params.preset, **params.model_dump(mode="json", exclude_defaults=True)}
        rows = [(key, _plain(value)) for key, value in given.items() if key != "report"]
        return _table("Parameters", rows, note="All others have their defaults.")

    def _timings(self) -> str:
        facts = self.facts
        rows = [(stage, f"{value:.2f} s") for stage, value in facts["seconds"].items()]
        mean = facts["seconds_per_iteration"]
        if mean is not None:
            rows += [("iterations", str(facts["iterations"])), ("an iteration", f"{mean:.4f} s")]
        rows += [("device", facts["device"]), ("precision", facts["precision"])]
        rows += [(name, version) for name, version in facts["versions"].items()]
        return _table("Timings", rows)

    def _notes(self) -> str:
        notes = "".join(f"<li>{_text(note)}</li>" for note in self.facts["notes"])
        return f"<section><h2>Notes</h2><ul>{notes}</ul></section>" if notes else ""

    def _details(self) -> str:
        told = {key: self.facts[key] for key in ("recipe", "scales", "network", "estimate")}
        text = _text(json.dumps(told, indent=2), breaks=True)
        return f"<details><summary>Recipe, scales and network</summary><pre>{text}</pre></details>"


def _figure(shown: Shown) -> str:
    small, title = shown.thumbnail, _TITLES[shown.role]
    size = f"{shown.width} × {shown.height}"  # noqa: RUF001 - the sign for it
    data = base64.b64encode(small.jpeg).decode()
    name = _text(PurePath(shown.name).name)
    return (
        f'<figure class="{shown.role}"><img alt="{title}: {name}" width="{small.width}" '
        f'height="{small.height}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption><b>{title}</b> {name} <span>{size}</span></figcaption></figure>"
    )


def _table(
    caption: str,
    rows: Sequence[Sequence[str]],
    head: Sequence[str] = (),
    note: str = "",
) -> str:
    parts = [f"<table><caption>{caption}</caption>"]
    if head:
        cells = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    parts.append("<tbody>")
    for name, *values in rows:
        cells = "".join(f"<td>{_text(value)}</td>" for value in values)
        parts.append(f'<tr><th scope="row">{_text(name)}</th>{cells}</tr>')
    parts.append("</tbody></table>")
    after = f"<p>{note}</p>" if note else ""
    return f"<section>{''.join(parts)}{after}</section>"


def _loss(value: float | None) -> str:
    return "not a number" if value is None else f"{value:.4g}"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(part)}" for key, part in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(value: object, *, breaks: bool = False) -> str:
    """Text of the job's for the page: nothing in it can be markup, or hide."""
    lines = str(value).split("\n") if breaks else [str(value)]
    return "\n".join(escape(names.shown(line)) for line in lines)


def _style_sheet() -> str:
    return resources.files("nstd").joinpath(_STYLE_SHEET).read_text(encoding="utf-8")
