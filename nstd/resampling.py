"""Change the size of pictures, in float."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from nstd.color import FloatArray


def fit(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Scale a size up or down to a long side, keeping the aspect.

    Returns:
        (width, height), rounded to the nearest pixel, no side below 1.
    """
    longest = max(width, height)
    scaled = ((2 * side * long_side + longest) // (2 * longest) for side in (width, height))
    new_width, new_height = (max(1, side) for side in scaled)
    return new_width, new_height


def resize(values: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Resample in float with an antialiasing Lanczos kernel.

    Args:
        values: [H, W] or [H, W, C] float32 in [0, 1].
        size: (height, width) wanted.

    Returns:
        float32 of the wanted height and width, overshoot clipped to [0, 1].
    """
    return np.clip(resample(values, size, Image.Resampling.LANCZOS), 0, 1)


def resample(values: FloatArray, size: tuple[int, int], kernel: Image.Resampling) -> FloatArray:
    """Resample [H, W] or [H, W, C] float32 to (height, width) in float, channel by channel."""
    if values.ndim == 2:  # noqa: PLR2004
        channel = Image.fromarray(np.ascontiguousarray(values, np.float32))
        return np.asarray(channel.resize(size[::-1], kernel))
    channels = [resample(values[..., index], size, kernel) for index in range(values.shape[2])]
    return np.stack(channels, axis=-1)
