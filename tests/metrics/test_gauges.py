"""What is measured when Prometheus asks."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from jobs import queued

from nstd import devices
from nstd.entry import State
from nstd.metrics import gauges
from nstd.metrics.gauges import Gauges
from nstd.spool import layout

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from nstd.config import Config
    from nstd.spool.desk import Desk

ONE = "0, GPU-8f2c, NVIDIA H100 80GB HBM3, 81559, 9.0\n"
CPU = devices.pins("cpu", ())


def values(found: Gauges) -> dict[tuple[str, ...], float]:
    """Collect the samples: name and label values to value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in found.collect()
        for sample in family.samples
    }


def test_the_queue_is_counted(desk: Desk) -> None:
    """Those that wait, and since when; a running job doesn't wait."""
    first, second = queued(desk, "first"), queued(desk, "second")
    desk.ledger.advance(first, state=State.RUNNING)
    time.sleep(0.05)
    found = values(Gauges(desk.config, CPU))
    assert found["nstd_queue_jobs",] == 1
    assert found["nstd_unsettled_jobs", "running"] == 1
    assert found["nstd_unsettled_jobs", "queued"] == 1
    assert 0.05 <= found["nstd_queue_oldest_seconds",] < 60
    desk.ledger.advance(second, state=State.FAILED, settled=True)
    found = values(Gauges(desk.config, CPU))
    assert found["nstd_queue_jobs",] == 0
    assert found["nstd_queue_oldest_seconds",] == 0
    assert found["nstd_scrape_problem", "ledger"] == 0


def test_a_pause_is_told_as_long_as_it_lasts(desk: Desk) -> None:
    """It is a fact in the ledger, which outlives the daemon."""
    gauge = Gauges(desk.config, CPU)
    assert values(gauge)["nstd_paused",] == 0
    desk.ledger.set_fact(layout.PAUSED, "1700000000.0")
    assert values(gauge)["nstd_paused",] == 1
    desk.ledger.set_fact(layout.PAUSED, "")
    assert values(gauge)["nstd_paused",] == 0


def test_disks_tell_what_is_free_to_this_user(desk: Desk) -> None:
    """Where the state folder and the outbox lie, beside the limit."""
    found = values(Gauges(desk.config, CPU))
    for folder in ("state", "outbox"):
        assert found["nstd_disk_free_bytes", folder] > 0
    assert found["nstd_disk_least_bytes",] == desk.config.limits.min_free_bytes
    assert not [name for name, *_ in found if name.startswith("nstd_device")]


def test_sources_that_do_not_answer_are_said(config: Config) -> None:
    """No ledger, no folders: their metrics are left out, and are not zero."""
    found = values(Gauges(config, CPU))
    assert found["nstd_scrape_problem", "ledger"] == 1
    assert found["nstd_scrape_problem", "disk"] == 1
    assert found["nstd_scrape_problem", "driver"] == 0
    assert {name for name, *_ in found} == {"nstd_scrape_problem"}
    assert not layout.ledger(config).exists()


def test_a_gpu_tells_what_its_driver_tells(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes and shares, under the name that the configuration has."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU-8f2c, 61035, 97'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    gpu = Gauges(desk.config, devices.pins("gpu:0", devices.parse(ONE)))
    found = values(gpu)
    assert found["nstd_device_memory_bytes", "gpu:0"] == 81559 * 2**20
    assert found["nstd_device_memory_used_bytes", "gpu:0"] == 61035 * 2**20
    assert found["nstd_device_utilisation_ratio", "gpu:0"] == 0.97
    program.write_text("#!/bin/sh\nexit 9\n")
    found = values(gpu)
    assert found["nstd_scrape_problem", "driver"] == 1
    assert ("nstd_device_memory_used_bytes", "gpu:0") not in found


def test_a_source_that_hangs_keeps_only_itself(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one scrape waits for the driver, the next has everything else."""
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\necho x > {tmp_path}/asked\nsleep 1\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(gauges, "_TURN_SECONDS", 0.01)
    gpu = Gauges(desk.config, devices.pins("gpu:0", devices.parse(ONE)))
    first = threading.Thread(target=values, args=[gpu])
    first.start()
    while not (tmp_path / "asked").exists():
        time.sleep(0.01)
    found = values(gpu)
    first.join()
    assert found["nstd_scrape_problem", "driver"] == 1
    assert found["nstd_scrape_problem", "ledger"] == 0
    assert found["nstd_queue_jobs",] == 0
