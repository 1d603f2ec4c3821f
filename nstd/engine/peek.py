"""The picture in a checkpoint, for who only wants to look: no TensorFlow, and nothing is trusted."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from nstd.errors import ImageError

if TYPE_CHECKING:
    from nstd.domain import Float32Image

IMAGE: Final = "state_0"  # where the first part of the state lies, which is the image
_CHANNELS = 3


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
            shape = _shape(member)
            if len(shape) != _CHANNELS + 1 or shape[0] != 1 or shape[-1] != _CHANNELS:
                raise ValueError(f"an array of shape {shape} is no picture")
            count = shape[1] * shape[2]
            if not 0 < count <= pixels:
                raise ValueError(f"has {count} pixels")
            size = count * _CHANNELS
            values = np.frombuffer(member.read(size * 4), "<f4", size)
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise ImageError("there is no picture in this checkpoint") from error
    return np.nan_to_num(values.reshape(shape[1:])).clip(0, 1)


def _shape(member: zipfile.ZipExtFile) -> tuple[int, ...]:
    """The shape that an array's header promises, of little-endian float32 in rows."""
    if np.lib.format.read_magic(member) != (1, 0):
        raise ValueError("another format")
    shape, is_in_columns, kind = np.lib.format.read_array_header_1_0(member)
    if is_in_columns or kind != np.dtype("<f4"):
        raise ValueError("other values")
    return shape
