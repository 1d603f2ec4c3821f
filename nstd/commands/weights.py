"""The network's weights: `weights fetch`, `weights verify`, `weights path`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The network's weights: fetch, verify, locate.", no_args_is_help=True)


@app.command()
def fetch(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Take a file instead: the archive or a converted file."
        ),
    ] = None,
) -> None:
    """Fetch the weights into the cache, verified."""
    from nstd import progress
    from nstd.engine import weights

    with progress.DownloadBar() as bar:
        path = weights.fetch(source, progress=bar)
    typer.echo(path)


@app.command()
def verify(
    path: Annotated[Path | None, typer.Argument(help="Default: the file in the cache.")] = None,
) -> None:
    """Check that the weights are, bit for bit, what they should be."""
    from nstd.engine import weights

    path = path or weights.cached_path()
    typer.echo(f"{path}: sha256 {weights.verify(path)} of its content, as it should be")


@app.command("path")
def show_path() -> None:
    """Say where the weights are cached: the file to carry to a host without a network."""
    from nstd.engine import weights

    path = weights.cached_path()
    if not path.exists():
        typer.echo("not there yet: fetch it with `nstd weights fetch`", err=True)
    typer.echo(path)
