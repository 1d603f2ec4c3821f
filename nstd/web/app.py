"""The page, its pictures and its events, put together."""

from __future__ import annotations

import functools
import hashlib
import re
from importlib import resources
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from nstd import telemetry
from nstd.errors import NstdError
from nstd.images import ImageLimits
from nstd.spool import layout, reading
from nstd.web import pictures, sight, thumbnails
from nstd.web.discretion import Discretion
from nstd.web.guard import Guard
from nstd.web.live import Live
from nstd.web.lookout import Lookout
from nstd.web.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from nstd.config import Config
    from nstd.domain import FileIdentity
    from nstd.entry import Entry
    from nstd.spool.queries import Queries
    from nstd.web.pictures import Found
    from nstd.web.sight import Sight

_MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_PLACEHOLDER: Final = "gone.svg"
# What is asked for again is looked at again: a picture may have been replaced, or be gone.
_REVALIDATED: Final = {"Cache-Control": "private, no-cache"}
_DECODERS: Final = 2  # pictures at a time: each may take the memory that limits.image_pixels allows
_JOB_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)


def assemble(config: Config, cache: Path, is_ending: Callable[[], bool]) -> ASGIApp:
    """The whole application.

    Args:
        config: of the daemon that is looked at.
        cache: a folder for small pictures.
        is_ending: the server wants to end.
    """
    pages = Pages()
    lookout = Lookout(functools.partial(sight.take, config, pages, Discretion(config)))
    answers = _Answers(config, cache, pages, lookout)
    app = Starlette(
        routes=[
            Route("/", answers.page),
            Route("/events", Live(lookout.answer, is_ending), methods=["GET"]),
            Route("/jobs/{job_id}/{role}/{size}.jpg", answers.picture),
            Route("/static/{name}", answers.static),
        ],
        exception_handlers={NstdError: _unable, Exception: _mistaken},
    )
    app.router.redirect_slashes = False
    return Guard(app, config.web)


class _Answers:
    """The answers to what may be asked."""

    def __init__(self, config: Config, cache: Path, pages: Pages, lookout: Lookout[Sight]) -> None:
        self._config = config
        self._pages = pages
        self._lookout = lookout
        limits = config.limits
        self._thumbnails = thumbnails.Thumbnails(
            cache, ImageLimits(limits.image_bytes, limits.image_pixels, limits.image_frames)
        )
        self._decoding = anyio.CapacityLimiter(_DECODERS)
        self._static = _static()

    async def page(self, request: Request) -> Response:
        """The page as a whole."""
        del request
        seen = await self._lookout.answer()
        html = self._pages.page(seen.view, seen.sections)
        return HTMLResponse(html, 200 if seen.view.is_known else 503)

    async def static(self, request: Request) -> Response:
        """One of our own few files; a name stands for one of these, not for a path."""
        known = self._static.get(request.path_params["name"])
        if known is None:
            raise HTTPException(404)
        data, media_type = known
        return _tagged(request, hashlib.sha256(data).hexdigest()[:40], data, media_type)

    async def picture(self, request: Request) -> Response:
        """A job's picture, made small, or a placeholder where it is gone or can't be decoded."""
        job_id, role, size = (request.path_params[key] for key in ("job_id", "role", "size"))
        side = thumbnails.SIDES.get(size)
        if side is None or not pictures.is_role(role) or not _JOB_ID.fullmatch(job_id):
            raise HTTPException(404)
        known = request.headers.get("if-none-match", "")
        made = await anyio.to_thread.run_sync(
            functools.partial(self._made, job_id, role, side, known), limiter=self._decoding
        )
        if made is None:
            data, media_type = self._static[_PLACEHOLDER]
            return Response(data, media_type=media_type)
        tag, data = made
        return _tagged(request, tag, data, "image/jpeg")

    def _made(self, job_id: str, role: str, side: int, known: str) -> tuple[str, bytes] | None:
        """The small picture and what tells it from others; without its bytes if that is known."""
        found = self._found(job_id, role)
        if found is None:
            return None
        tag = thumbnails.key(found, side)
        if _quoted(tag) == known:
            found.file.close()
            return tag, b""
        data = self._thumbnails.jpeg(found, side)
        return None if data is None else (tag, data)

    def _found(self, job_id: str, role: str) -> Found | None:
        def question(queries: Queries) -> tuple[Entry | None, list[tuple[Path, FileIdentity]]]:
            return queries.entry(job_id), queries.filed_of([job_id])

        entry, filed = reading.ask(layout.ledger(self._config), question)
        if entry is None:
            raise HTTPException(404)
        return pictures.find(self._config, entry, role, filed)


def _static() -> Mapping[str, tuple[bytes, str]]:
    """Our own files by name, and their media types; all of them, read once."""
    folder = resources.files("nstd.web").joinpath("static")
    return {
        one.name: (one.read_bytes(), _MEDIA_TYPES[PurePath(one.name).suffix])
        for one in folder.iterdir()
        if PurePath(one.name).suffix in _MEDIA_TYPES
    }


def _tagged(request: Request, tag: str, data: bytes, media_type: str) -> Response:
    """An answer that need not be sent again to who has it."""
    headers = {**_REVALIDATED, "ETag": _quoted(tag)}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(data, headers=headers, media_type=media_type)


def _quoted(tag: str) -> str:
    return f'"{tag}"'


def _unable(request: Request, error: Exception) -> Response:
    """The ledger can't be asked; the page itself says more."""
    del request, error
    return PlainTextResponse("The ledger can't be read now.\n", 503)


def _mistaken(request: Request, error: Exception) -> Response:
    """A mistake of ours: the log has it, the answer doesn't."""
    structlog.get_logger().error(
        telemetry.INTERNAL_ERROR, place=request.scope["path"], exc_info=error
    )
    return PlainTextResponse("nstd made a mistake; its log has more.\n", 500)
