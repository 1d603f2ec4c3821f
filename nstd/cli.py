"""The command line. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import nstd
from nstd.errors import NstdError, UsageError

if TYPE_CHECKING:
    from nstd.config import Config

app = typer.Typer(
    name="nstd",
    help="Turn pairs of pictures into paintings: as a daemon on a folder, or one at a time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
weights_app = typer.Typer(
    help="The network's weights: fetch, verify, locate.", no_args_is_help=True
)
app.add_typer(weights_app, name="weights")

RootOption = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="Keep inbox, outbox, failed, done, state here."),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration file.")
]


def main() -> None:
    """Run the command line; the one place that turns errors into exit codes."""
    if sys.stderr is None:  # closed by whoever started us
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for good
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


@app.command()
def stylize(
    *,
    content: Annotated[
        Path, typer.Argument(help="Content image; `none` makes a texture of the styles.")
    ],
    styles: Annotated[
        list[Path], typer.Argument(metavar="STYLE...", help="Style images; several blend.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Result: .png .jpg .webp .tiff.")
    ],
    preset: Annotated[str | None, typer.Option(help="draft, fast, quality or classic.")] = None,
    size: Annotated[str | None, typer.Option(help="Long side in pixels, or `original`.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any parameter; may be repeated."),
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Give the same bytes each time.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Paint CONTENT in the manner of STYLE, in this process."""
    from nstd import single  # noqa: PLC0415 - see the module's docstring

    signal.signal(signal.SIGTERM, _interrupt)

    values = _settings(settings or [])
    values |= {} if preset is None else {"preset": preset}
    values |= {} if size is None else _settings([f"size={size}"])
    picture = None if str(content) == "none" else content
    facts = single.stylize(picture, styles, output, values, deterministic=deterministic)
    if as_json:
        import json  # noqa: PLC0415

        typer.echo(json.dumps(facts, indent=2))
    else:
        typer.echo(output)


@app.command()
def run(*, root: RootOption = None, config: ConfigOption = None) -> None:
    """Watch the inbox and paint until stopped."""
    raise typer.Exit(_serve(root, config, drain=False))


@app.command()
def once(*, root: RootOption = None, config: ConfigOption = None) -> None:
    """Paint what is in the inbox, then exit."""
    raise typer.Exit(_serve(root, config, drain=True))


@app.command()
def check(
    *,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say whether the daemon can work here, and what to do if it can't."""
    from nstd import doctor  # noqa: PLC0415

    findings = doctor.examine(lambda: _config(root, config))
    if as_json:
        import json  # noqa: PLC0415

        typer.echo(json.dumps(doctor.plain(findings), indent=2))
    else:
        from rich.console import Console  # noqa: PLC0415

        Console().print(doctor.table(findings))
    raise typer.Exit(doctor.exit_code(findings))


@app.command()
def demo(
    root: Annotated[
        Path, typer.Option("--root", metavar="DIR", help="The demonstration's own folder.")
    ] = Path("demo"),
) -> None:
    """Start a daemon, drop a pair of pictures that come with nstd, and wait for the painting."""
    from nstd import demonstration  # noqa: PLC0415

    result = demonstration.run(root)
    typer.echo(f"picture:  {result.picture}\nmanifest: {result.manifest}")


@app.command()
def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="256 pixels only.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON on stdout; the table goes to stderr.")
    ] = False,
) -> None:
    """Measure this machine: iterations, drafts, new sizes, and what pictures will take."""
    from rich.console import Console  # noqa: PLC0415

    from nstd import bench as measuring  # noqa: PLC0415

    report = measuring.run(quick=quick)
    Console(stderr=as_json).print(measuring.tables(report))
    if as_json:
        import json  # noqa: PLC0415

        typer.echo(json.dumps(report.plain(), indent=2))


@weights_app.command()
def fetch(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Take a file instead: the archive or a converted file."
        ),
    ] = None,
) -> None:
    """Fetch the weights into the cache, verified."""
    from nstd import progress  # noqa: PLC0415
    from nstd.engine import weights  # noqa: PLC0415

    with progress.DownloadBar() as bar:
        path = weights.fetch(source, progress=bar)
    typer.echo(path)


@weights_app.command()
def verify(
    path: Annotated[Path | None, typer.Argument(help="Default: the file in the cache.")] = None,
) -> None:
    """Check that the weights are, bit for bit, what they should be."""
    from nstd.engine import weights  # noqa: PLC0415

    path = path or weights.cached_path()
    typer.echo(f"{path}: sha256 {weights.verify(path)} of its content, as it should be")


@weights_app.command("path")
def show_path() -> None:
    """Say where the weights are cached: the file to carry to a host without a network."""
    from nstd.engine import weights  # noqa: PLC0415

    typer.echo(weights.cached_path())


def _serve(root: Path | None, config_file: Path | None, *, drain: bool) -> int:
    from nstd import progress, telemetry  # noqa: PLC0415
    from nstd.daemon import Daemon  # noqa: PLC0415
    from nstd.engine import weights  # noqa: PLC0415

    config = _config(root, config_file)
    telemetry.set_up(config.log)
    try:
        with progress.DownloadBar() as bar:
            path = weights.resolve(config.weights, progress=bar)
        return Daemon(config, path, drain=drain, reread=lambda: _config(root, config_file)).run()
    except NstdError as error:
        telemetry.fatal(error)
        return error.exit_code


def _interrupt(*_: object) -> None:
    """End as Ctrl-C does, temporary files and all."""
    raise KeyboardInterrupt


def _config(root: Path | None, config_file: Path | None) -> Config:
    """The configuration that the options name; $NSTD_CONFIG and /etc stand in for none."""
    from nstd import config  # noqa: PLC0415

    if root and config_file:
        raise UsageError("--root and --config exclude each other", remedy="give one of them")
    if root and root != Path():
        found = config.Config(root=root)
        config.refuse_loops(found)
        return found
    return config.load(config_file or Path(os.environ.get("NSTD_CONFIG", "/etc/nstd/config.yaml")))


def _settings(assignments: list[str]) -> dict[str, Any]:
    """`key=value` options as plain values; a value is read as YAML reads it."""
    from nstd import strict_yaml  # noqa: PLC0415

    values = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise UsageError(f"--set {assignment}: has no =", remedy="write --set key=value")
        try:
            values[key.strip()] = strict_yaml.load(text)
        except strict_yaml.YamlError as error:
            raise UsageError(f"--set {assignment}: {error}") from error
    return values
