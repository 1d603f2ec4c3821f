"""Without a daemon of one's own: `stylize`, `compare`, `demo`, `bench`."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nstd.commands.options import (
    ContentArgument,
    PresetOption,
    SetOption,
    SizeOption,
    StylesArgument,
    StyleWeightsOption,
    print_json,
    settings,
    weigh,
)

if TYPE_CHECKING:
    from typing import Never


def stylize(
    *,
    content: ContentArgument,
    styles: StylesArgument,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Result: .png .jpg .webp .tiff; replaced if it exists.",
        ),
    ],
    style_weights: StyleWeightsOption = None,
    preset: PresetOption = None,
    size: SizeOption = None,
    assignments: SetOption = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Give the same bytes each time.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Paint CONTENT in the manner of STYLE, in this process."""
    from nstd import single

    signal.signal(signal.SIGTERM, _interrupt)

    values = settings(assignments, preset, size)
    picture = None if str(content) == "none" else content
    weighted = weigh(styles, style_weights)
    facts = single.stylize(picture, weighted, output, values, deterministic=deterministic)
    if as_json:
        print_json(facts)
    else:
        typer.echo(output)


def compare(
    *,
    content: Annotated[Path, typer.Argument(help="Content image.")],
    style: Annotated[Path, typer.Argument(help="Style image.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Sheet: .png .jpg .webp .tiff; replaced if it exists.",
        ),
    ],
    grid: Annotated[
        list[str],
        typer.Option(
            metavar="KEY=VALUE,...", help="A parameter to vary; once for a list, twice for a table."
        ),
    ],
    preset: PresetOption = None,
    size: Annotated[
        str | None, typer.Option(help="Long side of each picture in pixels; default: 256.")
    ] = None,
    assignments: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Paint one pair with several parameters, on one labelled sheet to choose from."""
    from nstd import comparison

    signal.signal(signal.SIGTERM, _interrupt)

    facts = comparison.compare(content, style, output, settings(assignments, preset, size), grid)
    if as_json:
        print_json(facts)
    else:
        typer.echo(output)


def demo(
    root: Annotated[
        Path, typer.Option("--root", metavar="DIR", help="The demonstration's own folder.")
    ] = Path("demo"),
) -> None:
    """Start a daemon, drop a pair of pictures that come with nstd, and wait for the painting."""
    from nstd import demonstration

    result = demonstration.run(root)
    typer.echo(f"picture:  {result.picture}\nmanifest: {result.manifest}")


def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="256 pixels only.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON on stdout; the table goes to stderr.")
    ] = False,
) -> None:
    """Measure this machine: iterations, drafts, new sizes, and what pictures will take."""
    from rich.console import Console

    from nstd import bench as measuring

    report = measuring.run(quick=quick)
    Console(stderr=as_json).print(measuring.tables(report))
    if as_json:
        print_json(report.plain())


def _interrupt(*_: object) -> Never:
    """End as Ctrl-C does, temporary files and all."""
    raise KeyboardInterrupt
