"""Where Prometheus asks: HTTP on an address of the configuration's."""

from __future__ import annotations

import socket
import sys
import threading
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)

from nstd import telemetry
from nstd.errors import CannotListenError
from nstd.metrics.counts import Counts
from nstd.metrics.gauges import Gauges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nstd.config import Config, Metrics
    from nstd.devices import Pin

_POLL_SECONDS: Final = 0.1

_log = structlog.get_logger()


class Endpoint:
    """Counts from the beginning; answers where, and if, the configuration says.

    Args:
        config: to begin with.
        pins: what the workers are bound to.
    """

    def __init__(self, config: Config, pins: Sequence[Pin]) -> None:
        # Half the series, and what they tell is the daemon's start.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._counts = Counts(self._registry)
        self._gauges = Gauges(config, pins)
        self._registry.register(self._gauges)
        ProcessCollector(registry=self._registry)
        self._listening: _Listening | None = None
        telemetry.listen(self._counts)
        self._counts.follow({pin.name for pin in pins})

    def open(self) -> None:
        """Begin to answer, if the configuration says where.

        Raises:
            CannotListenError: the port is taken, or the address isn't this machine's.
        """
        self._listening = _listen(self._gauges.config.metrics, self._registry)

    def follow(self, config: Config, pins: Sequence[Pin]) -> None:
        """Put a new configuration in force.

        Raises:
            CannotListenError: as `open`; nothing has changed.
        """
        before = self._gauges.config.metrics
        if config.metrics != before:
            # Closed first: the old address may be part of the new one.
            self.close()
            try:
                self._listening = _listen(config.metrics, self._registry)
            except CannotListenError:
                self._listening = _listen(before, self._registry)
                raise
        self._gauges.config, self._gauges.pins = config, tuple(pins)
        self._counts.follow({pin.name for pin in pins})

    def close(self) -> None:
        """Answer no more."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def end(self) -> None:
        """Count no more either."""
        self.close()
        telemetry.unlisten(self._counts)


class _Listening:
    """A server in a thread of its own."""

    def __init__(self, server: WSGIServer) -> None:
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, args=(_POLL_SECONDS,), name="nstd-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(WSGIRequestHandler):
    """Without a log of its own; whoever asks and then says nothing is let go."""

    timeout = 10.0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is Python's
        """Say nothing."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False  # a thread that hangs over a dead share must not keep the daemon

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - Python's
        """Log what is a mistake of ours; who hangs up or says nothing is no news."""
        del request, client_address
        if not isinstance(sys.exception(), OSError):
            _log.exception(telemetry.INTERNAL_ERROR, request="metrics")

    def server_bind(self) -> None:
        """Without asking the name service for this machine's name, which may take long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


def try_listening(metrics: Metrics) -> None:
    """Find out whether it could be answered there now.

    Raises:
        CannotListenError: the port is taken, or the address isn't this machine's.
    """
    if listening := _listen(metrics, CollectorRegistry()):
        listening.close()


def _listen(metrics: Metrics, registry: CollectorRegistry) -> _Listening | None:
    address, port = metrics.address, metrics.port
    if port is None:
        return None
    kind = _Server6 if ":" in address else _Server
    try:
        server = make_server(address, port, make_wsgi_app(registry), kind, _Handler)
    except OSError as error:
        raise CannotListenError.of(
            error, "metrics", address, port, other=", or null for no metrics"
        ) from error
    return _Listening(server)
