"""The page's sections as they change: server-sent events.

Nobody's events cost a look of their own: all listeners share the lookout's. An event holds the
HTML of the sections that have changed for this listener, as JSON on one line.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse, Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from nstd.web.sight import Sight

LISTENERS: Final = 64
_PAUSE_SECONDS: Final = 0.75
# Proxies and browsers give up on a connection on which nothing is said.
_SILENCE_SECONDS: Final = 15.0
_RETRY: Final = b"retry: 2000\n\n"
_STILL_HERE: Final = b": still here\n\n"
_TROUBLE: Final = ("state",)
_MEDIA_TYPE: Final = "text/event-stream"


class Live:
    """Tells each listener what has changed, until it leaves or the server ends.

    Args:
        sight: what there is to see now.
        is_ending: the server wants to end, and waits for its listeners to be let go.
        listeners: at most so many at once.
    """

    def __init__(
        self,
        sight: Callable[[], Awaitable[Sight]],
        is_ending: Callable[[], bool],
        *,
        listeners: int = LISTENERS,
    ) -> None:
        self._sight = sight
        self._is_ending = is_ending
        self._most = listeners
        self._listeners = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["method"] == "HEAD":
            await Response(media_type=_MEDIA_TYPE)(scope, receive, send)
            return
        if self._listeners >= self._most:
            refusal = PlainTextResponse(
                "Too many are listening; try again later.\n", 503, {"Retry-After": "10"}
            )
            await refusal(scope, receive, send)
            return
        self._listeners += 1
        try:
            # Not every proxy passes on at once what it is sent, unless it is told to.
            headers = {"X-Accel-Buffering": "no"}
            stream = StreamingResponse(self._events(), headers=headers, media_type=_MEDIA_TYPE)
            await stream(scope, receive, send)
        finally:
            self._listeners -= 1

    async def _events(self) -> AsyncIterator[bytes]:
        yield _RETRY
        told: dict[str, str] = {}
        spoke_at = time.monotonic()
        while not self._is_ending():
            sight = await self._sight()
            # In trouble, what was seen last is worth more than nothing, beside the word of it.
            names = sight.sections if sight.view.is_known else _TROUBLE
            changed = {
                name: sight.sections[name]
                for name in names
                if told.get(name) != sight.sections[name]
            }
            if changed:
                told |= changed
                event = json.dumps({"title": sight.view.title, "sections": changed})
                yield f"data: {event}\n\n".encode()
                spoke_at = time.monotonic()
            elif time.monotonic() - spoke_at >= _SILENCE_SECONDS:
                yield _STILL_HERE
                spoke_at = time.monotonic()
            await asyncio.sleep(_PAUSE_SECONDS)
