"""Who may ask what, and how a browser is to treat the answer; around everything else."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from nstd.config import Web

METHODS: Final = ("GET", "HEAD")
_LOOPBACK: Final = ("127.0.0.1", "::1")
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?", re.ASCII)
_HEADERS: Final = {
    # Only what comes from here, and neither script nor style within a page: whatever got into it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_CACHING: Final = "no-store"  # unless the answer says otherwise


class Guard:
    """Refuses what isn't a question, and questions under names that aren't this server's.

    A page of somebody else's can make a browser ask here under a name of its own that it lets
    point to this machine. The browser would show it the answers; so there are none.

    Args:
        app: what is guarded.
        web: which names are this server's.
    """

    def __init__(self, app: ASGIApp, web: Web) -> None:
        self._app = app
        address = ipaddress.ip_address(web.address)
        self._addresses = {address, *map(ipaddress.ip_address, _LOOPBACK)}
        # Which of the machine's addresses lead here isn't known then; an address is no name that
        # anybody could point elsewhere.
        self._takes_any_address = address.is_unspecified
        self._names = {"localhost", *(name.lower() for name in web.hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            return  # uvicorn is told to offer nothing else

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", _CACHING)
            await send(message)

        answer = self._refusal(scope) or self._app
        await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not (host := _HOST.fullmatch(hosts[0].decode("latin-1"))):
            return PlainTextResponse("One Host header is needed.\n", 400)
        if not self._is_ours(host[1]):
            return PlainTextResponse("This server doesn't go by that name.\n", 421)
        if scope["method"] not in METHODS:
            allowed = {"Allow": ", ".join(METHODS)}
            return PlainTextResponse("This page is only for looking at.\n", 405, allowed)
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return host.lower().removesuffix(".") in self._names
        return self._takes_any_address or address in self._addresses
