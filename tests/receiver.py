"""A web server on the loopback that receives webhooks, and answers as a script tells it to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
PATIENCE = 60.0


class Received:
    """One request, and what a receiver checks of it."""

    def __init__(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.path = path
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    @property
    def message_id(self) -> str:
        """The key by which a receiver knows what it has had before."""
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        """The payload."""
        return dict(json.loads(self.body))

    def is_signed(self, key: bytes = KEY) -> bool:
        """Verify a signature, written down from the specification and not from our code."""
        content = b".".join(
            (self.message_id.encode(), self.headers["webhook-timestamp"].encode(), self.body)
        )
        digest = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return f"v1,{digest}" in self.headers["webhook-signature"].split(" ")


class Receiver:
    """The server.

    Args:
        certificate: with it and a key, it speaks TLS.
        key: the certificate's.

    Attributes:
        answers: what to answer next: a status, headers with it, or a function to call first;
            204 once they are used up.
    """

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.requests: queue.Queue[Received] = queue.Queue()
        self.answers: queue.Queue[int | tuple[int, dict[str, str]] | Callable[[], int]]
        self.answers = queue.Queue()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the sender died on the way; no server takes half of a request
                receiver.requests.put(Received(self.path, dict(self.headers.items()), body))
                try:
                    answer = receiver.answers.get_nowait()
                except queue.Empty:
                    answer = 204
                if callable(answer):
                    answer = answer()
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                pass  # the sender has left, as it may

        self._server = Server(("127.0.0.1", 0), Handler)
        self._scheme = "http"
        if certificate:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, path: str = "/hook") -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}{path}"

    def answer(self, *answers: int | tuple[int, dict[str, str]] | Callable[[], int]) -> None:
        """Say what to answer, in order."""
        for answer in answers:
            self.answers.put(answer)

    def next(self) -> Received:
        """Wait for the next request."""
        return self.requests.get(timeout=PATIENCE)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def secret_file(folder: Path, *secrets: str) -> Path:
    """Write a secret as an operator does."""
    path = folder / "webhook.secret"
    path.write_text("\n".join(secrets or (SECRET,)) + "\n")
    path.chmod(0o600)
    return path
