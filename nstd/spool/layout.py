"""Where the daemon keeps things below the user's folders and its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nstd.folders import FOLDERS
from nstd.spool import files

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.entry import Entry
    from nstd.folders import Folders

CONTROL: Final = ".nstd"
STATUS_FILE: Final = "STATUS.txt"
TEMPORARY: Final = ".tmp"
PAUSED: Final = "paused"  # a fact in the ledger: no job is begun; when that was asked for


def control(folders: Folders) -> Path:
    """`inbox/.nstd`: lock, marker, and what is on its way; on the inbox's own file system."""
    return folders.folder("inbox") / CONTROL


def claimed(folders: Folders) -> Path:
    """`inbox/.nstd/claimed/<job id>/<folder>/NAME.yaml`: survives the loss of the ledger."""
    return control(folders) / "claimed"


def token(folders: Folders, entry: Entry) -> Path:
    """Where a job's sidecar lies between claim and end."""
    return claimed(folders) / entry.job_id / entry.place


def asides(folders: Folders) -> Path:
    """`inbox/.nstd/aside/<job id>/<folder>/NAME`: originals between inbox and done/ or failed/."""
    return control(folders) / "aside"


def aside(folders: Folders, entry: Entry, relative: Path) -> Path:
    """Where an original is looked at before it is filed away."""
    return asides(folders) / entry.job_id / relative


def order(folders: Folders) -> Path:
    """A sidecar that is being written for an image of a hot folder."""
    return control(folders) / f"order{TEMPORARY}"


def work(folders: Folders) -> Path:
    """`work/<job id>/` in the state folder: private copies, and below it each attempt's result."""
    return folders.folder("state") / "work"


def checkpoint(folders: Folders, job_id: str) -> Path:
    """Where a job's checkpoint lies; all of its attempts share it."""
    return work(folders) / job_id / "checkpoint"


def ledger(folders: Folders) -> Path:
    """The ledger."""
    return folders.folder("state") / "ledger.sqlite"


def now_file(folders: Folders) -> Path:
    """`state/now.json`: the daemon at this moment."""
    return folders.folder("state") / "now.json"


def requests(folders: Folders) -> Path:
    """`state/requests`: what commands ask of the daemon."""
    return folders.folder("state") / "requests"


def worker_log(folders: Folders, device: str) -> Path:
    """`state/worker-DEVICE.log`: what the process itself says, TensorFlow's words above all."""
    return folders.folder("state") / f"worker-{device.replace(':', '-').replace('/', '-')}.log"


def staged(folder: Path, job_id: str) -> Path:
    """A job's result in its outbox folder before it has its name."""
    return folder / f".{job_id}.result{TEMPORARY}"


def create_own(folders: Folders) -> None:
    """Make the folders that are not on a share.

    Raises:
        CannotWriteError: naming the folder.
    """
    for folder in (folders.folder("state"), work(folders), requests(folders)):
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)


def create(folders: Folders) -> None:
    """Make every folder that isn't there.

    Raises:
        CannotWriteError: naming the folder.
    """
    for name in FOLDERS:
        with files.writing(folders.folder(name)):
            folders.folder(name).mkdir(parents=True, exist_ok=True)
    for folder in (claimed(folders), asides(folders), work(folders), requests(folders)):
        with files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
