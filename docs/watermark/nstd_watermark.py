"""An example of a plugin for nstd: signs every picture in its lower right corner.

The words are those of $WATERMARK, else "nstd".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nstd.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPACITY = 0.6


@hookimpl
def nstd_process_result(image: np.ndarray) -> np.ndarray:
    """Blend white letters into the picture, float32 RGB [H, W, 3] in [0, 1]."""
    height, width = image.shape[:2]
    side = max(10, min(height, width) // 16)
    mask = Image.new("L", (width, height))
    ImageDraw.Draw(mask).text(
        (width - side // 2, height - side // 2),
        os.environ.get("WATERMARK", "nstd"),
        fill=round(255 * _OPACITY),
        font=ImageFont.load_default(side),
        anchor="rs",
    )
    share = np.asarray(mask, np.float32)[..., np.newaxis] / 255
    return image * (1 - share) + share


@hookimpl
def nstd_event(event: str, name: str, document: Mapping[str, Any]) -> None:
    """Say which pictures were signed; nstd logs what a plugin prints."""
    signed = any(one["name"] == "watermark" for one in document.get("plugins", ()))
    print(f"{name} is {event}, {'signed' if signed else 'not signed'}")
