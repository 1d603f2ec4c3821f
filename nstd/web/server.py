"""Serve the page until told to stop."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING, Final

import structlog
import uvicorn

from nstd import telemetry
from nstd.engine import weights
from nstd.errors import CannotListenError
from nstd.web import app

if TYPE_CHECKING:
    from nstd.config import Config, Web

_THUMBNAILS: Final = "thumbnails"
# Of all kinds; the listeners to events have a limit of their own below this.
_CONNECTIONS: Final = 256
_GRACE_SECONDS: Final = 3


def serve(config: Config) -> None:
    """Answer until a SIGTERM or SIGINT comes.

    Raises:
        CannotListenError: the port is taken, or the address isn't this machine's.
    """
    listener = _listen(config.web)
    cache = weights.cache_dir() / _THUMBNAILS
    server = uvicorn.Server(
        uvicorn.Config(
            app.assemble(config, cache, lambda: server.should_exit),
            # What it has to say comes through our own log. It trusts no header about where a
            # request came from, since nothing here depends on that.
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    # It raises the signal that ended it once more when it has ended; that is in order here.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    log = structlog.get_logger()
    log.info(telemetry.WEB_STARTED, url=_url(config.web))
    with listener:
        server.run(sockets=[listener])
    log.info(telemetry.WEB_STOPPED)


def _listen(web: Web) -> socket.socket:
    family = socket.AF_INET6 if ":" in web.address else socket.AF_INET
    try:
        return socket.create_server((web.address, web.port), family=family)
    except OSError as error:
        raise CannotListenError.of(error, "web", web.address, web.port) from error


def _url(web: Web) -> str:
    host = f"[{web.address}]" if ":" in web.address else web.address
    return f"http://{host}:{web.port}/"
