"""`nstd submit`: drop a job into the inbox as carefully as the daemon takes it out.

Everything is checked before anything is written. Copies are made under hidden names, which no scan
looks at, and get their own when all of them are on disk: the images first, the sidecar last.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nstd import images, names, regions, sidecar
from nstd.errors import (
    CannotWriteError,
    InboxAbsentError,
    MissingInputError,
    SidecarError,
    UsageError,
)
from nstd.spool import files, layout, marker, reading, renaming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nstd.config import Config
    from nstd.domain import WeightedFile

_TRIES = 1000
_MASKS = ("content_mask", "style_mask")
# The daemon may be another user of the inbox's group; more than that is the umask's to say.
_MODE, _UMASKED = 0o640, 0o664
_LIMIT = 200  # bytes of a name, which leaves room for suffixes


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be painted.

    Attributes:
        content: the content image; None makes a texture of the styles.
        styles: the style images and their shares in the blend.
        values: further keys of the sidecar; images that `init` and masks name are paths like these.
    """

    content: Path | None
    styles: Sequence[WeightedFile]
    values: Mapping[str, Any]

    @property
    def pictures(self) -> list[Path]:
        """The images to copy: content, styles, start, masks."""
        return [
            *([self.content] if self.content else []),
            *(style.path for style in self.styles),
            *(Path(name) for name in self._further),
        ]

    @property
    def _further(self) -> dict[str, str]:
        """The images that values name, each with its tag."""
        start = self.values.get("init")
        is_picture = isinstance(start, str) and names.is_image(start)
        found = {str(start): ".init"} if is_picture else {}
        masks = [name for key in _MASKS for name in regions.files(self.values.get(key))]
        for number, name in enumerate(dict.fromkeys(masks), start=1):
            found.setdefault(name, f".mask{number}")
        return found

    def names(self, stem: str) -> list[str]:
        """What they are called beside a sidecar: after it, so that jobs share none by accident."""
        tags = [""] if self.content else []
        many = len(self.styles) > 1
        tags += [
            f".style{number}" if many else ".style" for number in range(1, 1 + len(self.styles))
        ]
        tags += self._further.values()
        return [
            f"{stem}{tag}{picture.suffix.lower()}"
            for tag, picture in zip(tags, self.pictures, strict=True)
        ]

    def sidecar(self, stem: str) -> bytes:
        """The sidecar's text."""
        called = self.names(stem)
        content = [called.pop(0)] if self.content else [sidecar.TEXTURE]
        shares_differ = len({style.weight for style in self.styles}) > 1
        styles = [
            {"image": image, "weight": style.weight} if shares_differ else image
            for image, style in zip(called, self.styles, strict=False)
        ]
        further = called[len(self.styles) :]
        copies = dict(zip(self._further, further, strict=True))
        images = {
            key: regions.renamed(self.values[key], copies)
            for key in ("init", *_MASKS)
            if key in self.values
        }
        told = {
            "content": content[0],
            "style": styles if len(styles) > 1 else styles[0],
            **self.values,
            **images,
        }
        return yaml.safe_dump(told, allow_unicode=True, sort_keys=False).encode()


def submit(config: Config, order: Order, name: str | None = None) -> str:
    """Drop copies of the images and a sidecar into the inbox.

    Args:
        config: says where that is, and what sidecars inherit.
        order: what is to be painted.
        name: the job's; must be free. None: the content's or first style's, with a number if that
            is taken.

    Returns:
        The job's name.

    Raises:
        UsageError: the name is taken or no plain one, or a parameter is wrong.
        MissingInputError: an image can't be read.
        ImageError: it isn't one, or exceeds the configuration's limits.
        InboxAbsentError: the inbox is not there, or not mounted.
        CannotWriteError: the inbox refuses.
    """
    stem = name or (order.content or order.styles[0].path).stem
    _refuse_odd(stem, order, config.ignore)
    for picture in order.pictures:
        _check(config, picture)
    _parse(config, order, stem)
    inbox = config.folder("inbox")
    _require(config, inbox)
    with _copies(inbox, order.pictures) as copies:
        for candidate in [stem] if name else _numbered(stem):
            if _place(inbox, candidate, copies, order):
                return candidate
    raise UsageError(
        f"{names.shown(stem)}: this name is taken in the inbox", remedy="give another with --name"
    )


def _refuse_odd(stem: str, order: Order, ignore: Sequence[str]) -> None:
    suffixes = ["", ".yaml", *(picture.suffix for picture in order.pictures)]
    try:
        is_odd = "/" in stem or len(stem.encode()) > _LIMIT
        is_odd = is_odd or any(names.is_ignored(f"{stem}{end}", ignore) for end in suffixes)
    except UnicodeEncodeError:  # a sidecar is UTF-8
        is_odd = True
    if is_odd or not stem.isprintable():
        raise UsageError(f"{names.shown(stem)}: is no plain name", remedy="give one with --name")


def _parse(config: Config, order: Order, stem: str) -> None:
    """Read the sidecar as the daemon will."""
    for key in ("content", "style"):
        if key in order.values:
            raise UsageError(f"--set {key}: is no parameter", remedy="the images are arguments")
    try:
        sidecar.parse(order.sidecar(stem), file="--set", defaults=config.defaults)
    except SidecarError as error:
        raise UsageError(
            error.what,
            file="--set",
            key=error.key,
            remedy="docs/parameters.md lists them with their ranges",
        ) from error


def _check(config: Config, picture: Path) -> None:
    """Look at an image as the daemon will."""
    limits = config.limits
    try:
        if picture.exists() and not picture.is_file():  # before it is opened: a FIFO would wait
            raise MissingInputError("is not a file", file=str(picture), remedy="name an image")
        file = picture.open("rb")
    except OSError as error:
        raise MissingInputError(
            f"can't be read: {error.strerror}", file=str(picture), remedy="name a readable image"
        ) from error
    with file:
        images.read_header(
            file,
            limits=images.ImageLimits(limits.image_bytes, limits.image_pixels, limits.image_frames),
            name=str(picture),
        )


def _require(config: Config, inbox: Path) -> None:
    """Make sure that the inbox is one, and not an empty mount point."""
    try:
        is_absent, path = not inbox.is_dir(), layout.ledger(config)
    except PermissionError as error:
        raise CannotWriteError(
            "can't be looked into",
            file=str(inbox),
            remedy="be a member of the group that it belongs to",
        ) from error
    # Who may write to the inbox alone, and not look into the state folder, is trusted to see it.
    with contextlib.suppress(CannotWriteError, PermissionError):
        if not is_absent and path.exists():
            present = reading.ask(path, lambda queries: marker.presence(config, queries))
            is_absent = present is marker.Presence.ABSENT
    if is_absent:
        raise InboxAbsentError(
            "the inbox is not there, or not mounted",
            file=str(inbox),
            remedy="mount it; or start nstd there once, which makes it",
        )


@contextlib.contextmanager
def _copies(inbox: Path, pictures: Sequence[Path]) -> Iterator[list[Path]]:
    """Copies under hidden names, on disk; those that have no other name at the end are removed."""
    tag = secrets.token_hex(8)
    copies = [inbox / f".{tag}-{number}{layout.TEMPORARY}" for number in range(len(pictures))]
    try:
        for picture, copy in zip(pictures, copies, strict=True):
            with files.writing(copy):
                files.copy_into(picture.resolve(), copy, _mode())
        yield copies
    finally:
        for copy in copies:
            copy.unlink(missing_ok=True)


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    for number in range(2, _TRIES):
        yield f"{stem}-{number}"


def _place(inbox: Path, stem: str, copies: Sequence[Path], order: Order) -> bool:
    """Give the images their names, and write the sidecar; False if a name is taken."""
    sidecars = [f"{stem}{suffix}" for suffix in names.SIDECAR_SUFFIXES]
    if names.FOLDER_DEFAULTS in sidecars or any(os.path.lexists(inbox / one) for one in sidecars):
        return False
    written = inbox / f".{secrets.token_hex(8)}{layout.TEMPORARY}"
    placed: list[tuple[Path, Path]] = []
    try:
        with files.writing(inbox):
            for copy, called in zip(copies, order.names(stem), strict=True):
                renaming.place(copy, inbox / called)
                placed.append((inbox / called, copy))
            files.write(written, order.sidecar(stem), _mode())
            files.place(written, inbox / f"{stem}.yaml")
    except BaseException as error:
        written.unlink(missing_ok=True)
        for final, copy in reversed(placed):
            final.rename(copy)
        if isinstance(error.__cause__, FileExistsError):
            return False
        raise
    return True


def _mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return _MODE | (_UMASKED & ~mask)
