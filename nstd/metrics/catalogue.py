"""Every metric, defined once; docs/metrics.md is made from this.

Each label has few values: of a closed set, or a device of the configuration. Jobs, files and
messages are for the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from prometheus_client import Counter, Gauge, Histogram

from nstd.entry import State
from nstd.errors import NstdError
from nstd.recipes import PRESETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client import CollectorRegistry

UNKNOWN: Final = "unknown"
OUTCOMES: Final = ("done", "duplicate", "failed", "cancelled")
STAGES: Final = (
    "queued",
    "wait",
    "handover",
    "load",
    "draft",
    "targets",
    "optimise",
    "encode",
    "publish",
)
UNSETTLED: Final = tuple(str(state) for state in State if state is not State.RETIRED)
CAUSES: Final = (
    "died",
    "limits.stall_seconds",
    "limits.begin_seconds",
    "limits.job_timeout_seconds",
    "limits.worker_jobs",
    "limits.worker_bytes",
    "out_of_memory",
    UNKNOWN,
)
FOLDERS: Final = ("state", "outbox")
SOURCES: Final = ("ledger", "disk", "driver")
PRESET_NAMES: Final = (*PRESETS, UNKNOWN)


def _codes(error: type[NstdError]) -> set[str]:
    return {error.code}.union(*map(_codes, error.__subclasses__()))


CODES: Final = (*sorted(_codes(NstdError) | {"internal"}), UNKNOWN)
_DEVICE = "as `device` in the configuration has it"
_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4)
_ITERATION_SECONDS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: with its unit; a counter's ends in `_total`.
        kind: a `sample` is a gauge that is measured when Prometheus asks.
        help: what it tells.
        labels: (name, values), or what the values are where the configuration says it.
        buckets: upper bounds of a histogram's.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "sample"]
    help: str
    labels: tuple[tuple[str, tuple[str, ...] | str], ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """Without their values."""
        return tuple(name for name, _ in self.labels)


CATALOGUE: Final = (
    Metric(
        "nstd_build_info",
        "gauge",
        "Always 1; the labels say what runs.",
        (
            ("version", "nstd's"),
            ("tensorflow", "TensorFlow's version"),
            ("python", "Python's version"),
        ),
    ),
    Metric("nstd_jobs_claimed_total", "counter", "Jobs that were taken from the inbox."),
    Metric(
        "nstd_jobs_total",
        "counter",
        "Jobs that ended, since the daemon started.",
        (("outcome", OUTCOMES), ("preset", PRESET_NAMES)),
    ),
    Metric(
        "nstd_job_failures_total",
        "counter",
        "Failed jobs by the code that their reason files and the log have too.",
        (("code", CODES),),
    ),
    Metric(
        "nstd_job_retries_total", "counter", "Attempts that failed and left their job another one."
    ),
    Metric(
        "nstd_job_stage_seconds",
        "histogram",
        "What each stage of a job took. `queued` and `wait` are the queue, `handover` is the way "
        "to the worker and back.",
        (("stage", STAGES),),
        _SECONDS,
    ),
    Metric(
        "nstd_iterations_total",
        "counter",
        "Iterations of jobs that are done.",
        (("preset", PRESET_NAMES),),
    ),
    Metric(
        "nstd_iteration_seconds",
        "histogram",
        "Seconds an iteration, one mean for each job that is done.",
        (("preset", PRESET_NAMES),),
        _ITERATION_SECONDS,
    ),
    Metric(
        "nstd_last_done_timestamp_seconds",
        "gauge",
        "When a job was last done; 0 if none was since the daemon started.",
    ),
    Metric(
        "nstd_worker_ready",
        "gauge",
        "1 while the device's worker has an engine, 0 while it hasn't.",
        (("device", _DEVICE),),
    ),
    Metric(
        "nstd_worker_restarts_total",
        "counter",
        "Workers that died, were killed or were replaced, and why.",
        (("device", _DEVICE), ("cause", CAUSES)),
    ),
    Metric("nstd_held", "gauge", "1 while no job is begun because a resource is missing."),
    Metric("nstd_inbox_absent", "gauge", "1 while the inbox isn't there."),
    Metric(
        "nstd_config_reloads_total",
        "counter",
        "Configurations that were read again.",
        (("outcome", ("accepted", "refused")),),
    ),
    Metric(
        "nstd_internal_errors_total", "counter", "Mistakes of nstd's own; the log has tracebacks."
    ),
    Metric("nstd_queue_jobs", "sample", "Jobs that wait for a worker."),
    Metric(
        "nstd_queue_oldest_seconds",
        "sample",
        "How long the one that was taken first has waited; 0 if none waits.",
    ),
    Metric("nstd_paused", "sample", "1 while no job is begun because somebody asked for that."),
    Metric(
        "nstd_unsettled_jobs",
        "sample",
        "Jobs with something left to do, by state.",
        (("state", UNSETTLED),),
    ),
    Metric(
        "nstd_disk_free_bytes",
        "sample",
        "What is free for nstd's user where a folder lies.",
        (("folder", FOLDERS),),
    ),
    Metric(
        "nstd_disk_least_bytes",
        "sample",
        "With less than this left, jobs wait: `limits.min_free_bytes`.",
    ),
    Metric(
        "nstd_device_memory_bytes",
        "sample",
        "A GPU's memory. Nothing on a CPU.",
        (("device", _DEVICE),),
    ),
    Metric(
        "nstd_device_memory_used_bytes",
        "sample",
        "What all programs together have taken of it.",
        (("device", _DEVICE),),
    ),
    Metric(
        "nstd_device_utilisation_ratio",
        "sample",
        "Share of the last moment in which a GPU computed, 0 to 1, as its driver tells it.",
        (("device", _DEVICE),),
    ),
    Metric(
        "nstd_scrape_problem",
        "sample",
        "1 if a source couldn't be asked just now, so that its metrics are missing.",
        (("source", SOURCES),),
    ),
)
BY_NAME: Final[Mapping[str, Metric]] = {metric.name: metric for metric in CATALOGUE}


def register(registry: CollectorRegistry) -> dict[str, Any]:
    """The metrics that are kept between two scrapes, each under its name.

    Those with closed sets of label values begin with 0 for each, so that a rate is known from the
    first event on.
    """
    kept: dict[str, Any] = {}
    for metric in CATALOGUE:
        if metric.kind == "sample":
            continue
        named = (metric.name, metric.help, metric.label_names)
        if metric.kind == "histogram":
            kept[metric.name] = Histogram(*named, registry=registry, buckets=metric.buckets)
        else:
            kind = Counter if metric.kind == "counter" else Gauge
            kept[metric.name] = kind(*named, registry=registry)
        for values in _combinations(metric):
            kept[metric.name].labels(*values)
    return kept


def _combinations(metric: Metric) -> list[tuple[str, ...]]:
    """Every combination of label values, if they are known beforehand."""
    found: list[tuple[str, ...]] = [()]
    for _, values in metric.labels:
        if isinstance(values, str):
            return []
        found = [(*before, value) for before in found for value in values]
    return found if metric.labels else []


def known(value: object, values: tuple[str, ...]) -> str:
    """A label's value, or `unknown`: whatever an event says, labels stay few."""
    return value if isinstance(value, str) and value in values else UNKNOWN
