"""The status page asked as a server asks it, header by header, without a server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nstd.spool import lock
from nstd.web import app

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Scope

    from nstd.config import Config

HOST = (b"host", b"localhost:8420")


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, which is UTF-8."""
        return self.body.decode()


def assemble(config: Config) -> ASGIApp:
    """Put the page together anew: it has seen nothing yet."""
    return app.assemble(config, config.root / "cache", lambda: False)


def ask(
    config: Config,
    path: str,
    *headers: tuple[bytes, bytes],
    method: str = "GET",
    host: Iterable[tuple[bytes, bytes]] = (HOST,),
) -> Answer:
    """Ask for a path, which is taken as the server has decoded it."""
    return asyncio.run(_ask(assemble(config), scope(path, *host, *headers, method=method)))


def scope(path: str, *headers: tuple[bytes, bytes], method: str = "GET") -> Scope:
    """Describe a request as a server does."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogateescape"),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
    }


async def _ask(page: ASGIApp, request: Scope) -> Answer:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await page(request, silent, send)
    start, *parts = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(part.get("body", b"") for part in parts))


async def silent() -> Message:
    """Say nothing, and stay."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def listen(page: ASGIApp, events: asyncio.Queue[dict[str, Any] | bytes]) -> None:
    """Listen to a page's events; what isn't data is passed on as it is."""

    async def send(message: Message) -> None:
        body: bytes = message.get("body", b"")
        if body.startswith(b"data: "):
            assert body.endswith(b"\n\n")
            await events.put(json.loads(body[6:]))
        elif body:
            await events.put(body)

    await page(scope("/events", HOST), silent, send)


def running(config: Config) -> contextlib.AbstractContextManager[None]:
    """Stand in for a daemon that runs."""
    return lock.held(config.folder("state"))
