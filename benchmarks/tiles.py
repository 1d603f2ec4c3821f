"""Descent by tiles: peak memory, its growth with the picture, and seconds beside the whole.

    python benchmarks/tiles.py [--sizes 4096x4096:3 8192x6144:1] [--max-memory 4 8] [--side 512]

Each transfer (preset `quality` at one scale, from the content, best iterate kept) has a process
of its own, whose peak resident memory the kernel tells. The first table has the large pictures,
tiles as `max_memory` allows. The second has tiles of one side at growing sizes: what the peak grows
by, in float32 images of the picture's size. What grows are whole images, whatever the network, so
that it stops at the first layer there. The third has one size by tiles and as a whole.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from dataclasses import dataclass

import common
import numpy as np

from nstd import api, bench
from nstd.engine.budget import Budget
from nstd.engine.estimate import memory_bytes
from nstd.engine.plan import Plan
from nstd.engine.tiles import Grid, halo, radius

_GIBIBYTE = 2**30
_PIXEL_BYTES = 12
_PLENTY = 1000.0
_SHALLOW = {"content_layers": {"block1_conv1": 1.0}, "style_layers": {"block1_conv1": 1.0}}


@dataclass(frozen=True, slots=True)
class Run:
    """One transfer in a process of its own.

    Attributes:
        tile: its side in pixels; None: computed as a whole.
        expected: bytes, by the estimate.
        peak: bytes.
        seconds: of each iteration.
        losses: the total of each iterate.
    """

    height: int
    width: int
    tile: int | None
    expected: float
    peak: int
    seconds: list[float]
    losses: list[float]


def measure(
    size: tuple[int, int], iterations: int, limit: float, **settings: dict[str, float]
) -> Run:
    """Run a transfer of a size (height, width) in a process of its own, within `limit` GiB."""
    inside = json.dumps([size, iterations, limit, settings])
    command = [sys.executable, __file__, "--inside", inside]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ourselves
    return Run(**json.loads(done.stdout))


def transfer(
    size: tuple[int, int], iterations: int, limit: float, settings: dict[str, dict[str, float]]
) -> dict[str, object]:
    """Run a transfer in this process."""
    wanted = bench.request(
        size,
        "quality",
        iterations=iterations,
        min_scale=max(size),  # no other scale
        max_memory=limit,
        keep="best",
        snapshots=1,  # a call for each iteration, so that each is timed
        **settings,
    )
    engine = api.engine()
    grid = Plan(engine, wanted).grid(size)
    transfer = engine.transfer(wanted)
    seconds = [iterate.seconds for iterate in transfer]
    result = transfer.result()
    return {
        "height": size[0],
        "width": size[1],
        "tile": grid.side if grid else None,
        "expected": result.estimate["memory"],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "seconds": seconds,
        "losses": [losses.total for losses in result.trace],
    }


def limit_for(size: tuple[int, int], side: int, **settings: dict[str, float]) -> float:
    """The `max_memory` that lets a picture of a size be computed by tiles of this side."""
    plan = Plan(api.engine(), bench.request((64, 64), "quality", **settings))
    layers, value_bytes = plan.structure.layers, api.engine().device.convolutions.size
    grid = Grid(side, halo(radius(layers)))
    limit = memory_bytes(layers, *size, value_bytes, grid)
    chosen = Budget(layers, value_bytes, limit).grid(*size)
    if chosen is None or chosen.tiles(*size) != grid.tiles(*size):
        raise SystemExit(f"--side {side}: not for {size[1]}x{size[0]}, where it is {chosen}")
    return limit / _GIBIBYTE


def growth(runs: list[Run]) -> float:
    """Float32 images of the picture's size that the peak grows by."""
    images = [run.height * run.width * _PIXEL_BYTES for run in runs]
    return float(np.polyfit(images, [run.peak for run in runs], 1)[0])


def show(runs: list[Run]) -> None:
    """Print the runs."""
    rows = [
        (
            f"{run.width}x{run.height}",
            run.tile or "whole",
            f"{run.expected / _GIBIBYTE:.2f}",
            f"{run.peak / _GIBIBYTE:.2f}",
            ", ".join(f"{seconds:.1f}" for seconds in run.seconds),
            ", ".join(f"{loss:.5g}" for loss in run.losses),
        )
        for run in runs
    ]
    header = ["picture", "tile", "expected GiB", "peak GiB", "seconds an iteration", "losses"]
    common.show_table(header, rows)


def size_of(text: str) -> tuple[int, int]:
    """`WIDTHxHEIGHT` as (height, width)."""
    width, height = map(int, text.split("x"))
    return height, width


def main() -> None:
    """Measure; print and write what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="*", default=["4096x4096:3", "8192x6144:1"])
    parser.add_argument("--max-memory", type=float, nargs="*", default=[4.0, 8.0], metavar="GIB")
    parser.add_argument("--grows", nargs="*", default=["2048x2048", "4096x4096", "6144x6144"])
    parser.add_argument("--side", type=int, default=512, help="of the tiles that stay the same")
    parser.add_argument("--beside", nargs="*", default=["1024x1024"], help="also as a whole")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    common.add_json_option(parser)
    options = parser.parse_args()
    if options.inside:
        size, *rest = json.loads(options.inside)
        print(json.dumps(transfer(tuple(size), *rest)))
        return
    common.warn_if_busy()
    large = []
    for text, limit in zip(options.sizes, options.max_memory, strict=False):
        size, iterations = text.split(":")
        large.append(measure(size_of(size), int(iterations), limit))
        show(large[-1:])
    growing = [
        measure(size, 2, limit_for(size, options.side, **_SHALLOW), **_SHALLOW)
        for size in map(size_of, options.grows)
    ]
    if growing:
        show(growing)
        target = common.Finding("float32 images that the peak grows by", growth(growing), "<=", 9)
        common.show_findings([target])
    compared = []
    for size in map(size_of, options.beside):
        limits = _PLENTY, limit_for(size, options.side)
        compared += [measure(size, 3, limit) for limit in limits]
    if compared:
        show(compared)
    common.write_json(options.json, {"large": large, "growing": growing, "compared": compared})


if __name__ == "__main__":
    main()
