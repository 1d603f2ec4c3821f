"""The converted weights: an uncompressed .npz of float32 arrays, known by its content's digest.

The digest covers names, types, shapes and bytes, not the container, so that it doesn't depend on
the version of NumPy that wrote the file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import tokenize
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from nstd.errors import WeightsCorruptError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from nstd.engine.weights.release import Release

MAGIC: Final = b"PK\x03\x04"
REMEDY: Final = (
    "fetch the weights again with `nstd weights fetch`, or carry an intact file here and run "
    "`nstd weights fetch --from FILE`"
)
_LONGEST_HEADER: Final = 4096  # of an array within the file; NumPy writes 128 bytes
# What zipfile and NumPy raise on damaged files.
_DAMAGE: Final = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    UserWarning,
    ValueError,
    tokenize.TokenError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def digest(arrays: Mapping[str, NDArray[np.float32]]) -> str:
    """Return the SHA-256 over the arrays in order of name: name, type, shape, bytes."""
    total = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def check_digest(arrays: Mapping[str, NDArray[np.float32]], release: Release, file: str) -> None:
    """Compare the arrays with the release.

    Raises:
        WeightsCorruptError: they aren't the release's.
    """
    if (found := digest(arrays)) != release.sha256:
        raise WeightsCorruptError(
            f"the SHA-256 of its content is {found}, expected {release.sha256}",
            file=file,
            remedy=REMEDY,
        )


def write(path: Path, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Write a new converted file, safely onto the disk.

    Raises:
        OSError: it can't be written.
    """
    contents: dict[str, Any] = dict(arrays)  # savez has keywords of its own, none of them ours
    with path.open("xb") as file:
        np.savez(file, **contents)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path, release: Release) -> dict[str, NDArray[np.float32]]:
    """Read a converted file and verify it.

    Args:
        path: the file.
        release: what it must hold.

    Returns:
        Array name to read-only float32 array; kernels are [height, width, in, out].

    Raises:
        WeightsCorruptError: the file isn't, array for array, the release's.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        try:
            arrays = _arrays(file, release.shapes())
        except (*_DAMAGE, OSError) as error:
            # zipfile seeks wherever a damaged file sends it; other OSErrors are the disk's.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise WeightsCorruptError(
                f"not nstd's converted weights, or damaged or cut short: {error}",
                file=str(path),
                remedy=REMEDY,
            ) from error
    check_digest(arrays, release, str(path))
    return arrays


def _arrays(
    file: BinaryIO, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """Read exactly the arrays expected, having made sure that none is larger than it should be."""
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("it isn't a .npz file")
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in stored.zip.infolist()}
        if entries.keys() != shapes.keys():
            raise ValueError("its list of arrays is another")
        arrays = {}
        for name, shape in shapes.items():
            _check_entry(entries[name], 4 * int(np.prod(shape)))
            arrays[name] = stored[name]
            if arrays[name].dtype != np.float32 or arrays[name].shape != shape:
                raise ValueError(f"{name} isn't a float32 array of shape {shape}")
            arrays[name].setflags(write=False)
    return arrays


def _check_entry(entry: zipfile.ZipInfo, payload: int) -> None:
    stored = entry.compress_type == zipfile.ZIP_STORED
    if not stored or not 0 < entry.file_size - payload <= _LONGEST_HEADER:
        raise ValueError(f"{entry.filename} has an unexpected length or is compressed")
