"""The daemon itself, and whether it can work: `run`, `once`, `check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nstd.commands.options import ConfigOption, RootOption, print_json, read_config
from nstd.errors import NstdError

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config


def run(*, root: RootOption = None, config: ConfigOption = None) -> None:
    """Watch the inbox and paint until stopped."""
    raise typer.Exit(_serve(root, config, drain=False))


def once(*, root: RootOption = None, config: ConfigOption = None) -> None:
    """Paint what is in the inbox, then exit."""
    raise typer.Exit(_serve(root, config, drain=True))


def check(
    *,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say whether the daemon can work here, and what to do if it can't."""
    from nstd import doctor, findings

    found = doctor.examine(lambda: read_config(root, config))
    if as_json:
        print_json(findings.plain(found))
    else:
        from rich.console import Console

        Console().print(findings.table(found))
    raise typer.Exit(findings.exit_code(found))


def _serve(root: Path | None, config_file: Path | None, *, drain: bool) -> int:
    from nstd import progress, telemetry
    from nstd.daemon import Daemon
    from nstd.engine import weights

    def read() -> Config:
        return read_config(root, config_file)

    config = read()
    telemetry.set_up(config.log)
    try:
        with progress.DownloadBar() as bar:
            path = weights.resolve(config.weights, progress=bar)
        return Daemon(config, path, drain=drain, reread=read).run()
    except NstdError as error:
        telemetry.fatal(error)
        return error.exit_code
