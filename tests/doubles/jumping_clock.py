"""A wall clock that jumps a day forward and back again, for a Python program run under it.

    python jumping_clock.py PYTHON SCRIPT ARGUMENT...

Every other quarter of a second of the monotonic clock, which is left alone, is a day later by
the wall's.
Stands in for libfaketime where that isn't installed.
"""

from __future__ import annotations

import runpy
import sys
import time

DAY = 86_400.0


def jump() -> None:
    """Make the wall clock jump from now on, in this process."""
    told, steady = time.time, time.monotonic
    time.time = lambda: told() + DAY * (int(steady() * 4) % 2)


if __name__ == "__main__":
    jump()
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")
