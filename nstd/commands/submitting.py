"""A job without touching the inbox by hand: `submit`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nstd.commands.options import (
    ConfigOption,
    ContentArgument,
    PresetOption,
    RootOption,
    SetOption,
    SizeOption,
    StylesArgument,
    StyleWeightsOption,
    read_config,
    settings,
    weigh,
)

if TYPE_CHECKING:
    from nstd.config import Config


def submit(
    *,
    content: ContentArgument,
    styles: StylesArgument,
    style_weights: StyleWeightsOption = None,
    preset: PresetOption = None,
    size: SizeOption = None,
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
    values = settings(assignments, preset, size)
    order = submission.Order(picture, weigh(styles, style_weights), values)
    job = submission.submit(found, order, name)
    typer.echo(_wait(found, job, began) if wait else job)


def _wait(config: Config, job: str, began: float) -> Path:
    from nstd import following, progress

    with progress.IterationBar() as bar:
        return following.follow(config, job, began, bar)
