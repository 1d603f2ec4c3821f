"""The real daemon with the copying engine; ends itself at a named crash point if asked to.

    python copying_daemon.py run|once CONFIG [CRASH_POINT [COUNT]]

COUNT says which passing of the point is the last; the end is a real SIGKILL.

Its worker, a new interpreter, runs this file as well before it serves: nothing that only the daemon
needs may be imported on the way.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from pathlib import Path

import copying_engine

from nstd import worker


def crash_at(name: str, count: int) -> None:
    """Kill this process when it passes a point for the count-th time."""
    from nstd.spool import crashpoint  # noqa: PLC0415 - see above

    assert name in crashpoint.ALL, name
    passed = 0

    def hook(reached: str) -> None:
        nonlocal passed
        assert reached in crashpoint.ALL, reached
        passed += reached == name
        if passed == count:
            os.kill(os.getpid(), signal.SIGKILL)

    crashpoint.hook = hook


def main(command: str, file: str, *crash: str) -> int:
    """Run the daemon as the command line does; returns the exit code."""
    from nstd import config, telemetry  # noqa: PLC0415 - see above
    from nstd.daemon import Daemon  # noqa: PLC0415
    from nstd.errors import NstdError  # noqa: PLC0415

    settings = config.load(Path(file))
    telemetry.set_up(settings.log)
    if crash:
        crash_at(crash[0], int(crash[1]) if crash[1:] else 1)
    serve = functools.partial(worker.serve, build=copying_engine.build)
    try:
        return Daemon(
            settings,
            Path("none"),
            drain=command == "once",
            reread=lambda: config.load(Path(file)),
            main=serve,
        ).run()
    except NstdError as error:
        telemetry.fatal(error)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
