"""What the files that people write look like: `schema`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from nstd.commands.options import print_json


class Kind(StrEnum):
    """A kind of file."""

    CONFIG = "config"
    SIDECAR = "sidecar"
    FOLDER = "folder"


def schema(kind: Annotated[Kind, typer.Argument(help="Of which file.")]) -> None:
    """Print a JSON Schema, for editors that complete and check."""
    from nstd import schemas

    print_json(schemas.schema(kind.value))
