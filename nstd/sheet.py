"""A contact sheet: pictures side by side, with words under each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nstd.domain import Float32Image

Font: TypeAlias = "ImageFont.FreeTypeFont | ImageFont.ImageFont"

_PAPER, _INK, _FAINT = "white", "black", "#555555"
_NARROWEST = 180  # of a column, so that words fit under the smallest pictures
_LETTERING = 17  # a column's width in font sizes
_LINE, _LEAD, _GAP = 1.3, 0.2, 0.6  # height of a line, space above it and around; in font sizes


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture, float32 RGB [H, W, 3] in [0, 1], its title, and fainter words below that."""

    rgb: Float32Image
    title: str
    facts: str = ""


def sheet(rows: Sequence[Sequence[Cell]], *, heading: str = "", foot: str = "") -> Image.Image:
    """Lay cells out in columns as wide as the widest picture.

    Args:
        rows: of cells, from top to bottom; not all need be equally long.
        heading: above them, over the whole width.
        foot: below them, likewise.

    Returns:
        An RGB image.
    """
    column = max(_NARROWEST, *(cell.rgb.shape[1] for row in rows for cell in row))
    size = column / _LETTERING
    font, gap, line = ImageFont.load_default(size), round(_GAP * size), round(_LINE * size)
    columns = max(map(len, rows))
    width = columns * (column + gap) + gap
    strips = [_text(heading, _INK, width - 2 * gap, font, line)] if heading else []
    for row in rows:
        cells = [_cell(cell, column, font, line) for cell in row]
        strip = Image.new("RGB", (width - 2 * gap, max(cell.height for cell in cells)), _PAPER)
        for index, cell in enumerate(cells):
            strip.paste(cell, (index * (column + gap), 0))
        strips.append(strip)
    if foot:
        strips.append(_text(foot, _FAINT, width - 2 * gap, font, line))
    return _stack(strips, gap, margin=gap)


def _cell(cell: Cell, width: int, font: Font, line: int) -> Image.Image:
    pixels = np.rint(np.clip(cell.rgb, 0, 1) * 255).astype(np.uint8)
    parts = [Image.fromarray(pixels), _text(cell.title, _INK, width, font, line)]
    if cell.facts:
        parts.append(_text(cell.facts, _FAINT, width, font, line))
    return _stack(parts, gap=round(_LEAD / _LINE * line))


def _stack(parts: Sequence[Image.Image], gap: int, margin: int = 0) -> Image.Image:
    """One below the other."""
    height = sum(part.height + gap for part in parts) - gap
    width = max(part.width for part in parts)
    image = Image.new("RGB", (width + 2 * margin, height + 2 * margin), _PAPER)
    top = margin
    for part in parts:
        image.paste(part, (margin, top))
        top += part.height + gap
    return image


def _text(words: str, color: str, width: int, font: Font, line: int) -> Image.Image:
    """Words broken into lines that fit a width."""
    lines = _lines(words, width, font)
    image = Image.new("RGB", (width, line * len(lines)), _PAPER)
    draw = ImageDraw.Draw(image)
    for index, text in enumerate(lines):
        draw.text((0, index * line), text, color, font)
    return image


def _lines(words: str, width: int, font: Font) -> list[str]:
    """Broken at spaces only: a word that is wider than the width is cut off in the drawing."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
