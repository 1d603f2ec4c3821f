"""Put a result where its owner finds it: complete from its first moment, never over another."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import time
from typing import TYPE_CHECKING, Any

from nstd import names
from nstd.entry import Entry, State, Target
from nstd.errors import CannotWriteError, NameTakenError
from nstd.spool import announce, besides, crashpoint, files, layout, renaming

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nstd.config import Config
    from nstd.spool.desk import Desk

# Leaves room for a suffix and for `.reason.json` within the 255 bytes of a file name.
_STEM_BYTES = 200
MANIFEST = ".json"


def check_room(config: Config, entry: Entry) -> None:
    """Find out whether the result could be written, before a worker spends its time on it.

    Raises:
        CannotWriteError: the outbox refuses.
    """
    folder = config.folder("outbox") / entry.folder
    probe = layout.staged(folder, entry.job_id)
    with files.writing(folder):
        files.make_folder(folder, config.folder_mode_bits)
        probe.touch()
        probe.unlink()


def stage(desk: Desk, entry: Entry) -> Entry:
    """Write the result under a temporary name beside its final one, and remember both.

    Raises:
        CannotWriteError: the outbox refuses.
        NameTakenError: the name is taken, and `on_conflict` is `fail`.
    """
    rendered = entry.rendered
    assert rendered is not None  # noqa: S101 - what the state means
    folder = desk.config.folder("outbox") / entry.folder
    staged = layout.staged(folder, entry.job_id)
    with files.writing(folder):
        files.make_folder(folder, desk.config.folder_mode_bits)
        digest = files.copy_into(rendered.path, staged, desk.config.file_mode_bits)
    if digest != rendered.sha256:
        staged.unlink(missing_ok=True)
        raise CannotWriteError(
            "what was written reads back differently", file=str(folder), remedy="check the disk"
        )
    crashpoint.reached("staging")
    try:
        final, manifest = _free_names(desk.config, entry, rendered.path.suffix)
    except NameTakenError:
        staged.unlink(missing_ok=True)
        raise
    target = Target(staged, files.identity(staged), final, manifest)
    entry = desk.ledger.advance(entry, target=target)
    crashpoint.reached("staged")
    return entry


def place(desk: Desk, entry: Entry) -> Entry:
    """Give the staged result its final name; one that was taken meanwhile is replaced by the next.

    Raises:
        CannotWriteError: the outbox refuses.
        NameTakenError: the name is taken, and `on_conflict` is `fail`.
    """
    target = entry.target
    assert target is not None  # noqa: S101 - it is staged
    with files.writing(target.final):
        try:
            files.place(target.staged, target.final)
        except FileExistsError:
            return _rename_target(desk, entry, target)
    crashpoint.reached("placed")
    return entry


def tell(desk: Desk, entry: Entry, manifest: Callable[[Entry], dict[str, Any]]) -> Entry:
    """Write the manifest: complete under a temporary name, then under its own.

    Args:
        desk: where to.
        entry: placed, or a duplicate, which has no result of its own.
        manifest: what to say about a job.

    Raises:
        CannotWriteError: the outbox refuses.
        NameTakenError: the name is taken, and `on_conflict` is `fail`.
    """
    if entry.target is None:
        entry = _name_duplicate(desk, entry)
    target = entry.target
    assert target is not None  # noqa: S101 - set above at the latest
    written = target.manifest.with_name(f".{entry.job_id}{MANIFEST}{layout.TEMPORARY}")
    with files.writing(target.manifest):
        files.make_folder(target.manifest.parent, desk.config.folder_mode_bits)
        try:
            besides.place(desk.config, entry)
            files.write(written, _json(manifest(entry)), desk.config.file_mode_bits)
            crashpoint.reached("manifest_written")
            files.place(written, target.manifest)
        except FileExistsError:
            written.unlink(missing_ok=True)
            return _withdraw(desk, entry, target)
    crashpoint.reached("manifest_placed")
    return entry


def confirm(desk: Desk, entry: Entry) -> Entry:
    """Result and manifest are where they belong."""
    retract(entry)  # where a hard link stood in for the rename, its first name may be left
    told = announce.published(desk, entry)
    entry = desk.ledger.advance(entry, deliveries=told, state=State.PUBLISHED, hold="")
    desk.ended_at[entry.job_id] = time.monotonic()
    crashpoint.reached("published")
    return entry


def retract(entry: Entry) -> None:
    """Remove what is left under the temporary name."""
    if entry.target is not None and entry.target.identity is not None:
        with contextlib.suppress(OSError):
            entry.target.staged.unlink()


def short_stem(stem: str) -> str:
    """The stem, cut so that every name made from it fits a file system."""
    return names.shortened(stem, _STEM_BYTES)


def _json(facts: dict[str, Any]) -> bytes:
    return (json.dumps(facts, indent=2) + "\n").encode()


def _free_names(config: Config, entry: Entry, suffix: str) -> tuple[Path, Path]:
    """The first name that is free for the result, its manifest and what may lie beside it."""
    folder = config.folder("outbox") / entry.folder
    stem = short_stem(entry.output)
    for number in itertools.count(1):
        name = stem if number == 1 else f"{stem}-{number}"
        final, manifest, *others = (
            folder / f"{name}{end}" for end in (suffix, MANIFEST, *besides.ENDS)
        )
        if not any(os.path.lexists(path) for path in (final, manifest, *others)):
            return final, manifest
        if config.on_conflict == "fail":
            raise NameTakenError(
                f"{final.name} or its manifest is in the outbox already",
                file=entry.sidecar,
                key="output",
                remedy="name another `output`, or set on_conflict: suffix in the configuration",
            )
    raise AssertionError("unreachable: numbers don't end")  # pragma: no cover


def _rename_target(desk: Desk, entry: Entry, target: Target) -> Entry:
    """Choose names anew for a result that is staged."""
    final, manifest = _free_names(desk.config, entry, target.final.suffix)
    return desk.ledger.advance(
        entry, target=dataclasses.replace(target, final=final, manifest=manifest)
    )


def _withdraw(desk: Desk, entry: Entry, target: Target) -> Entry:
    """Another's file has one of the names: take the result back and choose names anew."""
    if entry.duplicate_of:
        return desk.ledger.advance(entry, target=None)
    besides.retract(entry)
    renaming.no_replace(target.final, target.staged)
    return _rename_target(desk, entry, target)


def _name_duplicate(desk: Desk, entry: Entry) -> Entry:
    """Names for a manifest that points to another job's result."""
    assert entry.rendered is not None  # noqa: S101 - the other job's
    folder = desk.config.folder("outbox") / entry.folder
    final, manifest = _free_names(desk.config, entry, entry.rendered.path.suffix)
    del final  # the result is where the other job put it
    target = Target(layout.staged(folder, entry.job_id), None, entry.rendered.path, manifest)
    return desk.ledger.advance(entry, target=target)
