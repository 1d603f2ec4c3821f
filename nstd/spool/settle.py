"""Since when each file in the inbox has been as it is.

Only the monotonic clock counts, and modification times are compared, never trusted as times: a
producer's clock may be wrong, and the machine's may jump.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nstd import names
from nstd.spool import beneath
from nstd.spool.layout import STATUS_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nstd.domain import FileIdentity

_IGNORED_FOLDERS = frozenset({"@eaDir", "lost+found"})
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder"),
)


@dataclass(frozen=True, slots=True)
class Observed:
    """A regular file as it is now, and the monotonic second since which it has been so."""

    identity: FileIdentity
    since: float


class Inbox:
    """What lies in the inbox, remembered from one listing to the next.

    Args:
        root: the inbox.
        ignore: further patterns of names that are nobody's input.
        clock: monotonic seconds.

    Attributes:
        files: by path relative to the inbox.
        oddities: what has an input's name but is no regular file, and what it is.
    """

    def __init__(
        self, root: Path, ignore: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = root
        self._ignore = tuple(ignore)
        self._clock = clock
        self.files: dict[Path, Observed] = {}
        self.oddities: dict[Path, str] = {}

    def list(self) -> None:
        """Look at every file.

        Every file is noted at first sight, so that a pair settles together.

        Raises:
            OSError: the inbox itself can't be listed.
        """
        now = self._clock()
        before, self.files, self.oddities = self.files, {}, {}
        for path, found in self._walk():
            if stat.S_ISREG(found.st_mode):
                identity = beneath.identity_of(found)
                known = before.get(path)
                same = known is not None and known.identity == identity
                self.files[path] = known if known and same else Observed(identity, now)
            elif names.is_input(path.name):
                self.oddities[path] = _kind(found.st_mode)

    def age(self, path: Path) -> float:
        """Seconds for which a listed file has been as it is."""
        return self._clock() - self.files[path].since

    def _walk(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Everything that isn't ignored; dot-folders are the daemon's own."""
        # From an open folder, because a walk from a path that is a link would find nothing.
        root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield from self._walk_below(root)
        finally:
            os.close(root)

    def _walk_below(self, root: int) -> Iterator[tuple[Path, os.stat_result]]:
        for folder, below, found, descriptor in os.fwalk(dir_fd=root):
            below[:] = sorted(
                name for name in below if not name.startswith(".") and name not in _IGNORED_FOLDERS
            )
            place = Path(folder)
            odd = [name for name in below if names.is_input(name)]
            for name in [*sorted(found), *odd]:
                if names.is_ignored(name, self._ignore) or place / name == Path(STATUS_FILE):
                    continue
                try:
                    yield place / name, os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                except OSError:  # just gone
                    continue


def _kind(mode: int) -> str:
    return next((name for test, name in _KINDS if test(mode)), "a device")
