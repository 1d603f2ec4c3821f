"""Small doubles of what the weights come in: legacy torch files, and a release made of them."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import signal
import struct
import tarfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nstd.engine import weights
from nstd.engine.weights import Blob, Convolution, Release, container, store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

MAGIC = 0x1950A86A20F9469CFC6C


def text(value: str) -> bytes:
    """BINUNICODE."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def integer(value: int) -> bytes:
    """LONG1, which takes any size."""
    return b"\x8a\x08" + struct.pack("<q", value)


def numbers(values: Sequence[int]) -> bytes:
    """Build a tuple of integers."""
    return b"(" + b"".join(integer(value) for value in values) + b"t"


def storage(key: str, count: int) -> bytes:
    """Build a persistent id."""
    names = text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu")
    return b"(" + names + integer(count) + b"NtQ"


def tensor(where: bytes, shape: Sequence[int], strides: Sequence[int], offset: int = 0) -> bytes:
    """Build a call of _rebuild_tensor_v2."""
    arguments = where + integer(offset) + numbers(shape) + numbers(strides) + b"\x89N"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def state(items: Mapping[str, bytes], tail: bytes = b"}b") -> bytes:
    """Build a state dict of such items, with metadata at its end as torch has them."""
    body = b"".join(text(name) + item for name, item in items.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + body + b"u" + tail + b"."


def parts(arrays: Mapping[str, Floats]) -> dict[str, bytes]:
    """Build the parts of a legacy torch file, for tests to change one of them."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    items = {}
    raw = b""
    for name, array in arrays.items():
        steps = [stride // 4 for stride in np.ascontiguousarray(array).strides]
        items[name] = tensor(storage(f"key of {name}", array.size), array.shape, steps)
        raw += struct.pack("<q", array.size) + array.astype("<f4").tobytes()
    return {
        "magic": pickle.dumps(MAGIC, 2),
        "protocol": pickle.dumps(1001, 2),
        "system": pickle.dumps(system, 2),
        "state": state(items),
        "keys": pickle.dumps([f"key of {name}" for name in arrays], 2),
        "raw": raw,
    }


def legacy(arrays: Mapping[str, Floats], **changed: bytes) -> bytes:
    """Build a legacy torch file, some of its parts changed."""
    return b"".join((parts(arrays) | changed).values())


class Calls:
    """What unpickles to a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def blob(name: str, data: bytes) -> Blob:
    """Describe a file."""
    return Blob(name, len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class Published:
    """A small release and its files."""

    release: Release
    sdist: Path
    encoder: Path
    decoder: Path
    arrays: dict[str, Floats]

    def repacked(self, entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> Release:
        """Rewrite the sdist and return the release that expects just this sdist."""
        pack(self.sdist, entries)
        sdist = blob(self.sdist.name, self.sdist.read_bytes())
        return replace(self.release, sdist=sdist)


def entry(name: str, data: bytes, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Build an entry of an archive."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def pack(path: Path, entries: Sequence[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Write an archive."""
    with tarfile.open(path, "w:gz") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))


def publish(folder: Path, *, encoder: bytes | None = None) -> Published:
    """Write a small release: 4 channels instead of 512, one layer of each kind."""
    random = np.random.default_rng(7)

    def tensors(*shapes: tuple[int, ...]) -> list[Floats]:
        return [random.standard_normal(shape, dtype=np.float32) for shape in shapes]

    first, shift, second, bias, last, end = tensors(
        (3, 3, 1, 1), (3,), (4, 3, 3, 3), (4,), (3, 4, 3, 3), (3,)
    )
    encoder_data = encoder or legacy(
        {"0.weight": first, "0.bias": shift, "2.weight": second, "2.bias": bias}
    )
    decoder_data = legacy({"1.weight": last, "1.bias": end})
    members = (
        blob("small-1.0/models/vgg_normalized.pth", encoder_data),
        blob("small-1.0/models/decoder.pth", decoder_data),
    )
    folder.mkdir()
    files = (folder / "small-1.0.tar.gz", folder / "vgg_normalized.pth", folder / "decoder.pth")
    pack(files[0], [entry(members[0].name, encoder_data), entry(members[1].name, decoder_data)])
    files[1].write_bytes(encoder_data)
    files[2].write_bytes(decoder_data)
    arrays = {
        "preprocess/kernel": first.transpose(2, 3, 1, 0),
        "preprocess/bias": shift,
        "block1_conv1/kernel": second.transpose(2, 3, 1, 0),
        "block1_conv1/bias": bias,
        "decoder_conv1/kernel": last.transpose(2, 3, 1, 0),
        "decoder_conv1/bias": end,
    }
    release = Release(
        network_id="small",
        project="small",
        sdist=blob(files[0].name, files[0].read_bytes()),
        members=members,
        layers=(
            Convolution("preprocess", members[0], "0", (1, 1, 3, 3)),
            Convolution("block1_conv1", members[0], "2", (3, 3, 3, 4)),
            Convolution("decoder_conv1", members[1], "1", (3, 3, 4, 3)),
        ),
        sha256=container.digest(arrays),
    )
    return Published(release, *files, arrays)


def fetch_together(barrier: Barrier, source: Path, release: Release) -> None:
    """Fetch, in a process of its own, at the same moment as another."""
    barrier.wait(60)
    weights.load(weights.fetch(source, release=release), release=release)


def fetch_and_die(cache: Path) -> None:
    """Be killed, in a process of its own, in the middle of a fetch."""
    with store._workspace(cache) as work:
        (work / "half").write_bytes(b"PK")
        os.kill(os.getpid(), signal.SIGKILL)
