"""Every error that nstd raises on purpose.

Each class carries its consequence: `disposition` tells the daemon what becomes of the job,
`exit_code` tells the shell, and `code` is the stable name that logs, reason files and manifests
use. An instance says what is wrong, in which file, at which key, and what to do about it.
"""

from __future__ import annotations

import errno
from enum import StrEnum
from typing import ClassVar


class Disposition(StrEnum):
    """What happens to a job after an error."""

    RETRY = "retry"  # try again, later
    QUARANTINE = "quarantine"  # move it to failed/ with a reason
    HOLD = "hold"  # wait until a resource is back; the job is not to blame
    FATAL = "fatal"  # the daemon can't go on


class NstdError(Exception):
    """Base of the tree; never raised itself.

    Args:
        what: what is wrong, a clause without a final full stop.
        file: name of the file to blame, as its owner knows it.
        key: key or option within that file.
        remedy: what to do about it, a clause without a final full stop.
    """

    code: ClassVar[str] = "error"
    disposition: ClassVar[Disposition] = Disposition.QUARANTINE
    exit_code: ClassVar[int] = 1

    def __init__(
        self, what: str, *, file: str | None = None, key: str | None = None, remedy: str = ""
    ) -> None:
        super().__init__(what)
        self.what = what
        self.file = file
        self.key = key
        self.remedy = remedy

    def __str__(self) -> str:
        """One paragraph: file: key: what. Remedy."""
        place = "".join(f"{part}: " for part in (self.file, self.key) if part)
        remedy = self.remedy
        if remedy.split(" ")[0].isalpha():  # a sentence; not a path or an option
            remedy = remedy[0].upper() + remedy[1:]
        stop = "" if self.what.endswith("?") else "."
        return f"{place}{self.what}{stop}" + (f" {remedy}." if remedy else "")


class UsageError(NstdError):
    """The command line asks for something that can't be done."""

    code = "usage"
    disposition = Disposition.FATAL
    exit_code = 2


class ConfigError(NstdError):
    """The configuration is wrong."""

    code = "config"
    disposition = Disposition.FATAL
    exit_code = 78


class DeviceAbsentError(NstdError):
    """A device that a worker is pinned to isn't there."""

    code = "device_absent"
    disposition = Disposition.FATAL
    exit_code = 69


class CannotListenError(NstdError):
    """An address that nstd is to answer at isn't to be had."""

    code = "cannot_listen"
    disposition = Disposition.FATAL
    exit_code = 69

    @classmethod
    def of(
        cls, error: OSError, section: str, address: str, port: int, *, other: str = ""
    ) -> CannotListenError:
        """What the system said of an address and port of a section of the configuration.

        Args:
            error: as it was raised.
            section: of the configuration.
            address: that it names.
            port: likewise.
            other: what the port may be instead of another number, if anything.
        """
        is_port = error.errno in {errno.EADDRINUSE, errno.EACCES}
        return cls(
            f"can't listen on {address} port {port}: {error.strerror}",
            key=f"{section}.{'port' if is_port else 'address'}",
            remedy=f"name another port{other}"
            if is_port
            else "name an address of this machine, such as 127.0.0.1",
        )


class ExtraAbsentError(NstdError):
    """What a command needs is an extra that isn't installed."""

    code = "extra_absent"
    disposition = Disposition.FATAL
    exit_code = 69


class LedgerNewerError(NstdError):
    """A later version of nstd has written the ledger."""

    code = "ledger_newer"
    disposition = Disposition.FATAL
    exit_code = 78


class LedgerAbsentError(NstdError):
    """There is no ledger where the configuration says."""

    code = "ledger_absent"
    disposition = Disposition.FATAL
    exit_code = 78


class LedgerDamagedError(NstdError):
    """The ledger can't be read as one."""

    code = "ledger_damaged"
    disposition = Disposition.FATAL
    exit_code = 73


class LockedError(NstdError):
    """Another daemon holds this inbox or this state folder."""

    code = "locked"
    disposition = Disposition.FATAL
    exit_code = 75


class CannotWriteError(NstdError):
    """A folder that nstd must write to refuses."""

    code = "cannot_write"
    disposition = Disposition.HOLD
    exit_code = 73


class InboxAbsentError(NstdError):
    """The inbox isn't there, or another folder is in its place."""

    code = "inbox_absent"
    disposition = Disposition.HOLD
    exit_code = 73


class InputError(NstdError):
    """Something the user dropped can't be used as it is."""

    code = "input"


class SidecarError(InputError):
    """The sidecar isn't valid."""

    code = "sidecar"


class ParamsError(InputError):
    """A parameter is unknown or out of range."""

    code = "params"
    exit_code = 2


class MissingInputError(InputError):
    """The sidecar names an image that isn't there, or that may not be read."""

    code = "missing_input"


class ImageError(InputError):
    """An image can't be decoded."""

    code = "image"


class ImageTooLargeError(ImageError):
    """An image exceeds the limits on bytes or pixels."""

    code = "image_too_large"


class ImageTooSmallError(ImageError):
    """An image has no position left at the deepest layer of the network."""

    code = "image_too_small"


class TooLargeError(InputError):
    """A transfer would take more memory than it may."""

    code = "too_large"


class NameTakenError(InputError):
    """The result's name is taken, and the configuration doesn't let it have another."""

    code = "name_taken"


class CancelledError(NstdError):
    """The job's owner took it back."""

    code = "cancelled"


class JobFailedError(NstdError):
    """The job that a command has waited for has no result."""

    code = "job_failed"


class RequestRefusedError(NstdError):
    """What a command has asked for can't be done."""

    code = "request_refused"


class InputChangedError(NstdError):
    """An input changed while it was being claimed."""

    code = "input_changed"
    disposition = Disposition.RETRY


class UntouchableError(NstdError):
    """A sidecar lies in a folder that the daemon may read but not change."""

    code = "untouchable"
    disposition = Disposition.RETRY


class WeightsError(NstdError):
    """The network's weights can't be had or can't be trusted."""

    code = "weights"
    disposition = Disposition.FATAL


class WeightsUnreachableError(WeightsError):
    """The package index, or the file within it, can't be reached."""

    code = "weights_unreachable"


class WeightsCorruptError(WeightsError):
    """A weights file isn't, byte for byte, what it should be."""

    code = "weights_corrupt"


class WeightsCacheError(WeightsError):
    """The cache folder can't be written."""

    code = "weights_cache"
    exit_code = 73


class EngineError(NstdError):
    """The engine could not finish an optimisation."""

    code = "engine"


class NonFiniteLossError(EngineError):
    """The loss or its gradient stopped being a number."""

    code = "non_finite_loss"


class WorkerDiedError(NstdError):
    """The worker process died under a job."""

    code = "worker_died"
    disposition = Disposition.RETRY


class WorkerStalledError(NstdError):
    """A worker gave no sign of life, or took longer than a job may."""

    code = "stalled"
    disposition = Disposition.RETRY


class DeviceMemoryError(EngineError):
    """The device has too little memory for the job."""

    code = "out_of_memory"


class EngineUnavailableError(NstdError):
    """The worker process can't build its engine."""

    code = "engine_unavailable"
    disposition = Disposition.FATAL
