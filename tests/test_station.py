"""A station: a worker process that dies before it is ready, again and again."""

from __future__ import annotations

import functools
import itertools
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from jobs import an_entry

from nstd import telemetry, worker
from nstd.devices import Gpu, Pin
from nstd.domain import Failure, Job, Rendered
from nstd.errors import DeviceAbsentError, EngineUnavailableError, WorkerStalledError
from nstd.images import ImageLimits
from nstd.params import StyleParams
from nstd.station import Station

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

    from clocks import Clock

CPU = Pin("cpu", (("CUDA_VISIBLE_DEVICES", "-1"),))
ABSENT = Pin("gpu:0", (("NSTD_TEST_PIN", "GPU-1"),), Gpu(0, "GPU-1", "imagined", 2**30, "9.0"))
PATIENCE = 30.0


def dying(lives: Path, connection: Connection, options: worker.Options) -> None:
    """End before being ready, as often as the file says; then be a worker."""
    left = int(lives.read_text())
    if left:
        lives.write_text(str(left - 1))
        os._exit(7)
    import copying_engine  # noqa: PLC0415 - in the worker only

    worker.serve(connection, options, copying_engine.build)


def options(folder: Path, pin: Pin = CPU) -> worker.Options:
    """Start a worker with nothing but a log."""
    return worker.Options(
        pin=pin,
        weights=folder / "none",
        precision="auto",
        threads=0,
        deterministic=False,
        memory_limit=None,
        limits=ImageLimits(),
        log=folder / "worker.log",
    )


def make_station(folder: Path, main: worker.Main, pin: Pin = CPU, **changes: Any) -> Station:
    """Make a station of a kind of worker."""
    settings: dict[str, Any] = {
        "stall_seconds": 9.0,
        "begin_seconds": 99.0,
        "job_seconds": None,
        "tries": 3,
        **changes,
    }
    return Station(options(folder, pin), main, **settings)


def mortal(folder: Path, lives: int) -> worker.Main:
    """Make a kind of worker whose first ones die."""
    count = folder / "lives"
    count.write_text(str(lives))
    return functools.partial(dying, count)


def tend(station: Station) -> None:
    """Keep it going until a worker is ready."""
    deadline = time.monotonic() + PATIENCE
    while not station.is_ready:
        assert time.monotonic() < deadline
        station.start()
        for _ in station.hear():
            raise AssertionError("it has no job to speak of")
        time.sleep(0.02)


def test_a_worker_that_dies_at_first_is_replaced_after_a_rest(tmp_path: Path) -> None:
    """Each death makes the rest longer, and the first readiness ends the count."""
    station = make_station(tmp_path, mortal(tmp_path, 1))
    started = time.monotonic()
    tend(station)
    assert time.monotonic() - started >= 1.0, "it was given a rest"
    assert station.deaths == 0
    assert station.is_idle
    assert station.resident_bytes() > 10 * 2**20
    assert station.stop() is None


def sleeping(connection: Connection, options: worker.Options) -> None:
    """Never be ready."""
    del connection, options
    time.sleep(1e6)


def test_a_worker_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    """36. Its start may hang too; that counts as a death before it was ready."""
    station = make_station(tmp_path, sleeping, begin_seconds=0.5, tries=2)
    with pytest.raises(EngineUnavailableError, match=r"died 2 times .* \(killed\)"):
        tend(station)


def test_an_engine_that_can_never_be_built_is_an_error(tmp_path: Path) -> None:
    """After as many deaths as a job may have, none of them ready before."""
    station = make_station(tmp_path, mortal(tmp_path, 9), tries=2)
    with pytest.raises(EngineUnavailableError, match="died 2 times before it was ready"):
        tend(station)


def test_a_gpu_that_tensorflow_does_not_find_is_an_error(tmp_path: Path) -> None:
    """38. The driver tells of it, but the engine would have computed on the CPU."""
    station = make_station(tmp_path, mortal(tmp_path, 0), ABSENT)
    with pytest.raises(DeviceAbsentError, match="TensorFlow only finds cpu"):
        tend(station)


def losing_it(first: Path, connection: Connection, options: worker.Options) -> None:
    """Have the device for one worker's life, and not for the next one's."""
    if first.exists():
        connection.send(worker.Unable(Failure.of(DeviceAbsentError("TensorFlow only finds cpu"))))
        return
    first.touch()
    computing_on_it(connection, options)


def test_a_device_that_is_lost_later_is_given_rests(tmp_path: Path, clock: Clock) -> None:
    """The other devices go on; it may come back."""
    station = make_station(tmp_path, functools.partial(losing_it, tmp_path / "first"), clock=clock)
    tend(station)
    station.recycle("limits.worker_jobs", "it has done enough")
    with structlog.testing.capture_logs() as logged:
        station.start()
        deadline = time.monotonic() + PATIENCE
        while not station.deaths:
            assert time.monotonic() < deadline
            list(station.hear())
            time.sleep(0.02)
    assert station.condition == "resting"
    events = [line["event"] for line in logged]
    assert events == [telemetry.WORKER_UNABLE, telemetry.WORKER_DIED, telemetry.WORKER_UNHEALTHY]


def computing_on_it(connection: Connection, options: worker.Options) -> None:
    """Say that the engine is on the GPU, and be at hand."""
    del options
    connection.send(worker.Ready("gpu:0 (imagined)", "bfloat16", 0.1))
    time.sleep(1e6)


def test_the_gpu_that_it_is_pinned_to_is_logged(tmp_path: Path) -> None:
    """Name, memory and compute capability, as soon as the worker is ready."""
    station = make_station(tmp_path, computing_on_it, ABSENT)
    with structlog.testing.capture_logs() as logged:
        tend(station)
    (ready,) = (line for line in logged if line["event"] == telemetry.WORKER_READY)
    assert (ready["pin"], ready["device"]) == ("gpu:0", "gpu:0 (imagined)")
    assert ready["gpu"] == "gpu:0 imagined (1 GiB, compute capability 9.0, GPU-1)"
    station.stop()


def test_the_manifest_tells_of_the_gpu(tmp_path: Path) -> None:
    """All that the driver told of it; nothing where the worker is on the CPU."""
    rendered = Rendered(tmp_path / "a.png", "0" * 64, 64, 48, {"device": "gpu:0 (imagined)"})
    facts = worker._on_device(rendered, ABSENT).facts
    assert facts["device"] == "gpu:0 (imagined)"
    assert facts["pin"] == "gpu:0"
    assert facts["gpu"] == {
        "index": 0,
        "uuid": "GPU-1",
        "name": "imagined",
        "memory": 2**30,
        "capability": "9.0",
    }
    assert worker._on_device(rendered, CPU).facts["gpu"] is None


def painting_tiles(heard: Path, connection: Connection, options: worker.Options) -> None:
    """Give a sign of life for each message after the first, and write down how many."""
    del options
    connection.send(worker.Ready("cpu", "float32", 0.1))
    connection.recv()
    for number in itertools.count(1):
        connection.recv()
        connection.send(worker.Alive())
        heard.write_text(str(number))


def test_tiles_are_signs_of_life(tmp_path: Path, clock: Clock) -> None:
    """36. A first iteration may take as long as it likes while its tiles come."""
    heard = tmp_path / "heard"
    main = functools.partial(painting_tiles, heard)
    station = make_station(tmp_path, main, begin_seconds=5.0, clock=clock)
    tend(station)
    station.give(an_entry("a"), Job("a", "a", tmp_path, None, (), StyleParams()))
    for number in range(1, 5):
        station.cancel()  # any message will do
        deadline = time.monotonic() + PATIENCE
        while not (heard.exists() and heard.read_text() == str(number)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        clock.now += 4.0
        assert list(station.hear()) == []
    clock.now += 6.0
    (error,) = station.hear()
    assert isinstance(error, WorkerStalledError)
