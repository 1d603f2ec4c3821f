"""`nstd demo`: use the real daemon as a user would, on a pair of pictures that come with nstd."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import yaml

from nstd import progress, telemetry
from nstd.engine import weights
from nstd.errors import Disposition, NstdError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_CONTENT, _STYLE = "harbour.jpg", "brushwork.jpg"
# Smaller than the pictures are, so that whoever tries nstd first waits half as long.
_SIDECAR = {"content": _CONTENT, "style": _STYLE, "output": "harbour-painted", "size": 512}
_SHOWN = ("iteration", "planned", "loss", "seconds")


class DemoError(NstdError):
    """The demonstration did not end with a picture."""

    code = "demo"
    disposition = Disposition.FATAL


@dataclass(frozen=True, slots=True)
class Demo:
    """Where the demonstration's results are."""

    picture: Path
    manifest: Path


def run(root: Path, extra: Mapping[str, Any] | None = None) -> Demo:
    """Fetch the weights, start a daemon on `root`, drop the pair, wait, and stop the daemon.

    Args:
        root: made if it isn't there.
        extra: what else the sidecar should say.

    Raises:
        WeightsError: the weights can't be had.
        DemoError: the daemon gave up, or the job failed; the message says why.
    """
    root = root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    with progress.DownloadBar() as bar:
        weights.resolve(None, progress=bar)
    config = root / "config.yaml"
    log = {"level": "debug", "format": "json"}
    settings = {"root": str(root), "settle_seconds": 0.5, "log": log}
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [sys.executable, "-m", "nstd", "run", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:  # noqa: S603 - ourselves
        assert daemon.stderr is not None  # noqa: S101 - asked for above
        try:
            return _watch(_events(daemon.stderr), root / "inbox", {**_SIDECAR, **(extra or {})})
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.stderr.read()


def _watch(events: Iterator[dict[str, Any]], inbox: Path, sidecar: Mapping[str, Any]) -> Demo:
    """Drop the pair once the daemon is up, and follow its log to the result."""
    result: Demo | None = None
    with progress.IterationBar() as bar:
        bar.say("starting the daemon")
        for event in events:
            match event["event"]:
                case telemetry.DAEMON_STARTED:
                    _drop(inbox, sidecar)
                    bar.say("dropped the pair; loading the network")
                case telemetry.JOB_STARTED:
                    bar.say("drafting")
                case telemetry.JOB_PROGRESS:
                    bar.show(**{key: event[key] for key in _SHOWN})
                case telemetry.JOB_DONE:
                    result = Demo(Path(event["result"]), Path(event["manifest"]))
                case telemetry.JOB_RETIRED if result is not None:
                    return result
                case telemetry.JOB_FAILED:
                    raise DemoError(event["message"].rstrip("."), remedy=f"see {event['reason']}")
    raise DemoError("the daemon ended before the picture was done", remedy="see its messages above")


def _drop(inbox: Path, sidecar: Mapping[str, Any]) -> None:
    """Put the pair and its sidecar into an inbox, the sidecar last."""
    for name in (_CONTENT, _STYLE):
        with resources.as_file(resources.files("nstd") / "demo" / name) as path:
            shutil.copyfile(path, inbox / name)
    (inbox / "harbour.yaml").write_text(yaml.safe_dump(dict(sidecar)), encoding="utf-8")


def _events(stream: IO[str]) -> Iterator[dict[str, Any]]:
    """The daemon's log lines; whatever else it says is passed on."""
    for line in stream:
        try:
            yield json.loads(line)
        except ValueError:
            sys.stderr.write(line)
