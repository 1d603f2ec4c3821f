"""What the benchmarks share: findings with their targets, tables, JSON files."""

from __future__ import annotations

import dataclasses
import json
import operator
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table

import nstd.engine  # before TensorFlow, which it sets up
from nstd import images, resampling
from nstd.domain import StyleImage, StyleRequest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from nstd.domain import Float32Image
    from nstd.params import StyleParams
    from nstd.recipes import Recipe

DEMO = Path(nstd.__file__).parent / "demo"
PAIR = (DEMO / "harbour.jpg", DEMO / "brushwork.jpg")
_BUSY = 0.3  # runnable threads for each core
_RELATIONS = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Finding:
    """A figure and what it should be.

    Attributes:
        what: is measured.
        value: None if it couldn't be.
        relation: to the target, `<=` or `>=`.
        target: what it should be.
        note: why there is no value, or what to know about it.
        missed: without a value, for what it measures never came about.
    """

    what: str
    value: float | None
    relation: str
    target: float
    note: str = ""
    missed: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if it couldn't be measured."""
        if self.missed:
            return False
        return None if self.value is None else _RELATIONS[self.relation](self.value, self.target)


def show_findings(findings: Iterable[Finding]) -> None:
    """Print figures beside their targets."""
    answers = {True: "yes", False: "NO", None: "-"}
    rows = [
        [
            finding.what,
            ("never" if finding.missed else "-")
            if finding.value is None
            else f"{finding.value:.3f}",
            f"{finding.relation} {finding.target:g}",
            answers[finding.met],
            finding.note,
        ]
        for finding in findings
    ]
    show_table(["figure", "value", "target", "met", ""], rows)


def show_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table."""
    table = Table(*header)
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)


def write_json(path: Path | None, facts: object) -> None:
    """Write facts to a file, if one is wanted; dataclasses become mappings."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=2, default=_plain) + "\n", encoding="utf-8")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add `--json FILE`."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")


def warn_if_busy() -> None:
    """Say so if others use the machine; PyTorch's threads wait actively and suffer most."""
    load = os.getloadavg()[0]
    if load > _BUSY * (os.cpu_count() or 1):
        print(f"Others use this machine (load {load:.1f}): trust ratios, not seconds, and repeat.")


def load_picture(path: Path, side: int | None = None) -> Float32Image:
    """A picture as float32 RGB [H, W, 3] in [0, 1], its long side brought to `side` if larger."""
    rgb = images.load(path, limits=images.ImageLimits()).rgb
    return rgb if side is None else reduced(rgb, side)


def reduced(rgb: Float32Image, side: int) -> Float32Image:
    """A picture whose long side is at most `side`."""
    height, width = rgb.shape[:2]
    if side >= max(height, width):
        return rgb
    width, height = resampling.fit(width, height, side)
    return resampling.resize(rgb, (height, width))


def request(content: Path, style: Path, side: int, params: StyleParams) -> StyleRequest:
    """A request for a result with this long side, or the content's if that is smaller."""
    return StyleRequest(
        load_picture(content, side), (StyleImage(load_picture(style)),), params, content.name
    )


def follow(recipe: Recipe, base: StyleParams) -> StyleParams:
    """Parameters that stand for exactly this recipe; presets can't say all that it can."""

    class Fixed(type(base)):  # type: ignore[misc]
        def recipe(self, long_side: int = 0) -> Recipe:  # noqa: ARG002 - the parent's signature
            return recipe

    fixed: StyleParams = Fixed(**base.model_dump())
    return fixed


def is_like(value: float, reference: float, tolerance: float = 1e-3) -> bool:
    """Whether two losses agree as well as float32 lets them."""
    return bool(np.isclose(value, reference, rtol=tolerance))


def _plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON knows
    if isinstance(value, Finding):
        return {**dataclasses.asdict(value), "met": value.met}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
