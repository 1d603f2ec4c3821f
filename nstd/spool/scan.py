"""List the inbox: which sidecars are settled, complete and right. The scan is the truth.

A file is settled when its identity has not changed for `settle_seconds` of the monotonic clock;
modification times are compared, never trusted as times.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nstd import images, names, sidecar
from nstd.domain import Candidate, Failure, FileIdentity, internal_failure
from nstd.errors import ImageError, ImageTooLargeError, MissingInputError, NstdError, SidecarError
from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nstd.config import Config
    from nstd.sidecar import Sidecar

_IGNORED_FOLDERS = frozenset({"@eaDir", "lost+found"})


@dataclass(frozen=True, slots=True)
class Rejection:
    """A sidecar that can never become a job, and whatever images of it are there."""

    path: Path
    folder: Path
    images: tuple[Path, ...]
    failure: Failure


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sidecar that isn't complete yet, and what it waits for.

    `settling` tells files that a moment more will settle from files that aren't there.
    """

    path: Path
    reason: str
    settling: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """One listing of the inbox; `ready` is in the order in which to run."""

    ready: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...]
    waiting: tuple[Waiting, ...]

    @property
    def settling(self) -> bool:
        """Whether the next scan may find more without anything else happening."""
        return any(waiting.settling for waiting in self.waiting)


class _NotYetError(Exception):
    """Internal to a scan: the sidecar has to wait; the message says for what."""

    settling = False


class _SettlingError(_NotYetError):
    """Internal to a scan: it has to wait for a moment only."""

    settling = True


class Scanner:
    """Remembers between scans what it needs to see that files have stopped changing.

    Args:
        config: folders, limits and times.
        clock: monotonic seconds.
    """

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._inbox = config.folder("inbox")
        self._clock = clock
        self._unchanged_since: dict[Path, tuple[FileIdentity, float]] = {}
        self._missing_since: dict[Path, float] = {}
        self._parsed: dict[Path, tuple[FileIdentity, Sidecar]] = {}
        self._accepted: dict[Path, FileIdentity] = {}

    def scan(self) -> Scan:
        """List the inbox once."""
        found = list(self._observe())
        ready: list[tuple[tuple[int, int, str], Candidate]] = []
        rejected: list[Rejection] = []
        waiting: list[Waiting] = []
        for path in found:
            folder = path.parent.relative_to(self._inbox)
            try:
                candidate = self._candidate(path, folder)
            except _NotYetError as reason:
                waiting.append(Waiting(path, str(reason), reason.settling))
            except OSError as error:
                # Not the file's fault as far as we can tell: too many open files, a failing disk.
                waiting.append(Waiting(path, f"can't be read: {error.strerror}", settling=False))
            except NstdError as error:
                rejected.append(Rejection(path, folder, self._images(path), Failure.of(error)))
            except Exception as error:  # noqa: BLE001 - one sidecar must never stop the others
                rejected.append(Rejection(path, folder, (), internal_failure(error)))
            else:
                age = self._unchanged_since[path][0].mtime_ns
                ready.append(((-candidate.sidecar.priority, age, str(path)), candidate))
        self._forget_the_gone(set(found))
        ordered = tuple(candidate for _, candidate in sorted(ready, key=lambda pair: pair[0]))
        return Scan(ordered, tuple(rejected), tuple(waiting))

    def _forget_the_gone(self, sidecars: set[Path]) -> None:
        self._missing_since = {p: v for p, v in self._missing_since.items() if p in sidecars}
        self._parsed = {p: v for p, v in self._parsed.items() if p in sidecars}
        self._accepted = {p: v for p, v in self._accepted.items() if p in self._unchanged_since}

    def wanted_images(self, besides: Path | None = None) -> set[Path]:
        """Images that sidecars now in the inbox refer to, as far as they can be understood.

        Args:
            besides: a sidecar whose own wants don't count.
        """
        wanted: set[Path] = set()
        for path in self._files():
            if path != besides and names.is_sidecar(path.name):
                wanted.update(self._images(path))
        return wanted

    def _files(self) -> Iterator[Path]:
        """Everything in the inbox that isn't ignored; dot-folders are the daemon's own."""
        for folder, subfolders, found in os.walk(self._inbox):
            subfolders[:] = sorted(
                name
                for name in subfolders
                if not name.startswith(".") and name not in _IGNORED_FOLDERS
            )
            for name in sorted(found):
                if not names.is_ignored(name):
                    yield Path(folder, name)

    def _observe(self) -> Iterator[Path]:
        """Note since when each file has been as it is; yields the sidecars.

        Every file is noted at first sight, so that a pair settles together.
        """
        now = self._clock()
        before, self._unchanged_since = self._unchanged_since, {}
        for path in self._files():
            found = files.identity(path)
            if found is None:
                continue
            known, since = before.get(path, (found, now))
            self._unchanged_since[path] = (found, since if known == found else now)
            if names.is_sidecar(path.name):
                yield path

    def _candidate(self, path: Path, folder: Path) -> Candidate:
        """The sidecar's job.

        Raises:
            _NotYetError: it has to wait.
            NstdError: it can't become a job.
        """
        found = self._settled(path)
        if found.size == 0:
            raise _NotYetError("the sidecar is empty")
        parsed = self._parse(path)
        content, styles = self._locate(path, parsed)
        start = path.parent / parsed.start if parsed.start else None
        candidate = Candidate(path, folder, parsed, content, styles, start)
        for image in candidate.images:
            self._check_image(image, path)
        self._missing_since.pop(path, None)
        return candidate

    def _settled(self, path: Path) -> FileIdentity:
        """The file's identity, unchanged for long enough."""
        if path not in self._unchanged_since:
            raise _SettlingError(f"{path.name} has just appeared")
        found, since = self._unchanged_since[path]
        if self._clock() - since < self._config.settle_seconds:
            raise _SettlingError(f"{path.name} is still changing")
        return found

    def _parse(self, path: Path) -> Sidecar:
        """The sidecar's content; one that hasn't changed isn't read again."""
        found = files.identity(path)
        known = self._parsed.get(path)
        if known is None or known[0] != found:
            parsed = self._read(path)
            if found is not None:
                self._parsed[path] = found, parsed
            return parsed
        return known[1]

    def _read(self, path: Path) -> Sidecar:
        limit = self._config.limits.sidecar_bytes
        try:
            data = files.read_bounded(path, limit)
        except FileNotFoundError as error:
            raise _NotYetError(f"{path.name} is gone") from error
        except OSError as error:
            raise SidecarError(
                f"can't be read: {error.strerror}",
                file=path.name,
                remedy="let the service's user read it",
            ) from error
        if data is None:
            raise SidecarError(
                f"larger than {limit} bytes (limits.sidecar_bytes)",
                file=path.name,
                remedy="a sidecar is a few lines of YAML; was this one mistaken for another file?",
            )
        return sidecar.parse(data, file=path.name, defaults=self._config.defaults)

    def _locate(self, path: Path, parsed: Sidecar) -> tuple[Path | None, tuple[Path, ...]]:
        """Content and styles: named by the sidecar, else found by its own name."""
        content: Path | None = None
        if parsed.content is None:
            content = self._found_by_stem(path, "content", path.stem)
        elif parsed.content != sidecar.TEXTURE:
            content = path.parent / parsed.content
        styles = tuple(path.parent / name for name, _ in parsed.styles) or (
            self._found_by_stem(path, "style", f"{path.stem}.style"),
        )
        return content, styles

    def _found_by_stem(self, path: Path, key: str, stem: str) -> Path:
        """The one image beside the sidecar with this stem."""
        found = [image for image in _by_stem(path, stem) if files.identity(image)]
        if len(found) > 1:
            raise SidecarError(
                f"several files fit: {', '.join(image.name for image in found)}",
                file=path.name,
                key=key,
                remedy=f"name one of them with `{key}:`",
            )
        if not found:
            self._wait_for(path, key, f"{stem}.jpg (or {', '.join(names.IMAGE_SUFFIXES[1:])})")
        return found[0]

    def _check_image(self, image: Path, path: Path) -> None:
        """Wait until an image is there, settled, and has a readable and acceptable header."""
        if files.identity(image) is None:
            self._wait_for(path, "content, style or init", str(image.relative_to(path.parent)))
        found = self._settled(image)
        if self._accepted.get(image) == found:
            return
        limits = self._config.limits
        try:
            images.read_header(
                image,
                limits=images.ImageLimits(limits.image_bytes, limits.image_pixels),
                name=image.name,
            )
        except ImageTooLargeError:
            raise
        except ImageError as error:
            # A header that can't be read may still be on its way: some programs allocate the
            # whole file first and fill it later.
            since = self._unchanged_since[image][1]
            if found.size == 0 or self._clock() - since < limits.incomplete_seconds:
                raise _NotYetError(f"{image.name} can't be read yet") from error
            raise
        self._accepted[image] = found

    def _wait_for(self, path: Path, key: str, name: str) -> None:
        """Wait for an absent image, but not for ever."""
        since = self._missing_since.setdefault(path, self._clock())
        patience = self._config.limits.incomplete_seconds
        if self._clock() - since < patience:
            raise _NotYetError(f"{name} is not there")
        raise MissingInputError(
            f"waited {patience:g} s (limits.incomplete_seconds) for {name}",
            file=path.name,
            key=key,
            remedy="drop the image beside the sidecar, or correct its name in the sidecar",
        )

    def _images(self, path: Path) -> tuple[Path, ...]:
        """The images of a sidecar that are there, as far as it can be understood."""
        try:
            parsed = self._parse(path)
        except (NstdError, _NotYetError):
            named = [*_by_stem(path, path.stem), *_by_stem(path, f"{path.stem}.style")]
        else:
            named = [path.parent / name for name, _ in parsed.styles]
            named = named or _by_stem(path, f"{path.stem}.style")
            content = parsed.content
            named += [path.parent / content] if content else _by_stem(path, path.stem)
            named += [path.parent / parsed.start] if parsed.start else []
        return tuple(image for image in dict.fromkeys(named) if files.identity(image))


def _by_stem(path: Path, stem: str) -> list[Path]:
    """The names that an image with this stem may have beside a sidecar."""
    return [path.with_name(name) for name in names.image_names(stem)]
