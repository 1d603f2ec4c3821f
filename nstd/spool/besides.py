"""What may lie beside a result: its snapshots and its report, in the outbox before the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nstd.entry import REPORT
from nstd.spool import crashpoint, files, layout

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config
    from nstd.entry import Entry

SNAPSHOTS: Final = ".snapshots"
# What a result's name must leave free, beside the result itself and the manifest.
ENDS: Final = (SNAPSHOTS, REPORT)


def place(config: Config, entry: Entry) -> None:
    """Put there what the worker left; a duplicate has none.

    Args:
        config: says with which modes.
        entry: its result is placed.

    Raises:
        FileExistsError: another's file has the report's name.
        OSError: the outbox refuses.
    """
    if not entry.duplicate_of:
        _place_snapshots(config, entry)
        _place_report(config, entry)
        crashpoint.reached("besides_placed")


def retract(entry: Entry) -> None:
    """Take the report back, since the result is to have another name."""
    rendered, target = entry.rendered, entry.target
    if rendered is None or target is None or rendered.report is None or entry.duplicate_of:
        return
    # By its content, since it may be another's that is the reason for the new name.
    if _holds(target.report, files.sha256(rendered.report)):
        target.report.unlink()


def _place_snapshots(config: Config, entry: Entry) -> None:
    """Put the intermediate pictures, if any, in a folder beside the result, complete at once."""
    rendered, target = entry.rendered, entry.target
    assert rendered is not None  # noqa: S101 - what the state means
    assert target is not None  # noqa: S101 - likewise
    if not rendered.snapshots:
        return
    folder = target.final.with_suffix(SNAPSHOTS)
    if folder.is_dir():
        return  # an earlier try's: the name was free when it was chosen
    hidden = folder.with_name(f".{entry.job_id}{SNAPSHOTS}{layout.TEMPORARY}")
    files.make_folder(hidden, config.folder_mode_bits)
    for snapshot in rendered.snapshots:
        files.copy_into(snapshot, hidden / snapshot.name, config.file_mode_bits)
    files.fsync(hidden)
    hidden.rename(folder)
    files.fsync(folder.parent)


def _place_report(config: Config, entry: Entry) -> None:
    """Give the report, if any, its name; one that is there already may be an earlier try's."""
    rendered, target = entry.rendered, entry.target
    assert rendered is not None  # noqa: S101 - what the state means
    assert target is not None  # noqa: S101 - likewise
    if rendered.report is None:
        return
    hidden = target.report.with_name(f".{entry.job_id}{REPORT}{layout.TEMPORARY}")
    digest = files.copy_into(rendered.report, hidden, config.file_mode_bits)
    try:
        files.place(hidden, target.report)
    except FileExistsError:
        hidden.unlink()
        if not _holds(target.report, digest):
            raise


def _holds(path: Path, digest: str) -> bool:
    """Whether a regular file has this SHA-256."""
    return files.identity(path) is not None and files.sha256(path) == digest
