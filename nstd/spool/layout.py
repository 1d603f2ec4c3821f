"""Where the daemon keeps things below the user's folders and its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstd.config import FOLDERS
from nstd.spool import files

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config

CONTROL = ".nstd"


def control(config: Config) -> Path:
    """`inbox/.nstd`: the lock and the claimed sidecars; on the inbox's own file system."""
    return config.folder("inbox") / CONTROL


def claimed(config: Config) -> Path:
    """`inbox/.nstd/claimed/<job id>/<folder>/NAME.yaml`: name and folder survive a crash."""
    return control(config) / "claimed"


def work(config: Config) -> Path:
    """`work/<job id>/` in the state folder: private copies of the inputs, then the result."""
    return config.folder("state") / "work"


def worker_log(config: Config) -> Path:
    """`state/worker.log`: what the worker process itself says, TensorFlow's words above all."""
    return config.folder("state") / "worker.log"


def create(config: Config) -> None:
    """Make every folder that isn't there.

    Raises:
        CannotWriteError: naming the folder and its key in the configuration.
    """
    for name in FOLDERS:
        with files.writing(config.folder(name)):
            config.folder(name).mkdir(parents=True, exist_ok=True)
    for folder in (claimed(config), work(config)):
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
