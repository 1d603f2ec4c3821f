"""Look at what the presets paint: every content with every style, on one labelled sheet.

python benchmarks/contact_sheet.py FOLDER --contents A.jpg B.jpg --styles C.jpg -o sheet.png
"""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import common

from nstd import api
from nstd.params import StyleParams
from nstd.sheet import Cell, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence


def row(content: Path, style: Path, side: int, presets: Sequence[str]) -> list[Cell]:
    """A pair and its paintings; prints what each took."""
    cells = [Cell(common.load_picture(path, side), path.name) for path in (content, style)]
    for preset in presets:
        wanted = common.request(content, style, side, StyleParams.parse({"preset": preset}))
        started = time.perf_counter()
        result = api.engine().transfer(wanted).result()
        taken = time.perf_counter() - started
        loss = f"loss {result.loss.total:.4f}" if result.loss else "no loss"
        facts = f"{loss}, {taken:.1f} s"
        print(
            f"{content.name} + {style.name}: {preset} {facts}, {result.kept}",
            result.loss or "",
            flush=True,
        )
        cells.append(Cell(result.image, preset, facts))
    return cells


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
    sheet(rows).save(options.output)
    print(options.output)


if __name__ == "__main__":
    main()
