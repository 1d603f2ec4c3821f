"""From events to counters, histograms and gauges: a listener of telemetry's."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from typing import TYPE_CHECKING, Any, Final

import nstd
from nstd import telemetry
from nstd.metrics.catalogue import (
    CAUSES,
    CODES,
    PRESET_NAMES,
    STAGES,
    UNKNOWN,
    known,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry


class Counts:
    """Counts what the log tells.

    Args:
        registry: takes the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._kept = register(registry)
        self._devices: set[str] = set()
        try:
            tensorflow = importlib.metadata.version("tensorflow")
        except importlib.metadata.PackageNotFoundError:
            tensorflow = UNKNOWN  # it goes by other names too, such as tensorflow-cpu
        self._kept["nstd_build_info"].labels(
            nstd.__version__, tensorflow, platform.python_version()
        ).set(1)

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        """Take note of an event."""
        heed = _HEED.get(event)
        if heed is not None:
            heed(self, fields)

    # -- jobs --------------------------------------------------------------------------------

    def claimed(self, fields: Mapping[str, Any]) -> None:
        """A job was taken."""
        del fields
        self._kept["nstd_jobs_claimed_total"].inc()

    def done(self, fields: Mapping[str, Any]) -> None:
        """A job is done: by a worker, or as a duplicate, whose facts are an earlier job's."""
        preset = known(fields.get("preset"), PRESET_NAMES)
        is_duplicate = bool(fields.get("duplicate_of"))
        self._end("duplicate" if is_duplicate else "done", preset)
        self._kept["nstd_last_done_timestamp_seconds"].set(time.time())
        if is_duplicate:
            return
        for stage, seconds in (fields.get("seconds") or {}).items():
            if stage in STAGES:
                self._kept["nstd_job_stage_seconds"].labels(stage).observe(seconds)
        self._kept["nstd_iterations_total"].labels(preset).inc(fields.get("iterations") or 0)
        mean = fields.get("seconds_per_iteration")
        if mean is not None:
            self._kept["nstd_iteration_seconds"].labels(preset).observe(mean)

    def failed(self, fields: Mapping[str, Any]) -> None:
        """A job failed."""
        self._end("failed", known(fields.get("preset"), PRESET_NAMES))
        self._kept["nstd_job_failures_total"].labels(known(fields.get("code"), CODES)).inc()

    def cancelled(self, fields: Mapping[str, Any]) -> None:
        """A job was taken back."""
        self._end("cancelled", known(fields.get("preset"), PRESET_NAMES))

    def deferred(self, fields: Mapping[str, Any]) -> None:
        """An attempt failed."""
        del fields
        self._kept["nstd_job_retries_total"].inc()

    def _end(self, outcome: str, preset: str) -> None:
        self._kept["nstd_jobs_total"].labels(outcome, preset).inc()

    # -- workers -----------------------------------------------------------------------------

    def follow(self, devices: set[str]) -> None:
        """Tell of the workers on these devices only, none of which is ready if it is new."""
        ready, restarts = (
            self._kept[name] for name in ("nstd_worker_ready", "nstd_worker_restarts_total")
        )
        for device in self._devices - devices:
            ready.remove(device)
            for cause in CAUSES:
                restarts.remove(device, cause)
        for device in devices - self._devices:
            ready.labels(device).set(0)
            for cause in CAUSES:
                restarts.labels(device, cause)
        self._devices = devices

    def ready(self, fields: Mapping[str, Any]) -> None:
        """A worker has built its engine."""
        self._set_ready(fields, 1)

    def died(self, fields: Mapping[str, Any]) -> None:
        """A worker ended by itself."""
        self.replaced({**fields, "cause": "died"})

    def replaced(self, fields: Mapping[str, Any]) -> None:
        """A worker was ended, for a cause."""
        self._set_ready(fields, 0)
        device = fields.get("pin")
        if self._follows(device):
            cause = known(fields.get("cause"), CAUSES)
            self._kept["nstd_worker_restarts_total"].labels(device, cause).inc()

    def _set_ready(self, fields: Mapping[str, Any], value: int) -> None:
        device = fields.get("pin")
        if self._follows(device):
            self._kept["nstd_worker_ready"].labels(device).set(value)

    def _follows(self, device: object) -> bool:
        return isinstance(device, str) and device in self._devices

    # -- the daemon --------------------------------------------------------------------------

    def reloaded(self, fields: Mapping[str, Any]) -> None:
        """A new configuration is in force; its workers may still have to start."""
        self._kept["nstd_config_reloads_total"].labels("accepted").inc()
        if fields.get("workers") == "replaced":
            for device in self._devices:
                self._kept["nstd_worker_ready"].labels(device).set(0)

    def refused(self, fields: Mapping[str, Any]) -> None:
        """A new configuration was refused."""
        del fields
        self._kept["nstd_config_reloads_total"].labels("refused").inc()

    def erred(self, fields: Mapping[str, Any]) -> None:
        """A mistake of ours."""
        del fields
        self._kept["nstd_internal_errors_total"].inc()

    def switch(self, name: str, value: int) -> None:
        """Set a gauge that is either 0 or 1."""
        self._kept[name].set(value)


def _switch(name: str, value: int) -> Callable[[Counts, Mapping[str, Any]], None]:
    return lambda counts, _: counts.switch(name, value)


_HEED: Final[Mapping[str, Callable[[Counts, Mapping[str, Any]], None]]] = {
    telemetry.JOB_CLAIMED: Counts.claimed,
    telemetry.JOB_DONE: Counts.done,
    telemetry.JOB_FAILED: Counts.failed,
    telemetry.JOB_CANCELLED: Counts.cancelled,
    telemetry.JOB_DEFERRED: Counts.deferred,
    telemetry.WORKER_READY: Counts.ready,
    telemetry.WORKER_DIED: Counts.died,
    telemetry.WORKER_KILLED: Counts.replaced,
    telemetry.WORKER_RECYCLED: Counts.replaced,
    telemetry.CONFIG_RELOADED: Counts.reloaded,
    telemetry.CONFIG_REFUSED: Counts.refused,
    telemetry.INTERNAL_ERROR: Counts.erred,
    telemetry.DAEMON_HELD: _switch("nstd_held", 1),
    telemetry.DAEMON_RESUMED: _switch("nstd_held", 0),
    telemetry.INBOX_ABSENT: _switch("nstd_inbox_absent", 1),
    telemetry.INBOX_BACK: _switch("nstd_inbox_absent", 0),
}
