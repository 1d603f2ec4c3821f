"""Set up TensorFlow for one device, before anything else uses it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

Precision = Literal["auto", "float32", "bfloat16"]

_CPU_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_GPU_BFLOAT16_CAPABILITY = (8, 0)
_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Device:
    """The device that this process computes on.

    Attributes:
        name: what the manifest calls it, such as `cpu (AMD EPYC)` or `gpu:0 (NVIDIA H100)`.
        convolutions: the type that convolutions run in; losses, Gram matrices, the image and
            the optimiser's state are float32 on every device.
        deterministic: whether the same request gives the same bytes each time.
        memory: bytes of a GPU that this process may take, if that is limited.
        tensorflow: its version.
    """

    name: str
    convolutions: tf.DType
    deterministic: bool = False
    memory: int | None = None
    tensorflow: str = str(tf.__version__)

    @property
    def is_gpu(self) -> bool:
        """Whether it has a memory of its own."""
        return self.name.startswith("gpu")

    @property
    def precision(self) -> str:
        """`bfloat16` or `float32`: of the convolutions."""
        return str(self.convolutions.name)


def set_up(
    precision: Precision = "auto",
    threads: int = 0,
    *,
    deterministic: bool = False,
    memory_limit: int | None = None,
) -> Device:
    """Prepare the process's only device; call before any other use of TensorFlow.

    Args:
        precision: of the convolutions; `auto` takes bfloat16 where the hardware multiplies it.
        threads: for a CPU; 0 lets TensorFlow take every core.
        deterministic: use only operations that give the same bytes each time, on the same device
            with the same versions and threads. Holds for the process: TensorFlow can't undo it.
        memory_limit: bytes of a GPU that TensorFlow takes at once and never exceeds; None lets it
            take what it needs as it needs it.
    """
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        _bound_memory(gpu, memory_limit)
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        capable = details.get("compute_capability", (0, 0)) >= _GPU_BFLOAT16_CAPABILITY
        name = f"gpu:0 ({details.get('device_name', 'unknown')})"
    else:
        capable = cpu_multiplies_bfloat16()
        name = f"cpu ({_cpu()[1]})"
    fast = tf.bfloat16 if capable else tf.float32
    convolutions = fast if precision == "auto" else tf.as_dtype(precision)
    return Device(name, convolutions, deterministic, memory_limit if gpus else None)


def _bound_memory(gpu: Any, limit: int | None) -> None:  # noqa: ANN401 - TensorFlow's own
    """Say how TensorFlow is to take a GPU's memory; growth and a limit exclude each other."""
    if limit is None:
        tf.config.experimental.set_memory_growth(gpu, True)  # noqa: FBT003 - its signature
        return
    bounded = tf.config.LogicalDeviceConfiguration(memory_limit=limit // _MEBIBYTE)
    tf.config.set_logical_device_configuration(gpu, [bounded])


def cpu_multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for it."""
    return bool(_CPU_BFLOAT16_FLAGS & _cpu()[0])


def _cpu() -> tuple[frozenset[str], str]:
    """Feature flags and model name; Linux tells, elsewhere float32 is a safe answer."""
    facts = {}
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        text = ""
    for line in text.split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        facts[key.strip()] = value.strip()
    return frozenset(facts.get("flags", "").split()), facts.get("model name", "unknown")
