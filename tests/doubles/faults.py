"""What a worker can come to in the middle of a job; each is real, none is pretended."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nstd.errors import DeviceMemoryError, NonFiniteLossError

if TYPE_CHECKING:
    from nstd.domain import StyleRequest

LEAK = 64 * 2**20
_LARGEST_SIDE = 150
_leaked: list[bytearray] = []


def hang(_: StyleRequest) -> None:
    """Sleep for ever, deaf to SIGTERM, as a stuck driver call is."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(1e6)


def die(_: StyleRequest) -> None:
    """End the process, as a crashing library does."""
    os.kill(os.getpid(), signal.SIGSEGV)


def explode(_: StyleRequest) -> None:
    """Make a mistake that nobody foresaw."""
    raise ZeroDivisionError("unforeseen")


def exhaust(request: StyleRequest) -> None:
    """Have too little memory for all but small pictures."""
    if max(request.shape) > _LARGEST_SIDE:
        raise DeviceMemoryError("too large for this device", file=request.name, key="size")


def diverge(request: StyleRequest) -> None:
    """Lose the loss."""
    raise NonFiniteLossError("loss stopped being a number", file=request.name)


def leak(_: StyleRequest) -> None:
    """Hold on to memory."""
    _leaked.append(bytearray(os.urandom(2**20) * (LEAK // 2**20)))


FAULTS = {fault.__name__: fault for fault in (hang, die, explode, exhaust, diverge, leak)}


def commit(request: StyleRequest) -> None:
    """Commit the fault that the content image is named after, if it is."""
    fault = FAULTS.get(Path(request.name).stem)
    if fault is not None:
        fault(request)
