"""Which devices there are, and which of them workers are pinned to; no TensorFlow in here.

A pin is a set of environment variables that a worker process sets before it imports TensorFlow:
CUDA numbers its devices when it is first used, and never again.
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nstd.errors import DeviceAbsentError

if TYPE_CHECKING:
    from collections.abc import Sequence

PATTERN = r"cpu(:\d+)?|gpu:\d+|gpu:(GPU|MIG)-[0-9A-Za-z/-]+"
_QUERY = "index,uuid,name,memory.total,compute_cap"
_LOAD = "uuid,memory.used,utilization.gpu"
_PATIENCE = 20.0
_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as the driver tells of it.

    Attributes:
        index: the driver's number, in PCI bus order.
        memory: in bytes.
        capability: compute capability, such as `9.0`; empty if the driver doesn't tell.
    """

    index: int
    uuid: str
    name: str
    memory: int
    capability: str

    def __str__(self) -> str:
        """For people: `gpu:0 NVIDIA H100 (79 GiB, compute capability 9.0, GPU-1234)`."""
        told = f"{self.memory / 2**30:.0f} GiB, compute capability {self.capability or 'unknown'}"
        return f"gpu:{self.index} {self.name} ({told}, {self.uuid})"


@dataclass(frozen=True, slots=True)
class Pin:
    """What a worker process is bound to.

    Attributes:
        name: as the configuration has it.
        environment: (variable, value), to be set before TensorFlow is imported.
        gpu: None for the CPU.
    """

    name: str
    environment: tuple[tuple[str, str], ...]
    gpu: Gpu | None = None


def inventory() -> tuple[Gpu, ...]:
    """The GPUs that the driver tells of; none without an NVIDIA driver."""
    command = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command of the driver's
            command, check=True, capture_output=True, text=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse(done.stdout)


def parse(text: str) -> tuple[Gpu, ...]:
    """The GPUs in the driver's own words: lines of `index, uuid, name, MiB, capability`."""
    found = []
    for row in csv.reader(io.StringIO(text), skipinitialspace=True):
        if len(row) != len(_QUERY.split(",")) or not row[0].isdigit():
            continue
        index, uuid, name, memory, capability = (cell.strip() for cell in row)
        size = int(memory) * _MEBIBYTE if memory.isdigit() else 0
        known = re.fullmatch(r"\d+\.\d+", capability)
        found.append(Gpu(int(index), uuid, name, size, capability if known else ""))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a GPU is at, as the driver tells of it.

    Attributes:
        used: bytes that all programs together have taken; None if the driver doesn't tell.
        utilisation: share of the last moment in which it computed, 0 to 1; None likewise.
    """

    uuid: str
    used: int | None
    utilisation: float | None


def readings(patience: float = _PATIENCE) -> tuple[Reading, ...]:
    """What the GPUs are at just now.

    Args:
        patience: seconds that the driver may take.

    Raises:
        OSError, subprocess.SubprocessError: the driver doesn't answer.
    """
    command = ["nvidia-smi", f"--query-gpu={_LOAD}", "--format=csv,noheader,nounits"]
    done = subprocess.run(  # noqa: S603 - a fixed command of the driver's
        command, check=True, capture_output=True, text=True, timeout=patience
    )
    return parse_readings(done.stdout)


def parse_readings(text: str) -> tuple[Reading, ...]:
    """Readings in the driver's own words: lines of `uuid, MiB, percent`."""
    found = []
    for row in csv.reader(io.StringIO(text), skipinitialspace=True):
        if len(row) != len(_LOAD.split(",")):
            continue
        uuid, used, busy = (cell.strip() for cell in row)
        memory = int(used) * _MEBIBYTE if used.isdigit() else None
        found.append(Reading(uuid, memory, int(busy) / 100 if busy.isdigit() else None))
    return tuple(found)


def pins(wanted: str | Sequence[str], found: Sequence[Gpu]) -> tuple[Pin, ...]:
    """What the workers are to be bound to, one for each device.

    Args:
        wanted: `auto` (the first GPU, else the CPU), a device, or several.
        found: the GPUs that there are.

    Raises:
        DeviceAbsentError: one that was named isn't there; never silently the CPU instead.
    """
    if wanted == "auto":
        return (_pin_gpu(f"gpu:{found[0].index}", found[0]),) if found else (_pin_cpu("cpu"),)
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    return tuple(_pin(name, found) for name in names)


def _pin(name: str, found: Sequence[Gpu]) -> Pin:
    kind, _, which = name.partition(":")
    if kind == "cpu":
        return _pin_cpu(name)
    fitting = [
        gpu
        for gpu in found
        # As CUDA has it, the beginning of a UUID is enough if it is one device's only.
        if (str(gpu.index) == which if which.isdigit() else gpu.uuid.startswith(which))
    ]
    if len(fitting) != 1:
        there = "; ".join(map(str, found)) or "no GPU that the driver tells of"
        raise DeviceAbsentError(
            f"{name} is not there" if not fitting else f"{name} is not one device only",
            key="device",
            remedy=f"name one that is there (found: {there}), or write auto or cpu",
        )
    return _pin_gpu(name, fitting[0])


def _pin_cpu(name: str) -> Pin:
    return Pin(name, (("CUDA_VISIBLE_DEVICES", "-1"),))


def _pin_gpu(name: str, gpu: Gpu) -> Pin:
    # The UUID, since CUDA's own order of numbers is by speed and not the driver's.
    order = ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    return Pin(name, (order, ("CUDA_VISIBLE_DEVICES", gpu.uuid)), gpu)
