"""Pictures out: float sRGB to a file."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np
import tifffile
from PIL import Image

from nstd import color
from nstd.errors import ImageError, ParamsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nstd.color import FloatArray
    from nstd.params import OutputFormat

EXTENSIONS: Final[Mapping[OutputFormat, str]] = {
    "png": ".png",
    "jpeg": ".jpg",
    "webp": ".webp",
    "tiff": ".tiff",
}

_SIDE_LIMITS: Mapping[str, int] = {"jpeg": 65_500, "webp": 16_383}
# Of a JPEG's segment, less its own head.
_LARGEST_EXIF: Mapping[str, int] = {"jpeg": 65_533 - len(b"Exif\0\0")}
_DEEP = 16
_PNG_COLOR_TYPES = {3: 2, 4: 6}


def encode(
    rgb: FloatArray,
    path: Path,
    *,
    format: OutputFormat,  # noqa: A002
    quality: int = 92,
    alpha: FloatArray | None = None,
    depth: int = 8,
    exif: bytes = b"",
) -> None:
    """Write a picture, tagged as sRGB.

    Neither atomic nor synced to disk: both are up to the caller.

    Args:
        rgb: [H, W, 3] float32; values beyond [0, 1] are clipped.
        path: where to; what is there is overwritten.
        format: of the file, whatever the path ends in.
        quality: of JPEG and WebP, up to 100.
        alpha: [H, W] float32; JPEG, which can't hold it, shows the picture on white.
        depth: bits per channel, 8 or 16; 16 for PNG and TIFF.
        exif: metadata to put in, as an EXIF block without its `Exif` mark, that the format has
            room for; 16-bit TIFF has none.

    Raises:
        ImageError: a value isn't finite, or a side is longer than the format allows.
        ParamsError: the format has no 16 bits.
        OSError: the file can't be written.
    """
    height, width = rgb.shape[:2]
    check_side(width, height, format, file=path.name)
    layers = rgb
    if alpha is not None and format == "jpeg":
        layers = 1 + alpha[..., None] * (rgb - 1)
    elif alpha is not None:
        layers = np.concatenate([rgb, alpha[..., None]], axis=-1)
    if not np.isfinite(layers).all():
        raise ImageError(
            "the picture has values that are not numbers",
            file=path.name,
            remedy="run it again; if that recurs, lower the weights or the learning rate",
        )
    if depth == _DEEP:
        _encode_deep(layers, path, format, exif)
        return
    image = Image.fromarray(_levels(layers, 255).astype(np.uint8))
    options = {"icc_profile": color.srgb_profile(), **({"exif": exif} if exif else {})}
    match format:
        case "png":
            image.save(path, "PNG", **options)
        case "jpeg":
            if exif:
                options["exif"] = b"Exif\0\0" + exif  # the mark that JPEG's own segment wants
            image.save(path, "JPEG", quality=quality, subsampling="4:4:4", **options)
        case "webp":
            image.save(path, "WEBP", quality=quality, **options)
        case "tiff":
            # libtiff, which compresses, can't write a directory within the directory.
            image.save(path, "TIFF", compression=None if exif else "tiff_adobe_deflate", **options)


def check_side(width: int, height: int, form: OutputFormat, *, file: str) -> None:
    """Refuse what the format can't hold, before it is painted.

    Args:
        width: in pixels.
        height: likewise.
        form: of the result.
        file: to name.

    Raises:
        ImageError: a side is longer than the format allows.
    """
    limit = _SIDE_LIMITS.get(form)
    if limit is not None and max(height, width) > limit:
        raise ImageError(
            f"{width} x {height} pixels don't fit in a {form} file, whose sides end at {limit}",
            file=file,
            key="format",
            remedy="choose png or tiff for the output",
        )


def has_room(exif: bytes, form: OutputFormat) -> bool:
    """Whether a format can hold a block of metadata."""
    return len(exif) <= _LARGEST_EXIF.get(form, len(exif))


def _levels(layers: FloatArray, highest: int) -> FloatArray:
    """Values whose integer parts are the nearest levels; the conversion cuts downwards."""
    return np.clip(layers, 0, 1) * highest + 0.5


def _encode_deep(layers: FloatArray, path: Path, form: OutputFormat, exif: bytes) -> None:
    """16 bits per channel, which Pillow writes for grey only."""
    levels = _levels(layers.astype(np.float64), 65535).astype(np.uint16)
    if form == "tiff":
        tifffile.imwrite(
            path,
            levels,
            photometric="rgb",
            compression="zlib",
            iccprofile=color.srgb_profile(),
            extrasamples=["unassalpha"] if levels.shape[2] == max(_PNG_COLOR_TYPES) else None,
        )
    elif form == "png":
        path.write_bytes(_png(levels, exif))
    else:
        raise ParamsError(
            f"a {form} has 8 bits per channel, not 16",
            key="depth",
            remedy="choose format: png or tiff, or depth: 8",
        )


def _png(levels: np.ndarray, exif: bytes) -> bytes:
    """A PNG of 16-bit levels [H, W, 3 or 4] (W3C PNG, third edition; filter type 2, "up")."""
    height, width, channels = levels.shape
    rows = levels.astype(">u2").reshape(height, -1).view(np.uint8)
    differences = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), differences], axis=1)
    header = struct.pack(">IIBBBBB", width, height, _DEEP, _PNG_COLOR_TYPES[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), (b"sRGB", b"\1")]
    if exif:
        chunks.append((b"eXIf", exif))
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
