"""Time an iteration of nstd's loop against plain TensorFlow, PyTorch and the hardware's limit.

    python benchmarks/iteration.py [--size 512] [--rounds 5] [--torch-python PYTHON]

All contestants optimise the same picture with preset `fast`'s objective, in turns; the lowest of
each one's times counts. Before that, their objectives of one image are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
import numpy as np
from common import Finding
from plain_loop import PlainLoop

from nstd import api, bench
from nstd.engine import weights
from nstd.engine.measure import MATRIX_SIDE, Loop, MatrixProduct, interleaved
from nstd.params import LAYERS

if TYPE_CHECKING:
    from nstd.domain import Float32Image, StyleRequest
    from nstd.engine.engine import Engine

Contestant = Callable[[int], float]
Times = Mapping[str, list[float]]

# After another framework's turn, so that its threads have gone to sleep.
_PAUSE = 0.2
_TORCH_VARIANTS = ("float32", "autocast", "bfloat16")
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.05, "autocast": 0.05}
_SEED = 0
_DRAFT = (768, 1024)
PRODUCT = 2.0 * MATRIX_SIDE**3


class Torch:
    """A process that runs the loop in PyTorch.

    Args:
        python: an interpreter that has torch and NumPy.
        task: a file for `torch_loop.py`.

    Raises:
        OSError: there is no such interpreter.
        RuntimeError: it has no torch; the message is its last line.
    """

    def __init__(self, python: str, task: Path) -> None:
        script = Path(__file__).with_name("torch_loop.py")
        self._process = subprocess.Popen(  # noqa: S603 - the interpreter that the user names
            [python, str(script), str(weights.resolve(None)), str(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.version = self._answer()["ready"]

    def contestant(self, variant: str) -> Contestant:
        """The loop in one precision."""
        return lambda iterations: float(self._ask(variant, iterations)["seconds"])

    def loss(self, variant: str) -> float:
        """The objective of the start; to be asked before any iteration."""
        return float(self._ask(variant, 0)["loss"])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, variant: str, iterations: int) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        question = {"variant": variant, "iterations": iterations}
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        time.sleep(_PAUSE)
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            raise RuntimeError((said.strip().splitlines() or ["it ended"])[-1])
        answer: dict[str, Any] = json.loads(line)
        return answer


def start_torch(python: str, wanted: StyleRequest) -> tuple[Torch | None, str]:
    """PyTorch's process, and its version or why there is none."""
    recipe = wanted.params.recipe().plain()
    names = (*recipe["content_layers"], *recipe["style_layers"])
    layers = LAYERS[: max(map(LAYERS.index, names)) + 1]
    arrays: dict[str, Any] = {
        "content": wanted.content,
        "style": wanted.styles[0].rgb,
        "start": noise(wanted),
    }
    with tempfile.TemporaryDirectory() as folder:
        task = Path(folder) / "task.npz"
        np.savez(task, task=np.array(json.dumps({"recipe": recipe, "layers": layers})), **arrays)
        try:
            torch = Torch(python, task)
        except (OSError, RuntimeError) as error:
            return None, f"PyTorch skipped ({error}); --torch-python names an interpreter with it"
    return torch, f"PyTorch {torch.version}"


def noise(wanted: StyleRequest) -> Float32Image:
    """What nstd starts from with `init: random`, so that all contestants can."""
    return np.random.default_rng(_SEED).random((*wanted.shape, 3), np.float32)


def request(side: int, **params: Any) -> StyleRequest:  # noqa: ANN401 - as StyleParams has them
    """Preset `fast` from noise, where no term of the objective is zero."""
    return bench.request((side, side), "fast", init="random", seed=_SEED, **params)


def own_loops(engine: Engine, side: int) -> dict[str, Loop]:
    """Make nstd's contestants: both style losses in float32 and the engine's precision."""
    return {
        f"nstd {precision} {name}": Loop(
            engine, request(side, style_loss=style_loss, precision=precision)
        )
        for precision in _precisions(engine)
        for name, style_loss in (("gram", "gram_scaled"), ("w2", "w2"))
    }


def plain_loop(engine: Engine, wanted: StyleRequest) -> PlainLoop:
    """The eager contestant."""
    assert wanted.content is not None  # noqa: S101 - it has one
    recipe, style = wanted.params.recipe(), wanted.styles[0].rgb
    return PlainLoop(engine.weights, recipe, wanted.content, style, start=noise(wanted))


def check(
    engine: Engine, own: Mapping[str, Loop], plain: PlainLoop, torch: Torch | None
) -> dict[str, float]:
    """The objective of the start by each contestant.

    Raises:
        ValueError: they differ, so that comparing their times would mean nothing.
    """
    found = {name: loop.losses()[0] for name, loop in own.items() if name.endswith("gram")}
    found["eager float32"] = float(plain.loss())
    if torch is not None:
        found |= {f"torch {variant}": torch.loss(variant) for variant in _variants(engine)}
    for name, loss in found.items():
        tolerance = _TOLERANCE[name.split()[1]]
        if not common.is_like(loss, found["nstd float32 gram"], tolerance):
            raise ValueError(f"the contestants compute different objectives: {found}")
    return found


def race(
    engine: Engine, own: Mapping[str, Loop], plain: PlainLoop, torch: Torch | None, rounds: int
) -> dict[str, list[float]]:
    """Seconds of an iteration, or of a matrix product, in each round."""
    contestants: dict[str, Contestant] = {**own, "eager float32": plain}
    if torch is not None:
        contestants |= {f"torch {name}": torch.contestant(name) for name in _variants(engine)}
    contestants |= {
        f"product {precision}": MatrixProduct(engine.network(precision).dtype)
        for precision in _precisions(engine)
    }
    return interleaved(contestants, rounds)


def findings(
    engine: Engine, operations: float, times: Times, new_size: float, draft: float
) -> list[Finding]:
    """The figures that have a target."""
    best = {name: min(seconds) for name, seconds in times.items()}
    fast = engine.device.precision
    rival = min(best.get(f"torch {name}", np.inf) for name in ("autocast", "bfloat16"))
    eager, gram = best["eager float32"], best[f"nstd {fast} gram"]
    note = "" if fast == "bfloat16" else "this processor has no bfloat16"
    no_rival = note or ("" if np.isfinite(rival) else "no PyTorch")
    found = [
        Finding("float32 / eager float32", best["nstd float32 gram"] / eager, "<=", 0.50),
        Finding("bfloat16 / eager float32", None if note else gram / eager, "<=", 0.33, note),
        Finding(
            "bfloat16 / PyTorch bfloat16",
            None if no_rival else gram / rival,
            "<=",
            0.55,
            no_rival,
        ),
    ]
    for precision in _precisions(engine):
        rate = PRODUCT / best[f"product {precision}"]
        share = operations / best[f"nstd {precision} gram"] / rate
        found.append(Finding(f"{precision}: share of a matrix product", share, ">=", 0.85))
    return [
        *found,
        Finding(f"{fast}: exact W2 / Gram", best[f"nstd {fast} w2"] / gram, "<=", 1.25),
        Finding("first less second job of a size, s", new_size, "<=", 0.5),
        Finding(f"draft of {_DRAFT[1]}x{_DRAFT[0]}, warm, s", draft, "<=", 1.6),
    ]


def _precisions(engine: Engine) -> list[Any]:
    """float32, and the engine's own if that is another."""
    return list(dict.fromkeys(("float32", engine.device.precision)))


def _variants(engine: Engine) -> tuple[str, ...]:
    """PyTorch's; without bfloat16 in hardware, one evaluation in it takes minutes."""
    return _TORCH_VARIANTS if len(_precisions(engine)) > 1 else ("float32",)


def show(times: Times, operations: float) -> None:
    """Print each contestant's seconds and rate, with the convolutions' operations for all."""
    rows = []
    for name, seconds in times.items():
        work = PRODUCT if name.startswith("product") else operations
        median = f"{statistics.median(seconds):.3f}"
        rows.append((name, f"{min(seconds):.3f}", median, f"{work / min(seconds) / 1e9:.0f}"))
    common.show_table(["contestant", "lowest s", "median s", "GFLOP/s at best"], rows)


def main() -> None:
    """Race, then print and write what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="side of the square picture")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    parser.add_argument("--torch-python", default=sys.executable, help="interpreter with torch")
    common.add_json_option(parser)
    options = parser.parse_args()
    common.warn_if_busy()
    engine, wanted = api.engine(), request(options.size)
    torch, version = start_torch(options.torch_python, wanted)
    print(f"{engine.device.name}, TensorFlow {engine.device.tensorflow}, {version}")
    own, plain = own_loops(engine, options.size), plain_loop(engine, wanted)
    losses = check(engine, own, plain, torch)
    times = race(engine, own, plain, torch, options.rounds)
    if torch is not None:
        torch.close()
    new_size = bench.cost_of_new_size(engine, bench.NEW_SIZES)
    draft = min(bench.draft_seconds(engine, _DRAFT, options.rounds))
    work = next(iter(own.values())).operations
    show(times, work)
    found = findings(engine, work, times, new_size, draft)
    common.show_findings(found)
    facts = {"size": options.size, "losses": losses, "seconds": times, "findings": found}
    common.write_json(options.json, {"device": engine.device.name, "versions": version, **facts})


if __name__ == "__main__":
    main()
