"""The picture in a checkpoint, for who only wants to look: no TensorFlow, and no trust."""

from __future__ import annotations

import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from nstd.errors import ImageError

if TYPE_CHECKING:
    from nstd.domain import Float32Image

IMAGE: Final = "state_0"  # where the first part of the state lies, which is the image
_CHANNELS: Final = 3
_BYTES: Final = 4  # of a float32
_DAMAGE: Final = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def picture(file: BinaryIO, *, pixels: int) -> Float32Image:
    """The next iterate, float32 RGB [h, w, 3] in [0, 1], at the size of the scale under way.

    Args:
        file: a checkpoint; it may be any file whatever.
        pixels: that it may have at most.

    Raises:
        ImageError: there is no such picture in it.
    """
    try:
        with zipfile.ZipFile(file) as archive, archive.open(f"{IMAGE}.npy") as member:
            height, width = _size(member, pixels)
            count = height * width * _CHANNELS
            values = np.frombuffer(member.read(count * _BYTES), "<f4", count)
    except _DAMAGE as error:
        raise ImageError("there is no picture in this checkpoint") from error
    image: Float32Image = np.nan_to_num(values.reshape(height, width, _CHANNELS)).clip(0, 1)
    return image


def _size(member: IO[bytes], pixels: int) -> tuple[int, int]:
    """Height and width that an array's header promises.

    Raises:
        ValueError: it isn't a picture's, or promises too much.
    """
    header: Any = np.lib.format
    if header.read_magic(member) != (1, 0):
        raise ValueError("another format")
    shape, is_in_columns, kind = header.read_array_header_1_0(member)
    if is_in_columns or kind != np.dtype("<f4"):
        raise ValueError("other values")
    frames, height, width, channels = shape
    if (frames, channels) != (1, _CHANNELS) or not 0 < height * width <= pixels:
        raise ValueError("another shape")
    return height, width
