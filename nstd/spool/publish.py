"""Put a result where its owner finds it: complete from its first moment, never over another."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from nstd.domain import Published
from nstd.errors import CannotWriteError
from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nstd.config import Config
    from nstd.domain import Claim, Rendered

# Leaves room for a suffix and for `.reason.json` within the 255 bytes of a file name.
_STEM_BYTES = 200
SNAPSHOTS = ".snapshots"


def publish(
    claim: Claim, rendered: Rendered, manifest: Mapping[str, Any], config: Config
) -> Published:
    """Put the result in the outbox and then its manifest, the ready marker.

    A taken name gets the suffix -2, -3 and so on, the same for picture and manifest.

    Args:
        claim: whose result it is.
        rendered: the encoded result in the work folder.
        manifest: what to say about it; `output` is added here, where the name is chosen.
        config: places the outbox.

    Raises:
        CannotWriteError: the outbox refuses.
    """
    folder = config.folder("outbox") / claim.candidate.folder
    temporary = folder / f".{claim.job_id}.tmp"
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _copy_verified(rendered, temporary)
            stem = short_stem(claim.candidate.sidecar.output or claim.candidate.path.stem)
            path = _place_result(temporary, folder, stem, rendered.path.suffix)
            _place_snapshots(rendered, path.with_suffix(SNAPSHOTS))
            output = {
                "name": path.name,
                "width": rendered.width,
                "height": rendered.height,
                "sha256": rendered.sha256,
            }
            write_text(temporary, json.dumps({**manifest, "output": output}, indent=2) + "\n")
            files.place(temporary, path.with_suffix(".json"))
        finally:
            temporary.unlink(missing_ok=True)
    return Published(path, rendered.sha256, path.with_suffix(".json"))


def short_stem(stem: str) -> str:
    """The stem, cut so that every name made from it fits a file system."""
    while len(os.fsencode(stem)) > _STEM_BYTES:
        stem = stem[:-1]
    return stem


def write_text(path: Path, text: str) -> None:
    """Write a file and flush it to disk."""
    # A name in the text may have bytes that are no UTF-8.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    files.fsync(path)


def _copy_verified(rendered: Rendered, temporary: Path) -> None:
    shutil.copyfile(rendered.path, temporary)
    files.fsync(temporary)
    if files.sha256(temporary) != rendered.sha256:
        raise CannotWriteError(
            "what was written reads back differently",
            file=str(temporary.parent),
            remedy="check the disk",
        )


def _place_snapshots(rendered: Rendered, folder: Path) -> None:
    """Put the intermediate pictures, if any, in a folder beside the result."""
    if not rendered.snapshots:
        return
    folder.mkdir(exist_ok=True)
    for snapshot in rendered.snapshots:
        files.copy(snapshot, folder / snapshot.name)


def _place_result(temporary: Path, folder: Path, stem: str, suffix: str) -> Path:
    """Give the result the first name that is free for it and for its manifest."""
    for number in itertools.count(1):
        name = stem if number == 1 else f"{stem}-{number}"
        target = folder / f"{name}{suffix}"
        if os.path.lexists(folder / f"{name}.json"):
            continue
        try:
            files.place(temporary, target)
        except FileExistsError:
            continue
        return target
    raise AssertionError("unreachable: numbers don't end")  # pragma: no cover
