"""L-BFGS beside Adam: the objective against evaluations and against seconds.

    python benchmarks/optimizers.py [--size 192] [--pictures DIR] [--json FILE]

On the pair that comes with nstd, from the content image, in float32, for two objectives: preset
`classic`'s Gram matrices and preset `quality`'s Wasserstein distance, at one scale and, of
`quality`, with its scales. Adam's rate falls to the end of its run, so each number of evaluations
is a run of its own; a run of L-BFGS doesn't know when it will end, so the longest has them all.
The objective is that of the picture that would be kept.
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common

from nstd import api, encoding
from nstd.params import StyleParams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nstd.domain import StyleResult
    from nstd.engine.engine import Engine

_COUNTS = (25, 50, 100, 200)
_PRESETS = ("classic", "quality")


@dataclass(frozen=True, slots=True)
class Reached:
    """Where an optimisation was after so many evaluations and seconds."""

    what: str
    optimizer: str
    evaluations: int
    objective: float
    seconds: float


class Runner:
    """Paints the pair, leaving pictures in a folder if there is one."""

    def __init__(self, engine: Engine, size: int, folder: Path | None) -> None:
        self._engine = engine
        self._size = size
        self._folder = folder

    def one_scale(self, preset: str, counts: Sequence[int]) -> list[Reached]:
        """Both optimizers at the result's size alone."""
        found = []
        settings: dict[str, Any] = {"preset": preset, "min_scale": self._size}
        for count in counts:
            result, _ = self._run(f"{preset}-adam-{count}", iterations=count, **settings)
            found.append(_end(f"{preset}, one scale", "adam", result))
        result, seconds = self._run(
            f"{preset}-lbfgs", iterations=max(counts), optimizer="lbfgs", **settings
        )
        totals = [losses.total for losses in result.trace]
        spent = list(itertools.accumulate(seconds))
        found += [
            Reached(f"{preset}, one scale", "lbfgs", count, min(totals[:count]), spent[count - 1])
            for count in counts
            if count <= len(totals)
        ]
        lowest = itertools.accumulate(totals, min)
        lower = sum(after < before for before, after in itertools.pairwise(lowest))
        told = (
            f"{preset}: {lower + 1} of {len(totals)} evaluations of L-BFGS were the lowest so far"
        )
        print("; ".join((told, *result.notes)))
        return found

    def whole_preset(self, preset: str) -> list[Reached]:
        """Both optimizers through the preset's scales."""
        found = []
        for optimizer in ("adam", "lbfgs"):
            result, _ = self._run(
                f"{preset}-scales-{optimizer}", preset=preset, optimizer=optimizer
            )
            found.append(_end(f"{preset}, all scales", optimizer, result))
        return found

    def _run(self, name: str, **params: Any) -> tuple[StyleResult, list[float]]:  # noqa: ANN401
        """The result, and the seconds of each evaluation."""
        wanted = StyleParams(precision="float32", **params)
        request = common.request(*common.PAIR, self._size, wanted)
        transfer = self._engine.transfer(request)
        seconds = [iterate.seconds for iterate in transfer]
        result = transfer.result()
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)
            encoding.encode(result.image, self._folder / f"{name}.png", format="png")
        return result, seconds


def _end(what: str, optimizer: str, result: StyleResult) -> Reached:
    assert result.loss is not None  # noqa: S101 - it has iterated
    seconds = result.seconds["optimise"]
    return Reached(what, optimizer, len(result.trace), result.loss.total, seconds)


def main() -> None:
    """Run all; print and write what was reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=192, help="long side in pixels")
    parser.add_argument("--counts", type=int, nargs="+", default=_COUNTS, help="evaluations")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="leave the pictures there")
    common.add_json_option(parser)
    options = parser.parse_args()
    common.warn_if_busy()
    runner = Runner(api.engine(), options.size, options.pictures)
    found = [one for preset in _PRESETS for one in runner.one_scale(preset, options.counts)]
    found += runner.whole_preset("quality")
    rows = [
        [one.what, one.optimizer, one.evaluations, f"{one.objective:.5g}", f"{one.seconds:.1f}"]
        for one in found
    ]
    common.show_table(["objective", "optimizer", "evaluations", "objective", "seconds"], rows)
    common.write_json(options.json, {"size": options.size, "reached": found})


if __name__ == "__main__":
    main()
