"""What is measured when Prometheus asks: the queue, the disks, the GPUs."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from nstd import devices
from nstd.errors import NstdError
from nstd.metrics.catalogue import BY_NAME, UNSETTLED
from nstd.spool import layout
from nstd.spool.tally import tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nstd.config import Config
    from nstd.devices import Pin

# Prometheus gives up after ten seconds, unless told otherwise.
_DRIVER_SECONDS: Final = 4.0
_TURN_SECONDS: Final = 2.0


class Gauges(Collector):
    """Asks the ledger, the disks and the driver; what doesn't answer is left out, and said.

    Runs in the endpoint's threads. One that hangs over a dead share keeps only its own source from
    those that follow.

    Args:
        config: says where the folders are.
        pins: what the workers are bound to.
    """

    def __init__(self, config: Config, pins: Sequence[Pin]) -> None:
        self.config = config
        self.pins = tuple(pins)
        sources = {"ledger": self._queue, "disk": self._disks, "driver": self._gpus}
        self._sources = [(name, ask, threading.Lock()) for name, ask in sources.items()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The samples of this moment."""
        problem = _family("nstd_scrape_problem")
        for name, ask, turn in self._sources:
            found = _ask(ask, turn)
            problem.add_metric([name], float(found is None))
            yield from found or ()
        yield problem

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """None: whoever registers this must not wait for a disk."""
        return iter(())

    def _queue(self) -> list[GaugeMetricFamily]:
        found = tally(layout.ledger(self.config))
        age = 0.0 if found.oldest is None else max(0.0, time.time() - found.oldest)
        states = _family("nstd_unsettled_jobs")
        for state in UNSETTLED:
            states.add_metric([state], found.states.get(state, 0))
        return [
            _family("nstd_queue_jobs", found.waiting),
            _family("nstd_queue_oldest_seconds", age),
            _family("nstd_paused", float(found.is_paused)),
            states,
        ]

    def _disks(self) -> list[GaugeMetricFamily]:
        free = _family("nstd_disk_free_bytes")
        for name, folder in (
            ("state", layout.work(self.config)),
            ("outbox", self.config.folder("outbox")),
        ):
            found = os.statvfs(folder)
            free.add_metric([name], found.f_bavail * found.f_frsize)
        return [free, _family("nstd_disk_least_bytes", self.config.limits.min_free_bytes)]

    def _gpus(self) -> list[GaugeMetricFamily]:
        pinned = [(pin.name, pin.gpu) for pin in self.pins if pin.gpu]
        if not pinned:
            return []
        readings = {one.uuid: one for one in devices.readings(_DRIVER_SECONDS)}
        memory, used, busy = (
            _family(f"nstd_device_{name}")
            for name in ("memory_bytes", "memory_used_bytes", "utilisation_ratio")
        )
        for name, gpu in pinned:
            memory.add_metric([name], gpu.memory)
            reading = readings.get(gpu.uuid)
            if reading is not None and reading.used is not None:
                used.add_metric([name], reading.used)
            if reading is not None and reading.utilisation is not None:
                busy.add_metric([name], reading.utilisation)
        return [memory, used, busy]


def _ask(
    ask: Callable[[], list[GaugeMetricFamily]], turn: threading.Lock
) -> list[GaugeMetricFamily] | None:
    """What a source says; None if it can't be asked, or somebody still waits for its answer."""
    if not turn.acquire(timeout=_TURN_SECONDS):
        return None
    try:
        return ask()
    except (OSError, NstdError, subprocess.SubprocessError):
        return None
    finally:
        turn.release()


def _family(name: str, value: float | None = None) -> GaugeMetricFamily:
    metric = BY_NAME[name]
    if value is None:
        return GaugeMetricFamily(metric.name, metric.help, labels=metric.label_names)
    return GaugeMetricFamily(metric.name, metric.help, value=value)
