"""What is going on, for browsers: `web`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nstd.commands.options import ConfigOption, RootOption, read_config
from nstd.errors import ExtraAbsentError, UsageError

if TYPE_CHECKING:
    from nstd.config import Config

_EXTRA = ("anyio", "jinja2", "starlette", "uvicorn")


def web(
    *,
    root: RootOption = None,
    config: ConfigOption = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="IP", help="Of this machine; default: the configuration's."),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: the configuration's.")
    ] = None,
) -> None:
    """Show what runs, waits, was done and failed to browsers, until stopped; it only reads."""
    from nstd import telemetry

    given = {"address": address, "port": port}
    settings = _placed(
        read_config(root, config), {key: one for key, one in given.items() if one is not None}
    )
    try:
        from nstd.web import server
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in _EXTRA:
            raise
        raise ExtraAbsentError(
            f"the status page needs {package}, which isn't installed",
            remedy="say pip install 'nstd[web]'",
        ) from error
    telemetry.set_up(settings.log)
    server.serve(settings)


def _placed(settings: Config, given: dict[str, str | int]) -> Config:
    """The configuration with the page's place as the options have it.

    Raises:
        UsageError: there is no such place.
    """
    from pydantic import ValidationError

    from nstd.config import Web
    from nstd.validation import problems

    try:
        placed = Web.model_validate({**settings.web.model_dump(), **given})
    except ValidationError as error:
        ((key, clause), *_) = problems(error, Web.model_fields)
        raise UsageError(f"--{key} {given[key]}: {clause}") from error
    return settings.model_copy(update={"web": placed})
