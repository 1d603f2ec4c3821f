"""A job without touching the inbox by hand: `submit`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nstd.commands.options import ConfigOption, RootOption, SetOption, read_config, settings

if TYPE_CHECKING:
    from nstd.config import Config


def submit(
    *,
    content: Annotated[
        Path, typer.Argument(help="Content image; `none` makes a texture of the styles.")
    ],
    styles: Annotated[
        list[Path], typer.Argument(metavar="STYLE...", help="Style images; several blend.")
    ],
    assignments: SetOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="The job's; default: the content's, numbered.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show its progress, and print the result's path.")
    ] = False,
    root: RootOption = None,
    config: ConfigOption = None,
) -> None:
    """Drop a job into the inbox: copies of the images, and a sidecar."""
    from nstd import submission

    found = read_config(root, config)
    began = time.time()
    picture = None if str(content) == "none" else content
    order = submission.Order(picture, styles, settings(assignments or []))
    job = submission.submit(found, order, name)
    typer.echo(_wait(found, job, began) if wait else job)


def _wait(config: Config, job: str, began: float) -> Path:
    from nstd import following, progress

    with progress.IterationBar() as bar:
        return following.follow(config, job, began, bar)
