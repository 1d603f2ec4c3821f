"""The same loop in PyTorch, for `benchmarks/iteration.py`; needs torch and NumPy, not nstd.

    python benchmarks/torch_loop.py WEIGHTS.npz TASK.npz

Says `ready` and its version, then answers lines of JSON, {"variant": NAME, "iterations": N}, by
{"seconds": S}, the time that they took, or without iterations by {"loss": L}. Variants:
`float32`; `autocast`, convolutions in bfloat16 by torch.autocast; `bfloat16`, by casting weights
and features, as nstd does.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found,unused-ignore]
from torch.nn import functional  # type: ignore[import-not-found,unused-ignore]

BETAS = (0.9, 0.999)
_PICTURES = ("content", "style", "start")


class TorchLoop:
    """Gatys' algorithm in PyTorch.

    Args:
        arrays: the network's weights.
        task: content, style and start [H, W, 3], layers in order, and the recipe.
        variant: see above.
    """

    def __init__(self, arrays: Any, task: dict[str, Any], variant: str) -> None:  # noqa: ANN401
        self._recipe = task["recipe"]
        self._layers = task["layers"]
        self._variant = variant
        kind = torch.bfloat16 if variant == "bfloat16" else torch.float32
        self._kernels = {
            layer: (
                torch.from_numpy(arrays[f"{layer}/kernel"].transpose(3, 2, 0, 1).copy()).to(kind),
                torch.from_numpy(arrays[f"{layer}/bias"]).to(kind),
            )
            for layer in self._layers
        }
        self._preprocess = (
            torch.from_numpy(arrays["preprocess/kernel"].transpose(3, 2, 0, 1).copy()),
            torch.from_numpy(arrays["preprocess/bias"]),
        )
        content, style, start = (
            torch.from_numpy(task[name]).permute(2, 0, 1)[None].contiguous() for name in _PICTURES
        )
        with torch.no_grad():
            self._content = self._features(content)
            self._style = {name: gram(found) for name, found in self._features(style).items()}
        self._image = start.requires_grad_()
        self._optimizer = torch.optim.Adam([self._image], lr=0.02, betas=BETAS, eps=1e-8)

    def loss(self) -> torch.Tensor:
        """The objective of the image."""
        recipe, found = self._recipe, self._features(self._image)
        content = sum(
            weight * scaled(found[name], self._content[name])
            for name, weight in recipe["content_layers"].items()
        )
        style = sum(
            weight * scaled(gram(found[name]), self._style[name])
            for name, weight in recipe["style_layers"].items()
        )
        total: torch.Tensor = (
            recipe["content_weight"] * content
            + recipe["style_weight"] * style
            + recipe["tv_weight"] * variation(self._image)
        )
        return total

    def run(self, iterations: int) -> float:
        """Run iterations; returns the seconds that they took."""
        started = time.perf_counter()
        for _ in range(iterations):
            self._optimizer.zero_grad()
            (self.loss() * (self._image.numel() / 3)).backward()
            self._optimizer.step()
            with torch.no_grad():
                self._image.clamp_(0, 1)
        return time.perf_counter() - started

    def _features(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        found = {}
        features = functional.conv2d(image, *self._preprocess)
        features = functional.pad(features, (1, 1, 1, 1), mode="replicate")
        if self._variant == "bfloat16":
            features = features.to(torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16, enabled=self._variant == "autocast"):
            for index, layer in enumerate(self._layers):
                if index and layer.endswith("conv1"):
                    features = functional.max_pool2d(features, 2)
                features = functional.conv2d(
                    features, *self._kernels[layer], padding=1 if index else 0
                )
                features = functional.relu(features)
                found[layer] = features
        wanted = {**self._recipe["content_layers"], **self._recipe["style_layers"]}
        return {layer: found[layer].float() for layer in wanted}


def gram(features: torch.Tensor) -> torch.Tensor:
    """Gram matrix [C, C], divisor H W."""
    flat = features[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def scaled(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """sum(d^2) / sum(|d|)."""
    difference = value - target
    return difference.square().sum() / (difference.abs().sum() + 1e-8)


def variation(image: torch.Tensor) -> torch.Tensor:
    """Squared differences to the eight neighbours, as in nstd.engine.losses."""
    straight = (image[..., 1:] - image[..., :-1]).square().sum() + (
        image[..., 1:, :] - image[..., :-1, :]
    ).square().sum()
    diagonal = (image[..., 1:, 1:] - image[..., :-1, :-1]).square().sum() + (
        image[..., :-1, 1:] - image[..., 1:, :-1]
    ).square().sum()
    total: torch.Tensor = (2 / 3 * straight + 1 / 6 * diagonal) / image.numel()
    return total


def main() -> None:
    """Answer until standard input ends."""
    arrays = np.load(sys.argv[1])
    with np.load(sys.argv[2]) as file:
        task = {name: file[name] for name in _PICTURES} | json.loads(str(file["task"]))
    loops: dict[str, TorchLoop] = {}
    print(json.dumps({"ready": torch.__version__}), flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        variant = wanted["variant"]
        if variant not in loops:
            loops[variant] = TorchLoop(arrays, task, variant)
        print(json.dumps(answer(loops[variant], wanted["iterations"])), flush=True)


def answer(loop: TorchLoop, iterations: int) -> dict[str, float]:
    """Run iterations, or with none of them only evaluate."""
    if iterations:
        return {"seconds": loop.run(iterations)}
    with torch.no_grad():
        return {"loss": float(loop.loss())}


if __name__ == "__main__":
    main()
