"""What becomes of events."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from nstd import telemetry
from nstd.metrics.catalogue import CATALOGUE
from nstd.metrics.counts import Counts

DONE: dict[str, Any] = {
    "job_id": "1",
    "name": "sea/harbour",
    "preset": "fast",
    "duplicate_of": None,
    "iterations": 120,
    "seconds": {"queued": 4.0, "optimise": 20.0, "encode": 0.05},
    "seconds_per_iteration": 0.16,
}


class Counted:
    """Counts in a registry of their own, and what it holds."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.counts = Counts(self.registry)

    def __call__(self, event: str, **fields: object) -> None:
        """Tell of an event."""
        self.counts(event, fields)

    def value(self, name: str, **labels: str) -> float | None:
        """Look up a sample."""
        return self.registry.get_sample_value(name, labels)


@pytest.fixture
def counted() -> Counted:
    """Count from zero."""
    return Counted()


def test_a_done_job_counts_with_its_stages_and_iterations(counted: Counted) -> None:
    """Everything that the canonical line says."""
    counted(telemetry.JOB_CLAIMED)
    counted(telemetry.JOB_DONE, **DONE)
    assert counted.value("nstd_jobs_claimed_total") == 1
    assert counted.value("nstd_jobs_total", outcome="done", preset="fast") == 1
    assert counted.value("nstd_iterations_total", preset="fast") == 120
    assert counted.value("nstd_job_stage_seconds_sum", stage="optimise") == 20.0
    assert counted.value("nstd_job_stage_seconds_bucket", stage="encode", le="0.1") == 1
    assert counted.value("nstd_job_stage_seconds_bucket", stage="encode", le="0.03") == 0
    assert counted.value("nstd_iteration_seconds_sum", preset="fast") == 0.16
    assert (counted.value("nstd_last_done_timestamp_seconds") or 0) > 1e9


def test_a_draft_has_no_iterations(counted: Counted) -> None:
    """None is no measurement."""
    told = {**DONE, "preset": "draft", "iterations": 0, "seconds_per_iteration": None}
    counted(telemetry.JOB_DONE, **told)
    assert counted.value("nstd_jobs_total", outcome="done", preset="draft") == 1
    assert counted.value("nstd_iteration_seconds_count", preset="draft") == 0


def test_a_duplicate_is_an_outcome_of_its_own(counted: Counted) -> None:
    """Its iterations are those of the job that it repeats, and were counted then."""
    counted(telemetry.JOB_DONE, **{**DONE, "duplicate_of": "0"})
    assert counted.value("nstd_jobs_total", outcome="duplicate", preset="fast") == 1
    assert counted.value("nstd_jobs_total", outcome="done", preset="fast") == 0
    assert counted.value("nstd_iterations_total", preset="fast") == 0
    assert counted.value("nstd_job_stage_seconds_count", stage="queued") == 0


def test_failures_count_by_code(counted: Counted) -> None:
    """A sidecar that can't be understood has no preset; a code that nobody knows makes no label."""
    counted(telemetry.JOB_FAILED, preset=None, code="sidecar")
    counted(telemetry.JOB_FAILED, preset="classic", code="a plug-in's own")
    counted(telemetry.JOB_CANCELLED, preset="fast")
    counted(telemetry.JOB_DEFERRED)
    assert counted.value("nstd_jobs_total", outcome="failed", preset="unknown") == 1
    assert counted.value("nstd_jobs_total", outcome="failed", preset="classic") == 1
    assert counted.value("nstd_jobs_total", outcome="cancelled", preset="fast") == 1
    assert counted.value("nstd_job_failures_total", code="sidecar") == 1
    assert counted.value("nstd_job_failures_total", code="unknown") == 1
    assert counted.value("nstd_job_retries_total") == 1


def test_workers_are_ready_until_they_end(counted: Counted) -> None:
    """And every end has its cause."""
    counted.counts.follow({"cpu"})
    assert counted.value("nstd_worker_ready", device="cpu") == 0
    counted(telemetry.WORKER_READY, pin="cpu")
    assert counted.value("nstd_worker_ready", device="cpu") == 1
    counted(telemetry.WORKER_DIED, pin="cpu", exit_code=-9)
    assert counted.value("nstd_worker_ready", device="cpu") == 0
    counted(telemetry.WORKER_KILLED, pin="cpu", cause="limits.stall_seconds")
    counted(telemetry.WORKER_RECYCLED, pin="cpu", cause="out_of_memory")
    causes = ("died", "limits.stall_seconds", "out_of_memory", "limits.worker_jobs")
    restarts = [
        counted.value("nstd_worker_restarts_total", device="cpu", cause=cause) for cause in causes
    ]
    assert restarts == [1, 1, 1, 0]


def test_a_new_configuration_changes_the_devices(counted: Counted) -> None:
    """Those that are gone leave no series behind; new ones begin; the others go on."""
    counted.counts.follow({"cpu:0", "cpu:1"})
    counted(telemetry.WORKER_DIED, pin="cpu:0")
    counted(telemetry.WORKER_READY, pin="cpu:0")
    counted.counts.follow({"cpu:0", "cpu:2"})
    counted(telemetry.CONFIG_RELOADED, workers="replaced")
    counted(telemetry.WORKER_DIED, pin="cpu:1")
    assert counted.value("nstd_worker_ready", device="cpu:0") == 0
    assert counted.value("nstd_worker_ready", device="cpu:1") is None
    assert counted.value("nstd_worker_ready", device="cpu:2") == 0
    assert counted.value("nstd_worker_restarts_total", device="cpu:0", cause="died") == 1
    assert counted.value("nstd_config_reloads_total", outcome="accepted") == 1


def test_what_is_amiss_shows_until_it_is_mended(counted: Counted) -> None:
    """A missing resource, a missing inbox."""
    counted(telemetry.DAEMON_HELD, reason="disk")
    counted(telemetry.INBOX_ABSENT)
    assert counted.value("nstd_held") == 1
    assert counted.value("nstd_inbox_absent") == 1
    counted(telemetry.DAEMON_RESUMED)
    counted(telemetry.INBOX_BACK)
    assert counted.value("nstd_held") == 0
    assert counted.value("nstd_inbox_absent") == 0
    counted(telemetry.CONFIG_REFUSED, reason="x")
    counted(telemetry.INTERNAL_ERROR)
    assert counted.value("nstd_config_reloads_total", outcome="refused") == 1
    assert counted.value("nstd_internal_errors_total") == 1


def test_no_event_of_the_catalogue_can_break_the_log(counted: Counted) -> None:
    """A listener must not raise, whatever fields an event has."""
    events = [value for name, value in vars(telemetry).items() if name.isupper()]
    for event, fields in itertools.product(
        events, [{}, {"preset": 7, "code": [], "pin": [], "cause": {}, "seconds": None}]
    ):
        counted.counts(event, fields)
    assert counted.value("nstd_jobs_claimed_total") == 2


def test_rates_are_known_from_the_first_event_on(counted: Counted) -> None:
    """Every series of a closed set is there, at zero, before anything has happened."""
    assert counted.value("nstd_jobs_total", outcome="failed", preset="quality") == 0
    closed = [
        metric
        for metric in CATALOGUE
        if metric.kind == "counter"
        and all(isinstance(values, tuple) for _, values in metric.labels)
    ]
    assert len(closed) > 5
    for metric in closed:
        labels = {name: values[-1] for name, values in metric.labels}
        assert counted.value(metric.name, **labels) == 0
