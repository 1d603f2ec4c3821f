"""Peak memory of a transfer against its size, and against what nstd expects.

    python benchmarks/memory.py [--sizes 256 512 1024] [--precisions bfloat16 float32]

Each transfer (preset `fast`, two iterations, square pictures) has a process of its own, whose peak
resident memory the kernel tells. The last table says what the two constants of
nstd/engine/estimate.py would be by the lines that fit these peaks best.
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
from nstd.engine.estimate import activation_bytes
from nstd.recipes import PRESETS

_MEBIBYTE = 2**20
_VALUE_BYTES = {"bfloat16": 2, "float32": 4}


@dataclass(frozen=True, slots=True)
class Peak:
    """Bytes of one transfer's process, and of its activations."""

    precision: str
    side: int
    measured: int
    estimated: float
    activations: float


def measure(side: int, precision: str) -> Peak:
    """Run a transfer in a process of its own."""
    command = [sys.executable, __file__, "--inside", str(side), precision]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ourselves
    found = json.loads(done.stdout)
    recipe = PRESETS["fast"]
    layers = [layer for layer, _ in (*recipe.content_layers, *recipe.style_layers)]
    held = activation_bytes(layers, side, side, _VALUE_BYTES[precision])
    return Peak(precision, side, found["measured"], found["estimated"], held)


def transfer(side: int, precision: str) -> dict[str, float]:
    """Run a transfer in this process; its peak, and what was expected, in bytes."""
    wanted = bench.request((side, side), "fast", iterations=2, precision=precision)
    result = api.engine().transfer(wanted).result()
    # Kibibytes on Linux.
    measured = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"measured": measured, "estimated": result.estimate["memory"]}


def fit(peaks: list[Peak]) -> tuple[float, float]:
    """Base in bytes, and multiples of the activations, that miss the peaks by the least shares."""
    held = np.array([peak.activations for peak in peaks])
    measured = np.array([peak.measured for peak in peaks], np.float64)
    rows = np.stack([np.ones_like(held), held], axis=1) / measured[:, None]
    (base, copies), *_ = np.linalg.lstsq(rows, np.ones_like(held), rcond=None)
    return float(base), float(copies)


def show(peaks: list[Peak]) -> None:
    """Print the peaks."""
    rows = [
        (
            peak.precision,
            peak.side,
            f"{peak.measured / _MEBIBYTE:.0f}",
            f"{peak.estimated / _MEBIBYTE:.0f}",
            f"{peak.measured / peak.estimated:.2f}",
        )
        for peak in peaks
    ]
    header = ["precision", "side", "measured MiB", "estimated MiB", "measured / estimated"]
    common.show_table(header, rows)


def main() -> None:
    """Measure; print and write what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=(256, 512, 1024), metavar="SIDE")
    parser.add_argument("--precisions", nargs="+", choices=_VALUE_BYTES, default=[*_VALUE_BYTES])
    parser.add_argument("--inside", nargs=2, help=argparse.SUPPRESS)
    common.add_json_option(parser)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(transfer(int(options.inside[0]), options.inside[1])))
        return
    peaks = [measure(side, name) for name in options.precisions for side in options.sizes]
    show(peaks)
    fits = {}
    if len(options.sizes) > 1:
        fits = {name: fit([p for p in peaks if p.precision == name]) for name in options.precisions}
        rows = [(name, f"{base:.2e}", f"{copies:.2f}") for name, (base, copies) in fits.items()]
        common.show_table(["precision", "_BASE_BYTES", "_LIVE_COPIES"], rows)
    common.write_json(options.json, {"peaks": peaks, "fits": fits})


if __name__ == "__main__":
    main()
