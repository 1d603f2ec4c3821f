"""What a transfer will take, known before it starts: operations, seconds, memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nstd.params import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nstd.engine.objective import Structure

_CHANNELS = (64, 128, 256, 512, 512)
# TensorFlow, the network and its workspace; then multiples of what the layers hold. By the bytes
# of a value, for bfloat16 has float32 copies beside it. Fitted to the peak memory of transfers of
# preset `fast` on CPUs (benchmarks/memory.py): float32 at 256 to 1024 pixels on one without
# AVX-512, bfloat16 at 256 to 2048 on one that multiplies it.
_BASE_BYTES = {2: 0.9e9, 4: 1.0e9}
_LIVE_COPIES = {2: 2.5, 4: 3.2}
_PIXEL_BYTES = 12  # three channels in float32


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds and bytes that a transfer is likely to take."""

    seconds: float
    memory: float

    def __str__(self) -> str:
        """For people: `2 min, 1.3 GiB`."""
        minutes = self.seconds / 60
        time = f"{minutes:.0f} min" if minutes >= 2 else f"{self.seconds:.0f} s"  # noqa: PLR2004
        return f"{time}, {self.memory / 2**30:.1f} GiB"


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be computed, in units that take a device about the same time each.

    Attributes:
        convolutions: floating-point operations.
        roots: the sum of C^3 over the C x C matrices whose eigenvectors are computed, which is
            what that and the products around it grow by.
    """

    convolutions: float
    roots: float

    @classmethod
    def of(cls, structure: Structure, height: int, width: int) -> Work:
        """One iteration at a size."""
        roots = [
            float(channels(layer) ** 3)
            for layer in structure.style_layers
            if structure.style_loss == "w2"
        ]
        return cls(operations(structure.layers, height, width), sum(roots))

    def __mul__(self, times: float) -> Work:
        """So many iterations."""
        return Work(self.convolutions * times, self.roots * times)


def channels(layer: str) -> int:
    """Of a layer's activations."""
    return _CHANNELS[_block(layer)]


def operations(layers: Iterable[str], height: int, width: int) -> float:
    """Floating-point operations of the convolutions in one iteration, forward and backward.

    Two for each multiply-add; the gradient with respect to the features costs what the
    activations cost, that with respect to the weights isn't taken.
    """
    forward = 0.0
    incoming = 3
    for layer, outgoing, positions in _walk(layers, height, width):
        forward += 2 * 9 * incoming * outgoing * positions
        incoming = outgoing
        del layer
    return 2 * forward


def activation_bytes(layers: Iterable[str], height: int, width: int, size: int) -> float:
    """Bytes of all activations of one image, at `size` bytes a value."""
    return float(
        sum(count * positions for _, count, positions in _walk(layers, height, width)) * size
    )


def estimate(
    structure: Structure,
    stages: Iterable[tuple[int, int, int]],
    *,
    seconds: Callable[[Work], float],
    value_bytes: int,
    held_images: int = 0,
) -> Estimate:
    """What a transfer takes.

    Args:
        structure: of its objective.
        stages: (height, width, iterations) of each scale.
        seconds: that the device takes for work.
        value_bytes: of an activation: 2 in bfloat16, 4 in float32.
        held_images: that the optimizer keeps in float32 beside the usual few.
    """
    total, largest, kept = 0.0, 0.0, 0.0
    for height, width, iterations in stages:
        total += seconds(Work.of(structure, height, width) * iterations)
        held = activation_bytes(structure.layers, height, width, value_bytes)
        largest = max(largest, held)
        kept = max(kept, float(held_images * height * width * _PIXEL_BYTES))
    return Estimate(total, _BASE_BYTES[value_bytes] + _LIVE_COPIES[value_bytes] * largest + kept)


def _walk(layers: Iterable[str], height: int, width: int) -> Iterable[tuple[str, int, int]]:
    """(layer, channels, positions) down to the deepest of `layers`."""
    deepest = max(map(LAYERS.index, layers))
    for layer in LAYERS[: deepest + 1]:
        block = _block(layer)
        yield layer, channels(layer), (height >> block) * (width >> block)


def _block(layer: str) -> int:
    """Counted from 0; each halves the size."""
    return int(layer[len("block")]) - 1
