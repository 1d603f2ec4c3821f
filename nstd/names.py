"""What file names mean: which are images, which are sidecars, which are nobody's business."""

from __future__ import annotations

from pathlib import PurePath
from typing import Final

IMAGE_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
SIDECAR_SUFFIXES: Final = (".yaml", ".yml")

_IGNORED_PREFIXES = (".", "~")
_IGNORED_SUFFIXES = ("~", ".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp")


def is_ignored(name: str) -> bool:
    """Whether a name is hidden or temporary: not, or not yet, a file that anybody dropped."""
    return name.startswith(_IGNORED_PREFIXES) or name.lower().endswith(_IGNORED_SUFFIXES)


def is_sidecar(name: str) -> bool:
    """Whether a name is a sidecar's."""
    return name.lower().endswith(SIDECAR_SUFFIXES)


def is_image(name: str) -> bool:
    """Whether a name is that of a picture in a format that nstd reads."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def image_names(stem: str) -> list[str]:
    """The names that an image with this stem may have; cameras write the suffix in capitals."""
    return [stem + spelt for suffix in IMAGE_SUFFIXES for spelt in (suffix, suffix.upper())]


def without_image_suffix(name: str) -> str:
    """`harbour.png` -> `harbour`; other names as they are."""
    path = PurePath(name)
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else name
