"""What file names mean: which are images, which are sidecars, which are nobody's business."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
SIDECAR_SUFFIXES: Final = (".yaml", ".yml")
CANCEL_SUFFIX: Final = ".cancel"
FOLDER_DEFAULTS: Final = "nstd.yaml"  # makes its folder a hot one

_IGNORED_PREFIXES = (".", "~")
_IGNORED_SUFFIXES = ("~", ".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp")
_IGNORED_NAMES = frozenset({"thumbs.db", "desktop.ini"})


def is_ignored(name: str, patterns: Sequence[str] = ()) -> bool:
    """Whether a name is hidden or temporary: not, or not yet, a file that anybody dropped.

    Args:
        name: of the file.
        patterns: further ones, as shells know them.
    """
    lowered = name.lower()
    return (
        name.startswith(_IGNORED_PREFIXES)
        or lowered.endswith(_IGNORED_SUFFIXES)
        or lowered in _IGNORED_NAMES
        or any(fnmatchcase(name, pattern) for pattern in patterns)
    )


def is_sidecar(name: str) -> bool:
    """Whether a name is a sidecar's."""
    return name.lower().endswith(SIDECAR_SUFFIXES) and name != FOLDER_DEFAULTS


def is_cancel(name: str) -> bool:
    """Whether a name asks for a job to be cancelled."""
    return name.lower().endswith(CANCEL_SUFFIX)


def is_image(name: str) -> bool:
    """Whether a name is that of a picture in a format that nstd reads."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def is_input(name: str) -> bool:
    """Whether a name is one that a job could be made of, or by."""
    return is_sidecar(name) or is_image(name) or name == FOLDER_DEFAULTS


def image_names(stem: str) -> list[str]:
    """The names that an image with this stem may have; cameras write the suffix in capitals."""
    return [stem + spelt for suffix in IMAGE_SUFFIXES for spelt in (suffix, suffix.upper())]


def without_image_suffix(name: str) -> str:
    """`harbour.png` -> `harbour`; other names as they are."""
    suffix = PurePath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in IMAGE_SUFFIXES else name


def shortened(stem: str, limit: int) -> str:
    """A stem cut to so many bytes, between two characters."""
    while len(os.fsencode(stem)) > limit:
        stem = stem[:-1]
    return stem


def shown(name: object) -> str:
    """A name for people: what isn't printable is escaped, so that it can't forge a line."""
    text = str(name).encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
