"""The scan: which sidecars in the inbox have become jobs. It alone is the truth about the inbox."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from nstd import images, names, sidecar
from nstd.domain import Candidate, Failure, internal_failure
from nstd.entry import Source
from nstd.errors import (
    CancelledError,
    ImageError,
    ImageTooLargeError,
    MissingInputError,
    NstdError,
    SidecarError,
)
from nstd.spool import beneath, notes
from nstd.spool.desk import Wanted
from nstd.spool.hot import HotFolders
from nstd.spool.scanned import NotYetError, Rejection, Scan, SettlingError, Waiting
from nstd.spool.settle import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from nstd.config import Config
    from nstd.domain import FileIdentity
    from nstd.entry import Role
    from nstd.sidecar import FolderDefaults, Sidecar


class Scanner:
    """Remembers between scans what it needs to see that files have stopped changing.

    Args:
        config: folders, limits and times.
        clock: monotonic seconds.
    """

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._root = config.folder("inbox")
        self._inbox = Inbox(self._root, config.ignore, clock)
        self._hot = HotFolders(config, self._inbox)
        self._missing_since: dict[Path, float] = {}
        self._first_seen: dict[Path, float] = {}
        self._parsed: dict[Path, tuple[FileIdentity, FolderDefaults | None, Sidecar]] = {}
        self._accepted: dict[Path, FileIdentity] = {}

    def scan(self) -> Scan:
        """List the inbox once.

        Raises:
            OSError: the inbox can't be listed.
        """
        began = self._clock()
        self._inbox.list()
        self._hot.look()
        cancels = [path for path in self._inbox.files if names.is_cancel(path.name)]
        withdrawn = {path.with_suffix("") for path in cancels}
        ready: list[tuple[tuple[int, int, str], Candidate]] = []
        rejected: list[Rejection] = []
        waiting: list[Waiting] = list(self._hot.waiting.values())
        asked: set[Path] = set()
        unread: dict[Path, float] = {}
        sidecars = [path for path in self._inbox.files if names.is_sidecar(path.name)]
        for path in sidecars:
            found = self._inbox.files[path].identity
            try:
                candidate = self._candidate(path, path.with_suffix("") in withdrawn)
            except NotYetError as reason:
                waiting.append(Waiting(path, str(reason), reason.settling))
                asked.update(source.relative for source in self._asked_for(path))
                # One that stays empty asks for no more than what has its name.
                if path not in self._parsed and (found.size or reason.settling):
                    self._note_unread(path, unread)
            except OSError as error:
                # Not the file's fault as far as we can tell: too many open files, a failing disk.
                waiting.append(Waiting(path, f"can't be read: {error.strerror}", settling=False))
                asked.update(source.relative for source in self._asked_for(path))
                self._note_unread(path, unread)
            except NstdError as error:
                rejected.append(Rejection(self._remains(path, found), Failure.of(error)))
            except Exception as error:  # noqa: BLE001 - one sidecar must never stop the others
                candidate = Candidate(path, found, None, ())
                rejected.append(Rejection(candidate, internal_failure(error)))
            else:
                assert candidate.sidecar is not None  # noqa: S101 - it is ready
                order = (-candidate.sidecar.priority, found.mtime_ns, str(path))
                ready.append((order, candidate))
        self._forget_the_gone(set(sidecars))
        candidates = [candidate for _, candidate in sorted(ready, key=lambda pair: pair[0])]
        taken = [*candidates, *(one.candidate for one in rejected)]
        theirs = {source.relative for candidate in taken for source in candidate.sources}
        lone, growing = self._lone(asked | theirs, unread)
        return Scan(
            tuple(candidates),
            tuple(rejected),
            (*waiting, *growing),
            tuple(cancels),
            tuple(self._inbox.oddities.items()),
            Wanted(frozenset(asked), unread, began),
            lone,
            tuple(self._unasked(asked | theirs | set(lone))),
        )

    def _lone(
        self, asked: set[Path], unread: dict[Path, float]
    ) -> tuple[tuple[Path, ...], list[Waiting]]:
        """The images that are to get a sidecar, and those that still change."""
        found, growing = [], []
        for image in self._hot.lone(asked, unread):
            try:
                if self._settled(image).size > 0:
                    found.append(image)
            except SettlingError as reason:
                growing.append(Waiting(image, str(reason), settling=True))
        return tuple(found), growing

    def _unasked(self, known: Collection[Path]) -> Iterator[tuple[Path, str]]:
        """What has been there for long, and nobody knows what for."""
        patience = self._config.limits.incomplete_seconds
        for path in self._inbox.files:
            if path in known or self._inbox.age(path) < patience or self._hot.is_own(path):
                continue
            if names.is_sidecar(path.name) or names.is_cancel(path.name):
                continue
            if path.name == names.FOLDER_DEFAULTS:
                continue
            yield (
                path,
                "no sidecar asks for it"
                if names.is_image(path.name)
                else "is no JPEG, PNG, WebP or TIFF picture, and no sidecar",
            )

    def age(self, path: Path) -> float:
        """Seconds for which a file of the last scan has been as it is."""
        return self._inbox.age(path)

    def _note_unread(self, path: Path, unread: dict[Path, float]) -> None:
        """Note a sidecar that can't be read yet, but not for ever: it may go on changing."""
        first = self._first_seen.setdefault(path, self._clock())
        if self._clock() - first < self._config.limits.incomplete_seconds:
            unread[path.parent] = min(first, unread.get(path.parent, first))

    def _forget_the_gone(self, sidecars: set[Path]) -> None:
        self._missing_since = {p: v for p, v in self._missing_since.items() if p in sidecars}
        self._first_seen = {p: v for p, v in self._first_seen.items() if p in sidecars}
        self._parsed = {p: v for p, v in self._parsed.items() if p in sidecars}
        self._accepted = {p: v for p, v in self._accepted.items() if p in self._inbox.files}

    def _candidate(self, path: Path, is_withdrawn: bool) -> Candidate:  # noqa: FBT001 - a fact
        """The sidecar's job.

        Raises:
            NotYetError: it has to wait.
            NstdError: it can't become a job.
        """
        if is_withdrawn:
            # Only to know its images, so that they go with it.
            with contextlib.suppress(NstdError, NotYetError):
                self._parse(path)
            raise CancelledError(f"cancelled by {path.stem}.cancel", file=path.name)
        found = self._settled(path)
        if found.size == 0:
            raise NotYetError("the sidecar is empty; to take the defaults, write {} into it")
        parsed = self._parse(path)
        sources = self._locate(path, parsed)
        for source in dict.fromkeys(sources):
            self._check_image(source, path)
        self._missing_since.pop(path, None)
        return Candidate(path, found, parsed, sources)

    def _settled(self, path: Path) -> FileIdentity:
        """The file's identity, unchanged for long enough."""
        if self._inbox.age(path) < self._config.settle_seconds:
            raise SettlingError(f"{path.name} is still changing")
        return self._inbox.files[path].identity

    def _parse(self, path: Path) -> Sidecar:
        """The sidecar's content; one that hasn't changed, nor its folder, isn't read again."""
        found, inherited = self._inbox.files[path].identity, self._hot.defaults(path.parent)
        known = self._parsed.get(path)
        if known is None or known[:2] != (found, inherited):
            self._parsed.pop(path, None)
            data = notes.read(self._config, path)
            read = sidecar.parse(
                data, file=path.name, defaults=self._config.defaults, folder=inherited
            )
            self._parsed[path] = known = found, inherited, read
        return known[2]

    def _locate(self, path: Path, parsed: Sidecar) -> tuple[Source, ...]:
        """Content and styles: named by the sidecar, else found by its own name; start and masks."""
        content: list[Source] = []
        if parsed.content is None:
            content = [self._found_by_stem(path, "content", path.stem)]
        elif parsed.content != sidecar.TEXTURE:
            content = [Source("content", self._root, path.parent / parsed.content)]
        styles = [self._style(path, name, weight) for name, weight in parsed.styles]
        styles = styles or [self._found_by_stem(path, "style", f"{path.stem}.style")]
        return tuple(
            dataclasses.replace(source, stays=True) if self._is_own(source) else source
            for source in (*content, *styles, *self._further(path, parsed))
        )

    def _further(self, path: Path, parsed: Sidecar) -> list[Source]:
        """The start and the masks."""
        return [Source(role, self._root, path.parent / name) for role, name in parsed.further]

    def _is_own(self, source: Source) -> bool:
        """Whether an image belongs to a hot folder."""
        return source.root == self._root and self._hot.is_own(source.relative)

    def _style(self, path: Path, name: str, weight: float) -> Source:
        """A named style: below the sidecar's folder, else in the library."""
        beside = Source("style", self._root, path.parent / name, weight=weight)
        if beside.relative not in self._inbox.files:
            for root in self._config.styles:
                if beneath.identity(root, Path(name)) is not None:
                    return Source("style", root, Path(name), stays=True, weight=weight)
        return beside

    def _found_by_stem(self, path: Path, role: Role, stem: str) -> Source:
        """The one image beside the sidecar with this stem."""
        found = self._by_stem(path, stem)
        if len(found) > 1:
            raise SidecarError(
                f"several files fit: {', '.join(image.name for image in found)}",
                file=path.name,
                key=role,
                remedy=f"name one of them with `{role}:`",
            )
        if not found:
            self._wait_for(path, role, f"{stem}.jpg (or {', '.join(names.IMAGE_SUFFIXES[1:])})")
        return Source(role, self._root, found[0])

    def _by_stem(self, path: Path, stem: str) -> list[Path]:
        """The images beside a sidecar with this stem."""
        spelt = (path.with_name(name) for name in names.image_names(stem))
        return [image for image in spelt if image in self._inbox.files]

    def _check_image(self, source: Source, path: Path) -> None:
        """Wait until an image is there, settled, and has a readable and acceptable header."""
        image = source.relative
        if source.root != self._root:
            self._read_header(source)
            return
        if image not in self._inbox.files:
            self._wait_for(
                path, source.role, str(image.relative_to(path.parent)), self._absence(source)
            )
        found = self._settled(image)
        if self._accepted.get(image) == found:
            return
        try:
            self._read_header(source)
        except ImageTooLargeError:
            raise
        except ImageError as error:
            # A header that can't be read may still be on its way: some programs allocate the
            # whole file first and fill it later.
            patience = self._config.limits.incomplete_seconds
            if found.size == 0 or self._inbox.age(image) < patience:
                raise NotYetError(f"{image.name} can't be read yet: it {error.what}") from error
            raise
        self._accepted[image] = found

    def _read_header(self, source: Source) -> None:
        name = source.relative.name
        try:
            descriptor = beneath.open_file(source.root, source.relative)
        except FileNotFoundError as error:
            raise SettlingError(f"{name} is gone") from error
        except OSError as error:
            raise MissingInputError(
                f"can't be read: {error.strerror}",
                file=name,
                key=source.role,
                remedy="make it a regular file that the service's user may read",
            ) from error
        limits = self._config.limits
        images.read_header(
            os.fdopen(descriptor, "rb"),
            limits=images.ImageLimits(limits.image_bytes, limits.image_pixels, limits.image_frames),
            name=name,
        )

    def _absence(self, source: Source) -> str:
        """Why an image that was named can't be had."""
        kind = self._inbox.oddities.get(source.relative)
        if kind:
            return f"is {kind}, not a file"
        in_library = source.role == "style" and bool(self._config.styles)
        return "is not there" + (", nor in the style library" if in_library else "")

    def _wait_for(self, path: Path, key: str, name: str, reason: str = "is not there") -> None:
        """Wait for an absent image, but not for ever."""
        since = self._missing_since.setdefault(path, self._clock())
        patience = self._config.limits.incomplete_seconds
        if self._clock() - since < patience:
            raise NotYetError(f"{name} {reason}")
        raise MissingInputError(
            f"waited {patience:g} s (limits.incomplete_seconds) for {name}, which {reason}",
            file=path.name,
            key=key,
            remedy="drop the image beside the sidecar, or correct its name in the sidecar",
        )

    def _remains(self, path: Path, found: FileIdentity) -> Candidate:
        """What there is of a sidecar that can't become a job."""
        present = tuple(s for s in self._asked_for(path) if s.relative in self._inbox.files)
        known = self._parsed.get(path)
        return Candidate(path, found, known[2] if known else None, present)

    def _asked_for(self, path: Path) -> tuple[Source, ...]:
        """The inbox's images that a sidecar asks for, there or not, as far as it is understood."""
        known = self._parsed.get(path)
        content = known[2].content if known else None
        styles = known[2].styles if known else ()
        if content is None:
            contents = self._by_stem(path, path.stem)
        else:
            contents = [] if content == sidecar.TEXTURE else [path.parent / content]
        painted = [path.parent / name for name, _ in styles]
        painted = painted or self._by_stem(path, f"{path.stem}.style")
        return (
            *(Source("content", self._root, image) for image in contents),
            *(Source("style", self._root, image) for image in painted),
            *(self._further(path, known[2]) if known else ()),
        )
