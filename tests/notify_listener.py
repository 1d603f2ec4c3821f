"""A stand-in for systemd's end of the notify socket."""

from __future__ import annotations

import socket
import time

PATIENCE = 60.0


class Listener:
    """Hears as systemd does.

    Args:
        address: of its socket, as $NOTIFY_SOCKET names it.

    Attributes:
        log: what `wait_for` has heard so far.
    """

    def __init__(self, address: str) -> None:
        self.environment = {"NOTIFY_SOCKET": address}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.settimeout(0.0)
        self.log: list[str] = []

    def wait_for(self, beginning: str) -> str:
        """Wait until a message that begins so has been heard, and return it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.log += self.heard()
            for message in self.log:
                if message.startswith(beginning):
                    return message
            time.sleep(0.02)
        raise AssertionError(f"no {beginning} in {self.log}")

    def heard(self) -> list[str]:
        """Take the messages that have arrived."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
