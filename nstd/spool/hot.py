"""Hot folders: a folder of the inbox with `nstd.yaml`, where every image becomes a job.

The folder's sidecars inherit what that file says (those of folders below it don't), and an image
that no sidecar asks for gets one. The images that the file names are the folder's own: no job is
made of them, and none takes them away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from nstd import names, sidecar
from nstd.errors import NstdError
from nstd.spool import beneath, crashpoint, files, layout, notes
from nstd.spool.scanned import NotYetError, SettlingError, Waiting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from nstd.config import Config
    from nstd.domain import FileIdentity
    from nstd.sidecar import FolderDefaults
    from nstd.spool.desk import Desk
    from nstd.spool.settle import Inbox

_STYLE = ".style"
_LONGEST = 255 - len(".yaml")


class HotFolders:
    """Remembers between scans what the folders' files say.

    Args:
        config: folders, defaults and times.
        inbox: as it was last listed.

    Attributes:
        waiting: files that can't be used, and why; the sidecars of their folders wait too.
    """

    def __init__(self, config: Config, inbox: Inbox) -> None:
        self._config = config
        self._inbox = inbox
        self._understood: dict[Path, tuple[FileIdentity, FolderDefaults | Waiting]] = {}
        self._defaults: dict[Path, FolderDefaults] = {}
        self._own: frozenset[Path] = frozenset()
        self.waiting: dict[Path, Waiting] = {}

    def look(self) -> None:
        """Take note of what the inbox holds now."""
        self._defaults, self.waiting = {}, {}
        found = [path for path in self._inbox.files if path.name == names.FOLDER_DEFAULTS]
        self._understood = {p: v for p, v in self._understood.items() if p in self._inbox.files}
        for path in found:
            said = self._said(path)
            if isinstance(said, Waiting):
                self.waiting[path.parent] = said
            else:
                self._defaults[path.parent] = said
        self._own = frozenset(
            folder / name for folder, said in self._defaults.items() for name in said.images
        )

    def defaults(self, folder: Path) -> FolderDefaults | None:
        """What the sidecars of a folder inherit; None if it isn't a hot one.

        Raises:
            NotYetError: its file can't be used, so they have to wait.
        """
        unusable = self.waiting.get(folder)
        if unusable is not None:
            kind = SettlingError if unusable.settling else NotYetError
            raise kind(f"waits for its folder's {unusable.path.name}")
        return self._defaults.get(folder)

    def is_own(self, image: Path) -> bool:
        """Whether an image is a hot folder's own."""
        return image in self._own

    def lone(self, asked: Collection[Path], unread: Collection[Path]) -> Iterator[Path]:
        """The images of hot folders that no sidecar asks for, settled or not.

        Args:
            asked: images that sidecars ask for.
            unread: folders with sidecars that may ask for more.
        """
        for image in self._inbox.files:
            said = self._defaults.get(image.parent)
            if said is None or not names.is_image(image.name):
                continue
            is_style = not said.styles and image.stem.endswith(_STYLE)
            if is_style or image in self._own or image in asked:
                continue
            if not any(folder in unread for folder in image.parents):
                yield image

    def _said(self, path: Path) -> FolderDefaults | Waiting:
        """What a file says, or why it can't be used; one that hasn't changed isn't read again."""
        if self._inbox.age(path) < self._config.settle_seconds:
            return Waiting(path, "is still changing", settling=True)
        found = self._inbox.files[path].identity
        if found.size == 0:
            return Waiting(path, "is empty", settling=False)
        known = self._understood.get(path)
        if known is None or known[0] != found:
            try:
                data = notes.read(self._config, path)
            except NotYetError as reason:
                return Waiting(path, str(reason), reason.settling)
            except NstdError as error:  # which may be mended without changing the file
                return Waiting(path, str(error), settling=False)
            self._understood[path] = known = found, self._parsed(path, data)
        return known[1]

    def _parsed(self, path: Path, data: bytes) -> FolderDefaults | Waiting:
        try:
            return sidecar.parse_folder(data, file=path.name, defaults=self._config.defaults)
        except NstdError as error:
            return Waiting(path, str(error), settling=False)


def order(desk: Desk, image: Path) -> bool:
    """Write the sidecar of an image in a hot folder, where there is none of that name.

    Args:
        desk: whose inbox.
        image: relative to it.

    Returns:
        Whether it was written.

    Raises:
        CannotWriteError: there is no room for it under `inbox/.nstd`.
        OSError: the folder refuses.
    """
    stem = names.shortened(image.stem, _LONGEST)
    written = layout.order(desk.config)
    with files.writing(written):
        files.write(written, _sidecar(image.name), desk.config.file_mode_bits)
    try:
        with beneath.folder(desk.inbox, image.parent) as folder:
            files.place(written, beneath.through(folder, f"{stem}.yaml"))
    except FileExistsError:  # of an image of the same stem, as a rule: its turn comes first
        return False
    crashpoint.reached("ordered")
    return True


def is_hot(root: Path, folder: Path) -> bool:
    """Whether a folder below a root is a hot one now."""
    return beneath.identity(root, folder / names.FOLDER_DEFAULTS) is not None


def _sidecar(image: str) -> bytes:
    """The text; a name that YAML can't hold is left out, since the sidecar has the same."""
    try:
        image.encode()
    except UnicodeEncodeError:
        return b"{}\n"
    return yaml.safe_dump({"content": image}, allow_unicode=True).encode()
