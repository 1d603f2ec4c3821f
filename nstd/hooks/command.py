"""A command hook: a program of the operator's, run without a shell, bounded in time and output.

It gets the document (the job, the manifest or the reason) as JSON on stdin, and NSTD_* variables.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

from nstd.hooks.outcome import Outcome, Verdict

if TYPE_CHECKING:
    import threading

    from nstd.hook_settings import Command
    from nstd.message import Message

# sysexits.h, EX_TEMPFAIL: "the user is invited to retry".
_TRY_AGAIN: Final = 75
# The end of what a command says, for the log; the rest is read and forgotten.
_OUTPUT_BYTES: Final = 4096
_LOOK_SECONDS: Final = 0.05
_TERM_SECONDS: Final = 2.0
# The service manager's words to the daemon are none of a hook's business.
_PRIVATE: Final = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})


def run(settings: Command, message: Message, stopping: threading.Event) -> Outcome:
    """Run the command to its end, its time-out, or the daemon's.

    Whatever its exit code, a command that was run isn't run again, unless it asks for it with 75:
    what it did once it may not stand to do twice. One that couldn't be run has done nothing: the
    share that it is on may be mounted later.

    Args:
        settings: what to run.
        message: what to tell it.
        stopping: set when the daemon ends.
    """
    with os.fdopen(os.memfd_create("nstd-document"), "w+b") as document:
        document.write(json.dumps(message.document, indent=2).encode() + b"\n")
        document.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - the configuration is trusted
                settings.argv,
                stdin=document,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environment(message),
                start_new_session=True,  # a group of its own, to be ended as a whole
            )
        except OSError as error:
            return Outcome(Verdict.RETRY, f"can't be run: {error.strerror}")
    with process:
        output, is_over = _follow(process, settings.timeout_seconds, stopping)
        if not is_over:
            _end(process)
        assert process.stdout is not None  # noqa: S101 - it is piped
        process.stdout.close()
    facts = {"exit_code": process.returncode, "output": output.decode(errors="replace").strip()}
    if not is_over:
        reason = f"took longer than {settings.timeout_seconds:g} s (timeout_seconds)"
        return Outcome(Verdict.FAILED, reason, facts=facts)
    if process.returncode == 0:
        return Outcome(Verdict.DONE, facts=facts)
    again = Verdict.RETRY if process.returncode == _TRY_AGAIN else Verdict.FAILED
    return Outcome(again, f"ended with {process.returncode}", facts=facts)


def _environment(message: Message) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in _PRIVATE}
    return {
        **inherited,
        "NSTD_EVENT": message.event,
        "NSTD_DELIVERY_ID": message.message_id,
        "NSTD_JOB_ID": message.job_id,
        "NSTD_NAME": message.name,
        **{f"NSTD_{what.upper()}": path for what, path in message.files.items()},
    }


def _follow(
    process: subprocess.Popen[bytes], seconds: float, stopping: threading.Event
) -> tuple[bytes, bool]:
    """Read what the process says until it ends; returns that, and whether it has ended by itself.

    A child of its own that keeps the pipe open doesn't matter.
    """
    assert process.stdout is not None  # noqa: S101 - it is piped
    pipe = process.stdout.fileno()
    os.set_blocking(pipe, False)
    deadline = time.monotonic() + seconds
    said, is_open = b"", True
    while True:
        # In this order: what a process said before it ended is in the pipe.
        has_ended = process.poll() is not None
        pause = min(_LOOK_SECONDS, max(0.0, deadline - time.monotonic()))
        if is_open and select.select([pipe], [], [], 0.0 if has_ended else pause)[0]:
            data = os.read(pipe, 65_536)
            said, is_open = (said + data)[-_OUTPUT_BYTES:], bool(data)
        elif has_ended:
            return said, True
        elif not is_open:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(pause)
        if not has_ended and (stopping.is_set() or time.monotonic() >= deadline):
            return said, False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and its group: first politely, then for good."""
    for number, patience in ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
