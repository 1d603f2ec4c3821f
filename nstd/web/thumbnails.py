"""Small pictures, made once: bounded decoding, and a cache on disk that is bounded too.

The cache is no part of the state: it may be lost, deleted or refuse to be written at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from nstd import images
from nstd.engine import peek
from nstd.errors import NstdError

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.color import FloatArray
    from nstd.images import ImageLimits
    from nstd.web.pictures import Found

SIDES: Final = {"small": 480, "large": 2048}
_QUALITY: Final = 85
CACHE_BYTES: Final = 256 * 2**20
_FAILURES: Final = 1000
_SUFFIX: Final = ".jpg"
_TEMPORARY: Final = ".tmp"


def key(found: Found, side: int) -> str:
    """What tells a small picture from all others: the file's version, and the size."""
    version = found.identity
    told = (version.device, version.inode, version.size, version.mtime_ns, side)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:40]


class Thumbnails:
    """Makes JPEGs of pictures, and remembers them.

    Args:
        folder: of the cache, made when it is needed; nobody else's files should lie there.
        limits: on what is decoded.
        most_bytes: of all files in the cache; the ones that were not asked for longest go first.
    """

    def __init__(self, folder: Path, limits: ImageLimits, *, most_bytes: int = CACHE_BYTES) -> None:
        self._folder = folder
        self._limits = limits
        self._most_bytes = most_bytes
        self._bytes: int | None = None  # in the cache; None before it was looked at
        self._lock = threading.Lock()
        # What can't be decoded isn't tried again for every visitor.
        self._failures: OrderedDict[str, None] = OrderedDict()

    def jpeg(self, found: Found, side: int) -> bytes | None:
        """A picture reduced so that its long side is at most `side`; None if it can't be decoded.

        Args:
            found: the picture, whose file will be closed.
            side: one of `SIDES`, in pixels.
        """
        with found.file:
            name = key(found, side)
            path = self._folder / f"{name}{_SUFFIX}"
            with contextlib.suppress(OSError):
                data = path.read_bytes()
                os.utime(path)  # for the order in which they go
                return data
            if name in self._failures:
                return None
            try:
                data = _jpeg(*self._pixels(found, side), side)
            except NstdError:
                self._fail(name)
                return None
        self._keep(path, data)
        return data

    def _pixels(self, found: Found, side: int) -> tuple[FloatArray, FloatArray | None]:
        if found.is_checkpoint:
            return peek.picture(found.file, pixels=self._limits.image_pixels), None
        picture = images.load(found.file, limits=self._limits, max_side=side)
        return picture.rgb, picture.alpha

    def _fail(self, name: str) -> None:
        with self._lock:
            self._failures[name] = None
            if len(self._failures) > _FAILURES:
                self._failures.popitem(last=False)

    def _keep(self, path: Path, data: bytes) -> None:
        """Write a file of the cache, completely or not at all."""
        with self._lock, contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            written = path.with_suffix(_TEMPORARY)
            written.write_bytes(data)
            written.replace(path)
            self._bytes = self._measured() if self._bytes is None else self._bytes + len(data)
            if self._bytes > self._most_bytes:
                self._make_room()

    def _measured(self) -> int:
        return sum(one.stat().st_size for one in self._folder.glob(f"*{_SUFFIX}"))

    def _make_room(self) -> None:
        """Delete until three quarters are left, so that this isn't done for every picture."""
        rows = [(one.stat(), one) for one in self._folder.glob(f"*{_SUFFIX}")]
        left = sum(status.st_size for status, _ in rows)
        for status, path in sorted(rows, key=lambda row: row[0].st_mtime_ns):
            if left <= self._most_bytes * 3 // 4:
                break
            path.unlink(missing_ok=True)
            left -= status.st_size
        self._bytes = left


def _jpeg(rgb: FloatArray, alpha: FloatArray | None, side: int) -> bytes:
    """Encode, on white where it is transparent; nothing of the file's metadata is left."""
    layers = rgb if alpha is None else 1 + alpha[..., None] * (rgb - 1)
    image = Image.fromarray((np.clip(layers, 0, 1) * 255 + 0.5).astype(np.uint8))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)  # images.load has reduced its own
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, progressive=True)
    return file.getvalue()
