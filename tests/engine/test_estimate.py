"""What a transfer will take."""

from __future__ import annotations

from typing import Literal

import pytest

from nstd.engine.budget import Budget
from nstd.engine.estimate import Estimate, Work, activation_bytes, estimate, operations
from nstd.engine.objective import Structure
from nstd.engine.tiles import Grid


def structure(style_loss: Literal["gram", "w2"]) -> Structure:
    """Make an objective of two style layers."""
    return Structure(
        content_layers=(),
        style_layers=("block1_conv1", "block3_conv1"),
        content_loss="mean_squared",
        style_loss=style_loss,
        padding="zeros",
        pooling="max",
    )


def test_operations_of_the_first_layer() -> None:
    """3x3 kernels from 3 to 64 channels at every pixel: a multiply-add each, there and back."""
    assert operations(["block1_conv1"], 10, 20) == 2 * 2 * (9 * 3 * 64) * 200


def test_operations_go_down_to_the_deepest_layer() -> None:
    """The second block works on half the size, and counts what lies above it."""
    second = 2 * 2 * 9 * (3 * 64 + 64 * 64) * 256 + 2 * 2 * 9 * 64 * 128 * 64
    assert operations(["block2_conv1", "block1_conv1"], 16, 16) == second


def test_operations_grow_with_the_pixels() -> None:
    """Four times the pixels, four times the work."""
    layers = ["block5_conv1"]
    assert operations(layers, 512, 512) == 4 * operations(layers, 256, 256)


def test_activation_bytes() -> None:
    """64 channels of the first layer, at the size of a value."""
    assert activation_bytes(["block1_conv1"], 10, 10, 2) == 64 * 100 * 2


def test_seconds_add_up_over_scales_and_memory_is_the_largest() -> None:
    """Time is spent at every scale, memory is needed for one at a time."""
    stages = [(64, 64, 10), (128, 128, 5)]

    def expect(stages: list[tuple[int, int, int]]) -> Estimate:
        return estimate(
            structure("w2"),
            stages,
            seconds=lambda work: work.convolutions / 1e9 + work.roots / 1e6,
            budget=Budget(("block1_conv1", "block3_conv1"), 4, None),
        )

    found = expect(stages)
    layers = ["block1_conv1", "block3_conv1"]
    convolutions = 10 * operations(layers, 64, 64) + 5 * operations(layers, 128, 128)
    assert found.seconds == pytest.approx(convolutions / 1e9 + 15 * (64**3 + 256**3) / 1e6)
    assert found.memory == expect(stages[1:]).memory


def test_only_the_wasserstein_loss_takes_roots() -> None:
    """Of each style layer, whatever the image's size; convolutions are the same in all losses."""
    gram, transport = (Work.of(structure(name), 64, 48) for name in ("gram", "w2"))
    assert (gram.roots, transport.roots) == (0, 64**3 + 256**3)
    assert gram.convolutions == transport.convolutions
    assert Work.of(structure("w2"), 128, 96).roots == transport.roots
    assert transport * 3 == Work(3 * transport.convolutions, 3 * transport.roots)


def test_tiles_are_more_work() -> None:
    """Two passes over tiles and their halos, the content's activations each time, no more roots."""
    grid = Grid(64, 16)
    whole, tiled = (Work.of(structure("w2"), 128, 64, found) for found in (None, grid))
    layers = ["block1_conv1", "block3_conv1"]
    assert tiled.convolutions == 2 * 2 * operations(layers, 80, 64)
    assert tiled.roots == whole.roots


@pytest.mark.parametrize(
    ("seconds", "text"), [(7.2, "7 s, 1.0 GiB"), (119, "119 s, 1.0 GiB"), (150, "2 min, 1.0 GiB")]
)
def test_estimates_are_readable(seconds: float, text: str) -> None:
    """Seconds for the short ones, minutes for the long."""
    assert str(Estimate(seconds, 2**30)) == text
