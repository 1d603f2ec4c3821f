"""Where everything is: all that commands need to know of the configuration to look at a daemon.

It is a small part of what a configuration says, and nothing else of it is read for that. So they
answer at once, without the time that it takes to import pydantic, and answer too where a mistake
elsewhere in the file waits to be told by the daemon or by `nstd check`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from nstd.errors import ConfigError
from nstd.strict_yaml import YamlError, load_mapping
from nstd.validation import shown, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping

FolderName = Literal["inbox", "outbox", "failed", "done", "state"]

FOLDERS: Final[tuple[FolderName, ...]] = ("inbox", "outbox", "failed", "done", "state")
ROOT: Final = Path("/var/lib/nstd")
_REMEDY: Final = "config.example.yaml documents every key"


class Folders(Protocol):
    """Knows where the folders are: those that users see, and the daemon's own."""

    def folder(self, name: FolderName) -> Path:
        """Where one is: where a setting of its own places it, else its name below the root."""
        ...


@dataclass(frozen=True, slots=True)
class Places:
    """Folders, and nothing else of a configuration.

    Attributes:
        root: holds those that are not placed elsewhere.
        elsewhere: those that are.
    """

    root: Path = ROOT
    elsewhere: Mapping[str, Path] = field(default_factory=dict)

    def folder(self, name: FolderName) -> Path:
        """Where one is."""
        return self.elsewhere.get(name, self.root / name)


def load(path: Path) -> Places:
    """The folders that a configuration file names.

    Raises:
        ConfigError: it can't be read, isn't YAML, or is wrong about a folder.
    """
    values, found = parse(read(path), file=str(path))
    found = [(key, clause) for key, clause in found if key in ("root", *FOLDERS)]
    given = {"root": values.get("root", ROOT)}
    given |= {name: values[name] for name in FOLDERS if values.get(name) is not None}
    places: dict[str, Path] = {}
    for key, value in given.items():
        try:
            places[key] = as_path(value)
        except ValueError as error:
            found.append((key, f"{error}{shown(value)}"))
    if found:
        raise wrong(found, file=str(path))
    return Places(places.pop("root"), places)


def as_path(value: Any) -> Path:  # noqa: ANN401 - whatever stood in the file
    """A folder's path as YAML has it, a word; whole, for the ledger remembers it.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, Path):
        return value.absolute()
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("must be a path")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("names a user that doesn't exist") from error


def read(path: Path) -> bytes:
    """A configuration file's bytes.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"can't be read: {error.strerror}", file=str(path), remedy="name a readable file"
        ) from error


def parse(data: bytes, *, file: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """A configuration's values, and what is wrong with keys: see `strict_yaml.load_mapping`.

    Raises:
        ConfigError: it isn't YAML.
    """
    try:
        return load_mapping(data)
    except YamlError as error:
        raise ConfigError(str(error), file=file, remedy=_REMEDY) from error


def wrong(found: list[tuple[str, str]], *, file: str) -> ConfigError:
    """The error that tells all problems of a file, as (key, what is wrong), at once."""
    what, key = summarise(found)
    return ConfigError(what, file=file, key=key, remedy=_REMEDY)
