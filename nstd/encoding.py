"""Pictures out: float sRGB to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from nstd import color
from nstd.errors import ImageError

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
FORMATS: Final[Mapping[str, OutputFormat]] = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}

_SIDE_LIMITS: Mapping[str, int] = {"jpeg": 65_500, "webp": 16_383}


def encode(
    rgb: FloatArray,
    path: Path,
    *,
    format: OutputFormat,  # noqa: A002
    quality: int = 92,
    alpha: FloatArray | None = None,
) -> None:
    """Write a picture, tagged as sRGB, 8 bits per channel.

    Neither atomic nor synced to disk: both are up to the caller.

    Args:
        rgb: [H, W, 3] float32; values beyond [0, 1] are clipped.
        path: where to; what is there is overwritten.
        format: of the file, whatever the path ends in.
        quality: of JPEG and WebP, up to 100.
        alpha: [H, W] float32; JPEG, which can't hold it, shows the picture on white.

    Raises:
        ImageError: a value isn't finite, or a side is longer than the format allows.
        OSError: the file can't be written.
    """
    limit = _SIDE_LIMITS.get(format)
    if limit is not None and max(rgb.shape[:2]) > limit:
        height, width = rgb.shape[:2]
        raise ImageError(
            f"{width} x {height} pixels don't fit in a {format} file, whose sides end at {limit}",
            file=path.name,
            remedy="choose png or tiff for the output",
        )
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
    levels = np.clip(layers, 0, 1) * 255 + 0.5  # the conversion to integers cuts downwards
    image = Image.fromarray(levels.astype(np.uint8))
    profile = color.srgb_profile()
    match format:
        case "png":
            image.save(path, "PNG", icc_profile=profile)
        case "jpeg":
            image.save(path, "JPEG", icc_profile=profile, quality=quality, subsampling="4:4:4")
        case "webp":
            image.save(path, "WEBP", icc_profile=profile, quality=quality)
        case "tiff":
            image.save(path, "TIFF", icc_profile=profile, compression="tiff_adobe_deflate")
