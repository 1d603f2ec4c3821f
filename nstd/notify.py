"""What systemd is told: sd_notify(3) over a datagram socket; silence where nobody listens.

Everything here is sent by the process that systemd started, and the watchdog is fed by its main
loop alone: a thread would go on feeding while the loop hangs.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MICROSECONDS: Final = 1_000_000
# A status needn't be newer than this.
_STATUS_SECONDS: Final = 2.0
# systemd reads at once; if it doesn't, a lost message is better than a loop that waits for it.
_SEND_SECONDS: Final = 1.0
# While the engine is built, systemd waits this long after each sign of life.
STARTING_SECONDS: Final = 60.0


class Service:
    """This process as a service of systemd.

    Args:
        environment: holds NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, or doesn't.

    Attributes:
        wakes_at: monotonic seconds at which the main loop must be awake to feed the watchdog;
            infinite if there is nothing to feed.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._pause = _watchdog_seconds(environment) / 2
        self._is_ready = False
        self._status = ""
        self._next_status = 0.0
        self._extended_until = 0.0
        is_fed = self._address is not None and math.isfinite(self._pause)
        self.wakes_at = 0.0 if is_fed else math.inf

    @property
    def wants_status(self) -> bool:
        """Whether somebody listens, and the last status is old enough for another."""
        return self._address is not None and time.monotonic() >= self._next_status

    def feed(self) -> None:
        """The main loop lives; before READY, systemd's time limit for the start moves on too."""
        moment = time.monotonic()
        if not self._is_ready and moment >= self._extended_until - STARTING_SECONDS / 2:
            self._extended_until = moment + STARTING_SECONDS
            self._send(f"EXTEND_TIMEOUT_USEC={_microseconds(STARTING_SECONDS)}")
        if moment >= self.wakes_at:
            self.wakes_at = moment + self._pause
            self._send("WATCHDOG=1")

    def ready(self) -> None:
        """Jobs can be done; said once."""
        if not self._is_ready:
            self._is_ready = True
            self._send("READY=1")

    def status(self, text: str) -> None:
        """Say what is going on, in one line; what was said already isn't repeated."""
        self._next_status = time.monotonic() + _STATUS_SECONDS
        line = " ".join(text.splitlines())
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def reloading(self) -> None:
        """The configuration is being read again; `reloaded` ends it, whatever came of it."""
        if self._is_ready:
            self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        """It has been read; during the start, READY must wait all the same."""
        if self._is_ready:
            self._send("READY=1")

    def stopping(self, seconds: float) -> None:
        """The end has begun, and may take this long."""
        self._is_ready = True  # the limit for the start is past, and this one must not move on
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={_microseconds(seconds)}")

    def _send(self, *assignments: str) -> None:
        if self._address is None:
            return
        message = "\n".join(assignments).encode(errors="backslashreplace")
        # A manager that is away, or being replaced, is no reason to stop painting.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.settimeout(_SEND_SECONDS)
            sender.sendto(message, self._address)


def _address(name: str) -> str | None:
    """The socket's address; `@` stands for the NUL that begins an abstract one."""
    if name.startswith("@"):
        return f"\0{name[1:]}"
    return name if name.startswith("/") else None


def _watchdog_seconds(environment: Mapping[str, str]) -> float:
    """Seconds without a sign of life that systemd suffers; infinite if it doesn't watch us."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    if not is_ours or not microseconds.isascii() or not microseconds.isdigit():
        return math.inf
    return int(microseconds) / _MICROSECONDS or math.inf


def _microseconds(seconds: float) -> int:
    return math.ceil(seconds * _MICROSECONDS)
