"""One tiny job on a device, in the worker process that the daemon itself would start."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nstd import crew, worker
from nstd.domain import Failure, Job, WeightedFile
from nstd.errors import EngineUnavailableError
from nstd.params import StyleParams

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.devices import Pin

# Importing TensorFlow and compiling take a minute on a slow disk with a new GPU, not five.
_PATIENCE = 300.0
_SIDE = 48
_PICTURES = ("harbour.jpg", "brushwork.jpg")

_Kind = TypeVar("_Kind", worker.Ready, worker.Finished)


@dataclass(frozen=True, slots=True)
class Smoke:
    """What came of it.

    Attributes:
        device: as the worker calls it.
        precision: of the convolutions.
        loading: seconds from the process's start until its engine was built.
        job: seconds of the job, compilation included.
    """

    device: str
    precision: str
    loading: float
    job: float


def run(config: Config, weights: Path, pin: Pin, main: worker.Main = worker.serve) -> Smoke:
    """Start a worker, give it one iteration of `fast`, and end it.

    Args:
        config: for precision and threads.
        weights: the verified weights file.
        pin: the device.
        main: the worker process's main function.

    Raises:
        EngineUnavailableError: the worker died, hung, or could not build its engine or do the job.
    """
    with tempfile.TemporaryDirectory(prefix="nstd-check-") as folder:
        options = crew.options(config, weights, pin)
        options = dataclasses.replace(options, log=Path(folder) / "worker.log")
        process = worker.Worker(options, main)
        try:
            ready = _wait(process, worker.Ready)
            process.send(_job(Path(folder)))
            finished = _wait(process, worker.Finished)
        finally:
            process.stop()
        if isinstance(finished.outcome, Failure):
            raise EngineUnavailableError(finished.outcome.message.rstrip("."))
        return Smoke(ready.device, ready.precision, ready.seconds, finished.seconds)


def _wait(process: worker.Worker, kind: type[_Kind]) -> _Kind:
    """The next message of a kind."""
    deadline = time.monotonic() + _PATIENCE
    while process.connection.poll(max(0.0, deadline - time.monotonic())):
        try:
            messages = process.receive()
        except EOFError:
            said = process.last_words().strip().splitlines()
            code = process.stop()
            last = f": {said[-1]}" if said else ""
            raise EngineUnavailableError(f"the worker died (exit code {code}){last}") from None
        for message in messages:
            if isinstance(message, worker.Unable):
                raise EngineUnavailableError(message.failure.message.rstrip("."))
            if isinstance(message, kind):
                return message
    raise EngineUnavailableError(f"the worker said nothing for {_PATIENCE:.0f} s")


def _job(folder: Path) -> Job:
    """The demonstration's pictures, made small."""
    pictures = [Path(str(resources.files("nstd") / "demo" / name)) for name in _PICTURES]
    content, style = (WeightedFile(path, path.name, 1.0) for path in pictures)
    params = StyleParams.parse({"preset": "fast", "size": _SIDE, "iterations": 1})
    work = folder / "work"
    work.mkdir()
    return Job("check", "check", work, content, (style,), params)
