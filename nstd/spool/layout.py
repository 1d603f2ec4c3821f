"""Where the daemon keeps things below the user's folders and its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nstd.config import FOLDERS
from nstd.spool import files

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config
    from nstd.entry import Entry

CONTROL: Final = ".nstd"
STATUS_FILE: Final = "STATUS.txt"
TEMPORARY: Final = ".tmp"
PAUSED: Final = "paused"  # a fact in the ledger: no job is begun; when that was asked for


def control(config: Config) -> Path:
    """`inbox/.nstd`: lock, marker, and what is on its way; on the inbox's own file system."""
    return config.folder("inbox") / CONTROL


def claimed(config: Config) -> Path:
    """`inbox/.nstd/claimed/<job id>/<folder>/NAME.yaml`: survives the loss of the ledger."""
    return control(config) / "claimed"


def token(config: Config, entry: Entry) -> Path:
    """Where a job's sidecar lies between claim and end."""
    return claimed(config) / entry.job_id / entry.place


def asides(config: Config) -> Path:
    """`inbox/.nstd/aside/<job id>/<folder>/NAME`: originals between inbox and done/ or failed/."""
    return control(config) / "aside"


def aside(config: Config, entry: Entry, relative: Path) -> Path:
    """Where an original is looked at before it is filed away."""
    return asides(config) / entry.job_id / relative


def order(config: Config) -> Path:
    """A sidecar that is being written for an image of a hot folder."""
    return control(config) / f"order{TEMPORARY}"


def work(config: Config) -> Path:
    """`work/<job id>/` in the state folder: private copies, and below it each attempt's result."""
    return config.folder("state") / "work"


def checkpoint(config: Config, job_id: str) -> Path:
    """Where a job's checkpoint lies; all of its attempts share it."""
    return work(config) / job_id / "checkpoint"


def ledger(config: Config) -> Path:
    """The ledger."""
    return config.folder("state") / "ledger.sqlite"


def now_file(config: Config) -> Path:
    """`state/now.json`: the daemon at this moment."""
    return config.folder("state") / "now.json"


def requests(config: Config) -> Path:
    """`state/requests`: what commands ask of the daemon."""
    return config.folder("state") / "requests"


def worker_log(config: Config, device: str) -> Path:
    """`state/worker-DEVICE.log`: what the process itself says, TensorFlow's words above all."""
    return config.folder("state") / f"worker-{device.replace(':', '-').replace('/', '-')}.log"


def staged(folder: Path, job_id: str) -> Path:
    """A job's result in its outbox folder before it has its name."""
    return folder / f".{job_id}.result{TEMPORARY}"


def create_own(config: Config) -> None:
    """Make the folders that are not on a share.

    Raises:
        CannotWriteError: naming the folder.
    """
    for folder in (config.folder("state"), work(config), requests(config)):
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)


def create(config: Config) -> None:
    """Make every folder that isn't there.

    Raises:
        CannotWriteError: naming the folder.
    """
    for name in FOLDERS:
        with files.writing(config.folder(name)):
            config.folder(name).mkdir(parents=True, exist_ok=True)
    for folder in (claimed(config), asides(config), work(config), requests(config)):
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
