"""From a configuration to stations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nstd import crew, devices

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.spool.desk import Desk

CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("wanted", "threads"),
    [(["cpu"], [0]), (["cpu:0", "cpu:1"], [max(1, CORES // 2)] * 2)],
)
def test_workers_on_one_processor_share_its_cores(
    desk: Desk, wanted: list[str], threads: list[int]
) -> None:
    """A single one takes them all; what the configuration says comes first."""
    pins = devices.pins(wanted, ())
    found = crew.dispatcher(desk, Path("none"), pins, lambda *_: None)
    assert [station.options.threads for station in found.stations] == threads
    desk.config = desk.config.model_copy(update={"threads": 7})
    found = crew.dispatcher(desk, Path("none"), pins, lambda *_: None)
    assert {station.options.threads for station in found.stations} == {7}


def test_a_share_of_a_gpus_memory_is_told_in_bytes(desk: Desk) -> None:
    """Of the GPU that the worker is pinned to; a worker on the CPU has no such limit."""
    gpu = devices.Gpu(0, "GPU-1", "recorded", 80 * 2**30, "9.0")
    desk.config = desk.config.model_copy(update={"gpu_memory_fraction": 0.25})
    pins = devices.pins(["gpu:0", "cpu"], [gpu])
    found = crew.dispatcher(desk, Path("none"), pins, lambda *_: None)
    limits = [station.options.memory_limit for station in found.stations]
    assert limits == [20 * 2**30, None]


@pytest.mark.parametrize(
    ("change", "unchanged"),
    [({"settle_seconds": 9.0}, True), ({"defaults": {"size": 64}}, True), ({"threads": 1}, False)],
)
def test_workers_stay_unless_the_change_concerns_them(
    config: Config,
    change: dict[str, object],
    unchanged: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A worker has its graphs traced; that isn't thrown away for nothing."""
    assert crew.is_unchanged(config, config.model_copy(update=change)) == unchanged
