"""Look at what the presets paint: every content with every style, on one labelled sheet.

python benchmarks/contact_sheet.py FOLDER --contents A.jpg B.jpg --styles C.jpg -o sheet.png
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import common
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nstd import api
from nstd.params import StyleParams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nstd.domain import Float32Image

_MARGIN = 6
_LABEL = 16


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture and the words below it."""

    rgb: Float32Image
    label: str


def row(content: Path, style: Path, side: int, presets: Sequence[str]) -> list[Cell]:
    """A pair and its paintings; prints what each took."""
    cells = [Cell(common.load_picture(path, side), path.name) for path in (content, style)]
    for preset in presets:
        wanted = common.request(content, style, side, StyleParams.parse({"preset": preset}))
        started = time.perf_counter()
        result = api.engine().transfer(wanted).result()
        taken = time.perf_counter() - started
        loss = f"loss {result.loss.total:.4f}" if result.loss else "no loss"
        facts = f"{preset} {taken:.1f} s, {loss}"
        print(
            f"{content.name} + {style.name}: {facts}, {result.kept}", result.loss or "", flush=True
        )
        cells.append(Cell(result.image, facts))
    return cells


def sheet(rows: Sequence[Sequence[Cell]], side: int) -> Image.Image:
    """Lay cells out in columns as wide as the longest picture."""
    columns = max(map(len, rows))
    heights = [max(cell.rgb.shape[0] for cell in cells) + _LABEL + _MARGIN for cells in rows]
    size = (columns * (side + _MARGIN) + _MARGIN, sum(heights) + _MARGIN)
    image = Image.new("RGB", size, "white")
    draw, font, top = ImageDraw.Draw(image), ImageFont.load_default(), _MARGIN
    for cells, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(cells):
            left = _MARGIN + column * (side + _MARGIN)
            pixels = np.rint(np.clip(cell.rgb, 0, 1) * 255).astype(np.uint8)
            image.paste(Image.fromarray(pixels), (left, top))
            draw.text((left, top + cell.rgb.shape[0] + 2), cell.label, "black", font)
        top += height
    return image


def main() -> None:
    """Paint everything, then write the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds the pictures")
    parser.add_argument("--contents", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--styles", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--size", type=int, default=256, help="long side in pixels")
    parser.add_argument("--presets", nargs="+", default=["fast", "quality"])
    parser.add_argument("--output", "-o", type=Path, default=Path("sheet.png"))
    options = parser.parse_args()
    pairs = itertools.product(options.contents, options.styles)
    rows = [
        row(options.folder / content, options.folder / style, options.size, options.presets)
        for content, style in pairs
    ]
    sheet(rows, options.size).save(options.output)
    print(options.output)


if __name__ == "__main__":
    main()
