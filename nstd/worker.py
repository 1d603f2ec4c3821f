"""The worker process: builds the engine once, then runs one job after another.

The supervisor holds a `Worker`; messages cross a pipe as frozen values, images as files in the
job's work folder. When the supervisor's end of the pipe closes, however it died, the worker ends.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from nstd.domain import Failure, Rendered, internal_failure
from nstd.engine.build import build
from nstd.errors import CancelledError, DeviceAbsentError, DeviceMemoryError, NstdError
from nstd.plugins.chain import Chain

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from nstd.devices import Pin
    from nstd.domain import Iterate, Job
    from nstd.engine.device import Precision
    from nstd.engine.engine import Engine
    from nstd.images import ImageLimits

    class Build(Protocol):
        """As `nstd.engine.build.build`."""

        def __call__(
            self,
            weights_file: Path,
            precision: Precision,
            threads: int,
            *,
            deterministic: bool,
            memory_limit: int | None,
        ) -> Engine:
            """The engine."""
            ...


_PROGRESS_SECONDS = 0.25
_LEAVE_SECONDS = 0.5
_KILL_SECONDS = 5.0
_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Options:
    """What a worker is started with; `log` takes what it writes on stderr, `plugins` are names."""

    pin: Pin
    weights: Path
    precision: Precision
    threads: int
    deterministic: bool
    memory_limit: int | None
    limits: ImageLimits
    log: Path
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine is built; jobs may come."""

    device: str
    precision: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Unable:
    """The engine could not be built; the worker ends."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Begun:
    """A job's images are decoded; what it is likely to take, in seconds and bytes."""

    job_id: str
    seconds: float
    memory: float


@dataclass(frozen=True, slots=True)
class Alive:
    """The job goes on, though its next iteration isn't complete."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A job is alive; also the heartbeat."""

    job_id: str
    iterate: Iterate


@dataclass(frozen=True, slots=True)
class Finished:
    """A job's end, one way or the other, and how long the worker was at it."""

    job_id: str
    outcome: Rendered | Failure
    seconds: float


Message: TypeAlias = Ready | Unable | Begun | Alive | Progress | Finished


@dataclass(frozen=True, slots=True)
class Cancel:
    """To the worker: end the job after the present iteration or tile, if it is still this one."""

    job_id: str


Main: TypeAlias = "Callable[[Connection, Options], None]"


class Worker:
    """The supervisor's side of one worker process.

    Args:
        options: for the process.
        main: the process's main function.
    """

    def __init__(self, options: Options, main: Main) -> None:
        # spawn: a forked child would inherit the supervisor's threads' locks and file locks.
        context = multiprocessing.get_context("spawn")
        self._log = options.log
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=main, args=(theirs, options), name="nstd-worker", daemon=True
        )
        self._process.start()
        theirs.close()

    def last_words(self) -> str:
        """The end of what the process wrote on stderr."""
        with contextlib.suppress(OSError):
            return self._log.read_bytes()[-_LAST_WORDS:].decode(errors="replace")
        return ""

    def send(self, message: Job | Cancel) -> None:
        """Give the worker its next job, or a word on this one; one that is dead says so later."""
        with contextlib.suppress(BrokenPipeError):
            self.connection.send(message)

    def receive(self) -> list[Message]:
        """The messages that have arrived.

        Raises:
            EOFError: the worker has died, and every message from before has been received.
        """
        messages: list[Message] = []
        try:
            while self.connection.poll():
                messages.append(self.connection.recv())
        except (EOFError, OSError) as error:
            if not messages:
                raise EOFError from error
        return messages

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid

    def kill(self) -> int | None:
        """End a process that may not listen any more; returns as `stop` does."""
        self.connection.close()
        return self._end()

    def stop(self) -> int | None:
        """End the process, by force if need be.

        Returns:
            Its exit code; negative for a signal's number.
        """
        self.connection.close()
        self._process.join(_LEAVE_SECONDS)  # an idle worker leaves by itself, a dying one dies
        return self._end()

    def _end(self) -> int | None:
        for end in (self._process.terminate, self._process.kill):
            if self._process.is_alive():
                end()
                self._process.join(_KILL_SECONDS)
        return self._process.exitcode


def serve(connection: Connection, options: Options, build: Build = build) -> None:
    """The process's main function: build the engine, run jobs until the pipe closes.

    Args:
        connection: the supervisor's.
        options: from the supervisor.
        build: makes the engine.
    """
    # The terminal sends Ctrl-C to the whole group; when to stop is the supervisor's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _redirect_stderr(options.log)
    os.environ.update(options.pin.environment)
    started = time.perf_counter()
    try:
        engine = build(
            options.weights,
            options.precision,
            options.threads,
            deterministic=options.deterministic,
            memory_limit=options.memory_limit,
        )
        _check_device(engine.device.name, options.pin)
    except NstdError as error:
        connection.send(Unable(Failure.of(error)))
        return
    plugins = Chain(options.plugins)
    seconds = time.perf_counter() - started
    try:
        connection.send(Ready(engine.device.name, engine.device.precision, seconds))
        while True:
            job = connection.recv()
            if isinstance(job, Cancel):
                continue  # too late: that one is finished
            begun = time.perf_counter()
            outcome = _outcome(job, engine, plugins, options, connection)
            connection.send(Finished(job.job_id, outcome, time.perf_counter() - begun))
    except (EOFError, BrokenPipeError):
        os._exit(0)  # the supervisor is gone; nothing here is worth an orderly exit


def _on_device(rendered: Rendered, pin: Pin) -> Rendered:
    """The answer, with what the manifest says of the device beside its name."""
    gpu = dataclasses.asdict(pin.gpu) if pin.gpu else None
    return dataclasses.replace(rendered, facts={**rendered.facts, "pin": pin.name, "gpu": gpu})


def _heed(connection: Connection, job: Job) -> None:
    """End the job if its owner took it back.

    Raises:
        CancelledError: so it is.
        EOFError: the supervisor is gone.
    """
    while connection.poll():
        if connection.recv() == Cancel(job.job_id):
            raise CancelledError("cancelled while it was running", file=job.name)


def _check_device(name: str, pin: Pin) -> None:
    """Make sure that a pinned GPU is what TensorFlow computes on.

    Raises:
        DeviceAbsentError: it would have computed on something else, silently.
    """
    if pin.gpu is not None and not name.startswith("gpu"):
        raise DeviceAbsentError(
            f"{pin.gpu} is there, but TensorFlow only finds {name}",
            key="device",
            remedy="install nstd[gpu], and a driver that its CUDA accepts",
        )


def _redirect_stderr(path: Path) -> None:
    """Keep the daemon's JSON lines pure: TensorFlow and libtiff write to the descriptor itself."""
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)


def _outcome(
    job: Job, engine: Engine, plugins: Chain, options: Options, connection: Connection
) -> Rendered | Failure:
    from nstd.render import Rendering  # noqa: PLC0415 - see the module's docstring

    side, last = 0, 0.0

    def alive() -> None:
        nonlocal last
        now = time.perf_counter()
        if now - last >= _PROGRESS_SECONDS:
            connection.send(Alive())
            _heed(connection, job)
            last = now

    try:
        rendering = Rendering(job, lambda: engine, options.limits, plugins, alive)
        side = rendering.long_side
        expected = rendering.estimate
        connection.send(Begun(job.job_id, expected.seconds, expected.memory))
        for iterate in rendering:
            now = time.perf_counter()
            if now - last >= _PROGRESS_SECONDS or iterate.iteration + 1 == iterate.planned:
                connection.send(Progress(job.job_id, iterate))
                last = now
            _heed(connection, job)
        return _on_device(rendering.finish(), options.pin)
    except (BrokenPipeError, EOFError):
        raise
    except DeviceMemoryError as error:
        return Failure.of(error, long_side=side)
    except NstdError as error:
        return Failure.of(error)
    except Exception as error:  # noqa: BLE001 - a job's failure must not end the worker
        return internal_failure(error)
