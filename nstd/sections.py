"""What the sections of the configuration are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict


def _as_path(value: Any) -> Any:  # noqa: ANN401 - whatever stood in the file
    """YAML knows no paths: a word is one. Anything else is left for pydantic to refuse."""
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise ValueError("must be a path")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError("names a user that doesn't exist") from error


FolderPath = Annotated[Path, BeforeValidator(_as_path)]


# An unknown key or a value of another type is refused, and nothing is changed later.
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
