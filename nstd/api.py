"""The Python API: stylise arrays or files in this process, without folders or daemons."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nstd import images, resampling
from nstd.domain import StyleImage, StyleRequest
from nstd.engine import weights
from nstd.engine.build import build
from nstd.errors import ImageError
from nstd.params import StyleParams

if TYPE_CHECKING:
    from nstd.domain import Float32Image, StyleResult
    from nstd.engine.device import Precision
    from nstd.engine.engine import Engine
    from nstd.engine.transfer import Transfer

Source: TypeAlias = "str | Path | Float32Image"

_CHANNELS = 3


def stylize(content: Source, style: Source, params: StyleParams | None = None) -> StyleResult:
    """Paint `content` in the manner of `style`.

    Args:
        content: a file, or float32 RGB [H, W, 3] in [0, 1].
        style: likewise.
        params: default: the default preset at the content's size, up to 1024 pixels.

    Returns:
        The result; its `image` is float32 RGB [H, W, 3] in [0, 1].

    Raises:
        ImageError: an image can't be decoded, is too large or too small, or isn't an image.
        WeightsError: the network's weights can't be had.
        NonFiniteLossError: the optimisation diverged.
    """
    return start(content, style, params).result()


def start(content: Source, style: Source, params: StyleParams | None = None) -> Transfer:
    """As `stylize`, but returns the transfer to iterate over, one `Iterate` at a time."""
    params = params or StyleParams()
    pixels = _pixels(content, "content")
    height, width = pixels.shape[:2]
    side = params.long_side(max(height, width))
    wanted_width, wanted_height = resampling.fit(width, height, side)
    if (height, width) != (wanted_height, wanted_width):
        pixels = resampling.resize(pixels, (wanted_height, wanted_width))
    styles = (StyleImage(_pixels(style, "style")),)
    return engine().transfer(StyleRequest(pixels, styles, params))


@functools.cache
def engine(precision: Precision = "auto", threads: int = 0) -> Engine:
    """This process's engine, built on first use; fetches the weights if they aren't cached."""
    return build(weights.resolve(None), precision, threads)


def _pixels(source: Source, role: str) -> Float32Image:
    if isinstance(source, str | Path):
        return images.load(Path(source), limits=images.ImageLimits(), name=str(source)).rgb
    pixels = np.asarray(source, np.float32)
    if pixels.ndim != _CHANNELS or pixels.shape[2] != _CHANNELS or not np.isfinite(pixels).all():
        raise ImageError(
            f"the {role} array must be finite and of shape [H, W, 3], not {pixels.shape}",
            remedy="pass float32 RGB in [0, 1]",
        )
    return np.clip(pixels, 0.0, 1.0)
