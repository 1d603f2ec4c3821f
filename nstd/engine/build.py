"""Build the process's engine: import TensorFlow, set the device up, load the weights."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from typing import TYPE_CHECKING

from nstd.engine import weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nstd.engine.device import Precision
    from nstd.engine.engine import Engine


def build(
    weights_file: Path,
    precision: Precision = "auto",
    threads: int = 0,
    *,
    deterministic: bool = False,
    memory_limit: int | None = None,
) -> Engine:
    """The engine, on this process's device.

    Args:
        weights_file: converted, as `weights.resolve` returns it.
        precision: of the convolutions; `auto` takes bfloat16 where the hardware multiplies it.
        threads: for a CPU; 0 takes every core.
        deterministic: the same request gives the same bytes; see `device.set_up`.
        memory_limit: bytes of a GPU's memory; None takes what is needed as it is needed.

    Raises:
        WeightsError: the file is missing or not what it should be.
    """
    loaded = weights.load(weights_file)
    with _quiet_stderr():
        # Deferred: importing TensorFlow takes seconds, and greets.
        from nstd.engine import device, engine  # noqa: PLC0415

        found = device.set_up(
            precision, threads, deterministic=deterministic, memory_limit=memory_limit
        )
        return engine.Engine(loaded, found)


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep TensorFlow's greetings out of the logs; show them after all if something fails.

    Its own setting for this, TF_CPP_MIN_LOG_LEVEL, has no effect on them since TensorFlow 2.19,
    and they come from C++, so only the descriptor itself can be redirected.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(kept, said.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
