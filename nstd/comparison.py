"""`nstd compare`: a small grid of parameters on one pair, on a sheet to choose from by eye."""

from __future__ import annotations

import itertools
import json
import math
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nstd import api, encoding, images, names, progress, resampling, strict_yaml
from nstd.engine.estimate import Estimate
from nstd.errors import UsageError
from nstd.params import StyleParams
from nstd.sheet import Cell, sheet
from nstd.single import format_of, refuse_input
from nstd.spool.files import fsync, writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nstd.domain import Float32Image, StyleResult

MOST_CELLS = 24
MOST_AXES = 2
DEFAULT_SIZE = 256
_MOST_COLUMNS = 6
# What a file is to be like, how it is computed, and what is to lie beside it.
_UNSEEN = frozenset(
    {"format", "quality", "depth", "keep_metadata", "max_memory", "snapshots", "report"}
)
_FOOT = (
    "Losses compare where preset, layers and weights are the same; elsewhere they measure "
    "different things."
)


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter and the values that it takes, at least one."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """One picture to paint: what it has of its own, and all its parameters."""

    settings: Mapping[str, Any]
    params: StyleParams

    @property
    def label(self) -> str:
        """Its own settings, as `--set` takes them."""
        return _written(self.settings)


@dataclass(frozen=True, slots=True)
class Painted:
    """A variant's result and the seconds it took, from pictures in memory to one in memory."""

    variant: Variant
    result: StyleResult
    seconds: float

    @property
    def cell(self) -> Cell:
        """It on the sheet."""
        loss = self.result.loss
        told = f"loss {loss.total:.4g}" if loss else "no loss"
        # Graphs are traced for the first picture of a kind only: not what the settings cost.
        preparing = ", set-up included" if self.result.traces else ""
        facts = f"{told}, {self.seconds:.1f} s{preparing}"
        return Cell(self.result.image, self.variant.label, facts)

    def plain(self) -> dict[str, Any]:
        """Facts as JSON knows values."""
        result = self.result
        return {
            "settings": dict(self.variant.settings),
            "loss": asdict(result.loss) if result.loss else None,
            "seconds": round(self.seconds, 2),
            "iterations": len(result.trace),
            "traces": result.traces,
            "kept": result.kept,
            "notes": list(result.notes),
        }


def compare(
    content: Path, style: Path, output: Path, values: Mapping[str, Any], grid: Sequence[str]
) -> dict[str, Any]:
    """Paint every combination of a grid; the sheet appears complete, or not at all.

    Says on stderr what that will take before it begins.

    Args:
        content: the content image.
        style: the style image.
        output: the sheet, replaced if it exists; its suffix gives the format.
        values: parameters that all pictures share; `size` is 256 if nothing says otherwise.
        grid: see `axes`.

    Returns:
        What was done, as plain JSON values.

    Raises:
        UsageError: the grid can't be understood, has too many pictures or such as can't differ; or
            the output's suffix is of no format that nstd writes, or it is one of the images.
        ParamsError: a combination is wrong.
        NstdError: see `nstd.api.start`; nothing is painted if one combination is refused.
    """
    form = format_of(output)
    refuse_input(output, (content, style))
    found = axes(grid)
    for axis in found:
        if axis.key in values:
            raise UsageError(
                f"{axis.key} is given twice: as --grid and by itself",
                remedy="leave one of them out",
            )
    shared = {"size": DEFAULT_SIZE, **values}
    wanted = variants(found, shared)
    pictures = _load(content), _load(style)
    with (
        writing(output),
        tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as work,
        progress.IterationBar() as bar,
    ):
        estimate, painted = _paint(pictures, wanted, bar)
        bar.say("writing the sheet")
        heading = f"{content.name} in the manner of {style.name}: {_written(shared)}"
        cells = [
            Cell(rgb, names.shown(path.name))
            for rgb, path in zip(pictures, (content, style), strict=True)
        ]
        page = lay_out(found, cells, painted, names.shown(heading))
        file = Path(work) / output.name
        encoding.encode(page, file, format=form)
        fsync(file)
        file.replace(output)
        fsync(output.parent)
    return {
        "output": {"path": str(output), "width": page.shape[1], "height": page.shape[0]},
        "content": str(content),
        "style": str(style),
        "settings": shared,
        "estimate": {key: round(value, 1) for key, value in asdict(estimate).items()},
        "pictures": [one.plain() for one in painted],
    }


def axes(grid: Sequence[str]) -> tuple[Axis, ...]:
    """Read `KEY=VALUE,VALUE...`, whose values are read as the entries of a YAML list.

    Raises:
        UsageError: there are none or more than two, one has no `=` or no value or one of them
            twice, two have the same key, or one doesn't change pictures.
    """
    if not 1 <= len(grid) <= MOST_AXES:
        raise UsageError(
            f"--grid is given {len(grid)} times", remedy="give one parameter to vary, or two"
        )
    found = []
    for text in grid:
        key, _, listed = text.partition("=")
        try:
            values = strict_yaml.load(f"[{listed}]")
        except strict_yaml.YamlError as error:
            raise UsageError(f"--grid {text}: {error}") from error
        if not values:
            raise UsageError(f"--grid {text}: has no values", remedy="write --grid key=value,value")
        axis = Axis(key.strip(), tuple(values))
        if axis.key in _UNSEEN:
            raise UsageError(
                f"--grid {text}: {axis.key} changes no picture", remedy="vary another parameter"
            )
        if any(value in values[:index] for index, value in enumerate(values)):
            raise UsageError(f"--grid {text}: has a value twice", remedy="give each value once")
        found.append(axis)
    if len({axis.key for axis in found}) < len(found):
        raise UsageError(f"--grid varies {found[0].key} twice", remedy="give all values at once")
    return tuple(found)


def variants(found: Sequence[Axis], shared: Mapping[str, Any]) -> list[Variant]:
    """Every combination, the last axis' values changing fastest.

    Raises:
        UsageError: there are too many.
        ParamsError: one is wrong.
    """
    count = math.prod(len(axis.values) for axis in found)
    if count > MOST_CELLS:
        raise UsageError(
            f"--grid asks for {count} pictures; a sheet holds {MOST_CELLS}",
            remedy="give fewer values",
        )
    keys = [axis.key for axis in found]
    combinations = itertools.product(*(axis.values for axis in found))
    settings = [dict(zip(keys, values, strict=True)) for values in combinations]
    return [Variant(own, StyleParams.parse({**shared, **own})) for own in settings]


def columns(found: Sequence[Axis]) -> int:
    """Of the sheet: as many as the second axis has values, or of a single one what fits a row."""
    count = len(found[-1].values)
    if len(found) == MOST_AXES:
        return count
    return math.ceil(count / math.ceil(count / _MOST_COLUMNS))


def lay_out(
    found: Sequence[Axis], pair: Sequence[Cell], painted: Sequence[Painted], heading: str
) -> Float32Image:
    """The sheet: the pair on top, then a row for each value of the first of two axes.

    Returns:
        float32 RGB [H, W, 3] in [0, 1].
    """
    cells = [one.cell for one in painted]
    side = max(max(cell.rgb.shape[:2]) for cell in cells)
    top = [Cell(_reduced(cell.rgb, side), cell.title, cell.facts) for cell in pair]
    width = columns(found)
    rows = [cells[start : start + width] for start in range(0, len(cells), width)]
    image = sheet([top, *rows], heading=heading, foot=_FOOT)
    return np.asarray(image, np.float32) / np.float32(255)


def _paint(
    pictures: tuple[Float32Image, Float32Image],
    wanted: Sequence[Variant],
    bar: progress.IterationBar,
) -> tuple[Estimate, list[Painted]]:
    """What it should take, and the results; every combination is checked before the first."""
    bar.say("loading the network")
    engine = api.engine()
    checked = [api.start(*pictures, one.params, using=engine) for one in wanted]
    estimate = Estimate(
        sum(transfer.estimate.seconds for transfer in checked),
        max(transfer.estimate.memory for transfer in checked),
    )
    ends = list(itertools.accumulate(transfer.planned for transfer in checked))
    del checked  # a finished transfer keeps its pictures
    count = len(wanted)
    bar.tell(f"{count} picture{'s' if count > 1 else ''}, about {estimate}")
    painted = []
    for number, (one, end) in enumerate(zip(wanted, ends, strict=True), start=1):
        what = f"painting {number} of {len(wanted)}"
        bar.say(what)
        started = time.perf_counter()
        transfer = api.start(*pictures, one.params, using=engine)
        for iterate in transfer:
            bar.show(
                iteration=end - iterate.planned + iterate.iteration,
                planned=ends[-1],
                loss=iterate.losses.total,
                seconds=iterate.seconds,
                what=what,
            )
        painted.append(Painted(one, transfer.result(), time.perf_counter() - started))
    return estimate, painted


def _load(path: Path) -> Float32Image:
    return images.load(path, limits=images.ImageLimits(), name=str(path)).rgb


def _reduced(rgb: Float32Image, side: int) -> Float32Image:
    height, width = rgb.shape[:2]
    if max(height, width) <= side:
        return rgb
    width, height = resampling.fit(width, height, side)
    return resampling.resize(rgb, (height, width))


def _written(settings: Mapping[str, Any]) -> str:
    """`key=value, key=value`."""
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in settings.items()
    )
