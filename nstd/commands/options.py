"""Options that several commands share, and what they come to."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nstd.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nstd.config import Config
    from nstd.domain import WeightedFile
    from nstd.folders import Folders

_DEFAULT_FILE = Path("/etc/nstd/config.yaml")


def _folder(text: str) -> Path:
    """A folder that was named; an empty name is a variable that wasn't set, and no folder."""
    if not text:
        raise typer.BadParameter("is empty; name a folder")
    return Path(text).absolute()


RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        parser=_folder,
        help="Keep inbox, outbox, failed, done, state here.",
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Configuration file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any parameter; may be repeated."),
]

ContentArgument = Annotated[
    Path, typer.Argument(help="Content image; `none` makes a texture of the styles.")
]
StylesArgument = Annotated[
    list[Path], typer.Argument(metavar="STYLE...", help="Style images; several blend.")
]
StyleWeightsOption = Annotated[
    str | None,
    typer.Option(
        "--style-weights",
        metavar="N,...",
        help="Shares of the styles in their blend, one for each: `2,1`. Default: equal.",
    ),
]
PresetOption = Annotated[str | None, typer.Option(help="draft, fast, quality or classic.")]
SizeOption = Annotated[str | None, typer.Option(help="Long side in pixels, or `original`.")]


def read_config(root: Path | None, config_file: Path | None) -> Config:
    """The configuration that the options name; $NSTD_CONFIG and /etc stand in for none.

    Raises:
        UsageError: both are given.
        ConfigError: there is none, or it is wrong.
    """
    from nstd import config

    if (below := _root(root, config_file)) is None:
        return config.load(_file(config_file))
    found = config.Config(root=below)
    config.refuse_loops(found)
    return found


def read_folders(root: Path | None, config_file: Path | None) -> Folders:
    """Of that configuration, where its folders are; raises as `read_config` does."""
    from nstd import folders

    below = _root(root, config_file)
    return folders.load(_file(config_file)) if below is None else folders.Places(root=below)


def _root(root: Path | None, config_file: Path | None) -> Path | None:
    if root and config_file:
        raise UsageError("--root and --config exclude each other", remedy="give one of them")
    return root


def _file(given: Path | None) -> Path:
    """The configuration file; one that is there, if nobody has named it.

    Raises:
        ConfigError: nobody has, and it isn't.
    """
    named = given or os.environ.get("NSTD_CONFIG")
    if named:
        return Path(named)
    if not _DEFAULT_FILE.exists():
        raise ConfigError(
            f"{_DEFAULT_FILE} is not there, and nothing else says where the folders are",
            remedy="give --root DIR or --config FILE, or set NSTD_CONFIG",
        )
    return _DEFAULT_FILE


def settings(
    assignments: list[str] | None, preset: str | None = None, size: str | None = None
) -> dict[str, Any]:
    """`key=value` options as plain values; a value is read as YAML reads it.

    Args:
        assignments: of `--set`.
        preset: of the option that stands for `--set preset=`.
        size: likewise.

    Raises:
        UsageError: one has no `=`, a value that isn't YAML, or another's key.
    """
    from nstd import strict_yaml

    preferred = ([] if preset is None else [f"preset={preset}"]) + (
        [] if size is None else [f"size={size}"]
    )
    values: dict[str, Any] = {}
    for assignment in [*preferred, *(assignments or [])]:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise UsageError(f"--set {assignment}: has no =", remedy="write --set key=value")
        if key.strip() in values:
            raise UsageError(f"{key.strip()} is given twice", remedy="leave one of them out")
        try:
            values[key.strip()] = strict_yaml.load(text)
        except strict_yaml.YamlError as error:
            raise UsageError(f"--set {assignment}: {error}") from error
    return values


def weigh(styles: Sequence[Path], shares: str | None) -> tuple[WeightedFile, ...]:
    """Styles with their shares in the blend.

    Args:
        styles: one or more.
        shares: of `--style-weights`: numbers with commas between; None: equal ones.

    Raises:
        UsageError: there are more or fewer of them than styles, or one is no such number.
    """
    from nstd.domain import WeightedFile
    from nstd.params import MAX_STYLE_WEIGHT

    given = ["1"] * len(styles) if shares is None else shares.split(",")
    if len(given) != len(styles):
        raise UsageError(
            f"--style-weights {shares}: {len(given)} for {len(styles)} style images",
            remedy="give one for each, in their order",
        )
    return tuple(
        WeightedFile(style, str(style), _weight(text, MAX_STYLE_WEIGHT))
        for style, text in zip(styles, given, strict=True)
    )


def _weight(text: str, most: float) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= most:
        raise UsageError(
            f"--style-weights: {text.strip() or 'nothing'} is no share",
            remedy=f"write numbers above 0 and up to {most:g}, with commas between: 2,1",
        )
    return weight


def print_json(facts: object) -> None:
    """Print plain values as JSON."""
    import json

    typer.echo(json.dumps(facts, indent=2))
