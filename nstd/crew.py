"""From a configuration to the stations that do its work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nstd.dispatch import Dispatcher
from nstd.images import ImageLimits
from nstd.spool import layout
from nstd.spool.decide import Patience
from nstd.station import Station
from nstd.worker import Options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nstd.config import Config
    from nstd.devices import Pin
    from nstd.spool.desk import Desk
    from nstd.worker import Main


def dispatcher(desk: Desk, weights: Path, pins: Sequence[Pin], main: Main) -> Dispatcher:
    """One station for each pin, and what gives them jobs.

    Args:
        desk: where the jobs come from; its configuration says how.
        weights: the verified weights file.
        pins: what the workers are bound to.
        main: the worker processes' main function.
    """
    config, limits = desk.config, desk.config.limits
    stations = [
        Station(
            options(config, weights, pin, len(pins)),
            main,
            stall_seconds=limits.stall_seconds,
            begin_seconds=limits.begin_seconds,
            job_seconds=limits.job_timeout_seconds,
            tries=limits.attempts,
        )
        for pin in pins
    ]
    return Dispatcher(desk, stations, patience(config))


def patience(config: Config) -> Patience:
    """How often and how long a job is tried."""
    limits = config.limits
    return Patience(
        limits.attempts,
        limits.crashes,
        limits.backoff_seconds,
        limits.backoff_longest_seconds,
        config.rescan_seconds,
        limits.oom == "shrink",
    )


def is_unchanged(before: Config, after: Config) -> bool:
    """Whether workers of one configuration may go on under another."""
    return _concerns(before) == _concerns(after)


def _concerns(config: Config) -> tuple[object, ...]:
    return (
        config.precision,
        config.threads,
        config.deterministic,
        config.gpu_memory_fraction,
        config.limits,
        config.plugins,
    )


def options(config: Config, weights: Path, pin: Pin, workers: int = 1) -> Options:
    """What one of several workers is started with."""
    limits, threads = config.limits, config.threads
    if not threads and pin.gpu is None and workers > 1:
        # Several workers on one processor share its cores.
        threads = max(1, len(os.sched_getaffinity(0)) // workers)
    share = config.gpu_memory_fraction
    return Options(
        pin,
        weights,
        config.precision,
        threads,
        config.deterministic,
        int(pin.gpu.memory * share) if pin.gpu and share else None,
        ImageLimits(limits.image_bytes, limits.image_pixels, limits.image_frames),
        layout.worker_log(config, pin.name),
        tuple(config.plugins),
    )
