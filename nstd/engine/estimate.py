"""What a transfer will take, known before it starts: operations, seconds, memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nstd.params import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nstd.engine.budget import Budget
    from nstd.engine.objective import Structure
    from nstd.engine.tiles import Grid

PIXEL_BYTES = 3 * 4  # of an image in float32

_CHANNELS = (64, 128, 256, 512, 512)
# TensorFlow, the network and its workspace; then multiples of what the layers hold. By the bytes
# of a value, for bfloat16 has float32 copies beside it. Fitted to the peak memory of transfers of
# preset `fast` on CPUs (benchmarks/memory.py): float32 at 256 to 1024 pixels on one without
# AVX-512, bfloat16 at 256 to 2048 on one that multiplies it.
_BASE_BYTES = {2: 0.9e9, 4: 1.0e9}
_LIVE_COPIES = {2: 2.5, 4: 3.2}
# By tiles: multiples of what the layers hold of one tile, fitted likewise to float32 at 384 to 768
# pixels; and how often the whole image is there in float32: content, style, the state's five, the
# gradient, and one more for a moment.
_TILE_COPIES = 2.5
_WHOLE_IMAGES = 9
# What two passes compute, in iterations of the same pixels without tiles. Such an iteration goes
# to the layers and back. The first pass goes to the layers; the second there and back, and to the
# content's. Where the content's derivative depends on its loss, the first goes there for both.
_PASSES = {"mean_squared": 2.0, "scaled_squared": 2.5}


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
    def of(cls, structure: Structure, height: int, width: int, grid: Grid | None = None) -> Work:
        """One iteration at a size, by tiles if there is a grid."""
        roots = [
            float(channels(layer) ** 3)
            for layer in structure.style_layers
            if structure.style_loss == "w2"
        ]
        if grid is None:
            return cls(operations(structure.layers, height, width), sum(roots))
        seen = (tile.seen for tile in grid.tiles(height, width))
        once = sum(operations(structure.layers, box.height, box.width) for box in seen)
        return cls(_PASSES[structure.content_loss] * once, sum(roots))

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


def memory_bytes(
    layers: Iterable[str], height: int, width: int, size: int, grid: Grid | None = None
) -> float:
    """Bytes that the process takes for an iteration, at `size` bytes a value of an activation.

    Args:
        layers: that the objective looks at.
        height: of the image.
        width: likewise.
        size: 2 or 4.
        grid: of the tiles, if it is computed by such.
    """
    if grid is None:
        held = _LIVE_COPIES[size] * activation_bytes(layers, height, width, size)
    else:
        seen = grid.longest(height), grid.longest(width)
        held = _TILE_COPIES * activation_bytes(layers, *seen, size)
        held += _WHOLE_IMAGES * PIXEL_BYTES * height * width
    return _BASE_BYTES[size] + held


def estimate(
    structure: Structure,
    stages: Iterable[tuple[int, int, int]],
    *,
    seconds: Callable[[Work], float],
    budget: Budget,
) -> Estimate:
    """What a transfer takes.

    Args:
        structure: of its objective.
        stages: (height, width, iterations) of each scale.
        seconds: that the device takes for work.
        budget: says which scales are computed by tiles.
    """
    total, largest = 0.0, 0.0
    for height, width, iterations in stages:
        grid = budget.grid(height, width)
        total += seconds(Work.of(structure, height, width, grid) * iterations)
        largest = max(largest, budget.memory(height, width))
    return Estimate(total, largest)


def _walk(layers: Iterable[str], height: int, width: int) -> Iterable[tuple[str, int, int]]:
    """(layer, channels, positions) down to the deepest of `layers`."""
    deepest = max(map(LAYERS.index, layers))
    for layer in LAYERS[: deepest + 1]:
        block = _block(layer)
        yield layer, channels(layer), (height >> block) * (width >> block)


def _block(layer: str) -> int:
    """Counted from 0; each halves the size."""
    return int(layer[len("block")]) - 1
