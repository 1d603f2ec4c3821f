"""Tell a plugin of an event: `python -m nstd.plugins NAME`, run by the daemon as a command hook is.

In a process of its own, a plugin can neither crash nor block the daemon.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Final

from nstd.plugins.loading import Plugin

_FILES: Final = ("result", "manifest", "reason")


def main(name: str) -> None:
    """Tell a plugin of the event that the environment and stdin describe."""
    environment = os.environ
    Plugin(name).hook.nstd_event(
        event=environment["NSTD_EVENT"],
        document=json.load(sys.stdin),
        name=environment["NSTD_NAME"],
        job_id=environment["NSTD_JOB_ID"],
        files={
            what: environment[f"NSTD_{what.upper()}"]
            for what in _FILES
            if f"NSTD_{what.upper()}" in environment
        },
    )


if __name__ == "__main__":
    main(sys.argv[1])
