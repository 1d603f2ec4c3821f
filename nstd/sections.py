"""What the sections of the configuration are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict

from nstd.folders import as_path

FolderPath = Annotated[Path, BeforeValidator(as_path)]

# An unknown key or a value of another type is refused, and nothing is changed later.
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
