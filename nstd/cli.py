"""The command line: puts the commands together, and turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import nstd
from nstd.commands import (
    asking,
    describing,
    painting,
    serving,
    showing,
    submitting,
    watching,
    weights,
)
from nstd.errors import NstdError

app = typer.Typer(
    name="nstd",
    help="Turn pairs of pictures into paintings: as a daemon on a folder, or one at a time.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order in which the help lists them.
for _command in (
    painting.stylize,
    painting.compare,
    serving.run,
    serving.once,
    serving.check,
    submitting.submit,
    watching.status,
    watching.history,
    showing.web,
    asking.cancel,
    asking.retry,
    asking.pause,
    asking.resume,
    asking.prune,
    describing.schema,
    painting.demo,
    painting.bench,
):
    app.command()(_command)
app.add_typer(weights.app, name="weights")


def main() -> None:
    """Run the command line; the one place that turns errors into exit codes."""
    if sys.stderr is None:  # closed by whoever started us
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for good
    # Pydantic would look through every installed package for plugins of its own; none is used.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        app()
    except NstdError as error:
        typer.echo(f"nstd: {error}", err=True)
        sys.exit(error.exit_code)


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer's callback signature
    if wanted:
        typer.echo(f"nstd {nstd.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    pass
