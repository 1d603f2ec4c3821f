"""Scales and schedules."""

from __future__ import annotations

import dataclasses

import pytest

from nstd.recipes import PRESETS, Stage, normalised

QUALITY = dataclasses.replace(PRESETS["quality"], schedule=(150, 90, 60, 40, 30), min_scale=128)


@pytest.mark.parametrize(
    ("long_side", "sides"),
    [
        (512, [128, 181, 256, 362, 512]),
        (256, [128, 181, 256]),
        (128, [128]),
        (100, [100]),
        (200, [141, 200]),
        (1024, [128, 181, 256, 362, 512, 724, 1024]),
    ],
)
def test_scales_grow_by_the_root_of_two_to_the_size(long_side: int, sides: list[int]) -> None:
    """The last is exact; none is coarser than the coarsest allowed."""
    assert [stage.side for stage in QUALITY.stages(long_side)] == sides


def test_iterations_fall_with_the_scale() -> None:
    """The schedule counts from the coarsest scale; its last number goes on."""
    assert [stage.iterations for stage in QUALITY.stages(1024)] == [150, 90, 60, 40, 30, 30, 30]


def test_final_iterations_scale_the_whole_schedule() -> None:
    """Twice as many at the end are twice as many everywhere."""
    doubled = QUALITY.with_final_iterations(120, 256)
    assert doubled.stages(256) == (Stage(128, 300), Stage(181, 180), Stage(256, 120))


def test_one_scale_has_the_iterations_asked_for() -> None:
    """Presets without coarse scales take the number as it is."""
    assert PRESETS["fast"].with_final_iterations(7, 300).stages(300) == (Stage(300, 7),)


def test_a_draft_has_no_scales() -> None:
    """Nothing is optimised."""
    assert PRESETS["draft"].stages(512) == ()


def test_layer_weights_are_normalised() -> None:
    """Shares add up to one."""
    assert normalised({"block1_conv1": 3, "block2_conv1": 1}) == (
        ("block1_conv1", 0.75),
        ("block2_conv1", 0.25),
    )
