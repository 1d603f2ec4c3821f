"""File the user's own files away: to done/ after success, to failed/ with a reason otherwise.

An original is first taken out of the inbox, then looked at, then filed: nobody can replace it in
between, so a new version is never mistaken for the one that the job used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from nstd import manifest, names
from nstd.entry import Entry, Fate, State
from nstd.errors import UntouchableError
from nstd.spool import announce, beneath, claim, crashpoint, files, layout, renaming
from nstd.spool.publish import retract, short_stem

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.entry import Input
    from nstd.spool.desk import Desk

_REFUSALS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV, errno.EBUSY})


def house(desk: Desk, entry: Entry) -> Entry:
    """Decide where the originals of a finished job go.

    Raises:
        CannotWriteError: done/ refuses.
    """
    folder = desk.config.folder("done") / entry.folder
    with files.writing(folder):
        home = _home(desk, folder, entry, [])
    return desk.ledger.advance(entry, home=home)


def explain(desk: Desk, entry: Entry) -> Entry:
    """Decide where the originals of a failed job go, and write the reason there.

    Raises:
        CannotWriteError: failed/ refuses.
    """
    failure, config = entry.failure, desk.config
    assert failure is not None  # noqa: S101 - what the state means
    crashpoint.reached("failing")
    retract(entry)
    folder = config.folder("failed") / entry.folder
    facts, text = reasons(entry)
    told = manifest.reason(entry)
    # The text is for people and their terminals; a file's name may hold anything.
    words = names.shown(failure.message).encode() + b"\n"
    with files.writing(folder):
        home = _home(desk, folder, entry, [facts, text])
        for name, data in ((facts, json.dumps(told, indent=2).encode() + b"\n"), (text, words)):
            written = home / f".{entry.job_id}{layout.TEMPORARY}"
            files.write(written, data, config.file_mode_bits)
            try:
                files.place(written, home / name)
            except FileExistsError:  # an earlier try's of this job
                written.unlink()
    for name in (facts, text):
        _record(desk, entry, home / name)
    announced = announce.ended(desk, entry, home / facts)
    entry = desk.ledger.advance(entry, deliveries=announced, home=home)
    crashpoint.reached("explained")
    return entry


def reasons(entry: Entry) -> tuple[str, str]:
    """Names of the reason as JSON and as text."""
    stem = short_stem(Path(entry.sidecar).stem)
    return f"{stem}.reason.json", f"{stem}.reason.txt"


def set_aside(desk: Desk, entry: Entry, index: int) -> Entry:
    """Take an original out of the inbox.

    Raises:
        UntouchableError: its folder refuses.
        CannotWriteError: there is no room for it under `inbox/.nstd`.
    """
    source = entry.inputs[index].source
    target = layout.aside(desk.config, entry, source.relative)
    with files.writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with beneath.folder(source.root, source.relative.parent) as parent:
            renaming.no_replace(source.relative.name, target, source_folder=parent)
    except (FileNotFoundError, NotADirectoryError):
        return entry  # just gone; the next look finds that
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise UntouchableError(
            f"can't be moved out of the inbox: {error.strerror}",
            file=str(source.relative),
            remedy="let the service's user write to the folder that it lies in",
        ) from error
    crashpoint.reached("set_aside")
    return entry


def give_back(desk: Desk, entry: Entry, index: int) -> Entry:
    """Return what turned out to be a new version to the inbox; it is a new input."""
    source = entry.inputs[index].source
    aside = layout.aside(desk.config, entry, source.relative)
    claim.put_back(desk.inbox, aside, source.relative, entry.job_id)
    return _fated(desk, entry, index, Fate.GONE)


def file(desk: Desk, entry: Entry, index: int) -> Entry:
    """Move an original that was set aside to its new home.

    Raises:
        CannotWriteError: its home refuses.
    """
    source = entry.inputs[index].source
    aside = layout.aside(desk.config, entry, source.relative)
    target = _place_at_home(desk.config, entry, entry.inputs[index])
    with files.writing(target):
        target = files.move(aside, target, entry.job_id)
    crashpoint.reached("filed")
    _record(desk, entry, target)
    return _fated(desk, entry, index, Fate.FILED)


def copy_out(desk: Desk, entry: Entry, index: int) -> Entry:
    """Copy an original that others want to the failed job's home.

    Raises:
        CannotWriteError: its home refuses.
    """
    one = entry.inputs[index]
    target = _place_at_home(desk.config, entry, one)
    root, relative = one.source.root, one.source.relative
    with (
        files.writing(target),
        contextlib.suppress(FileExistsError),  # an earlier try's
        beneath.folder(root, relative.parent) as parent,
    ):
        files.copy(beneath.through(parent, relative.name), target, entry.job_id)
    _record(desk, entry, target)
    return _fated(desk, entry, index, Fate.FILED)


def delete(desk: Desk, entry: Entry, index: int) -> Entry:
    """Delete an original that was set aside, or without an index the sidecar."""
    if index < 0:
        layout.token(desk.config, entry).unlink(missing_ok=True)
        return entry
    aside = layout.aside(desk.config, entry, entry.inputs[index].source.relative)
    with files.writing(aside):
        aside.unlink(missing_ok=True)
    return _fated(desk, entry, index, Fate.DELETED)


def leave(desk: Desk, entry: Entry, index: int) -> Entry:
    """Leave an original where it is."""
    return _fated(desk, entry, index, Fate.LEFT)


def lose(desk: Desk, entry: Entry, index: int) -> Entry:
    """Note that an original isn't there any more."""
    return _fated(desk, entry, index, Fate.GONE)


def file_token(desk: Desk, entry: Entry) -> Entry:
    """Move the sidecar after the images.

    Raises:
        CannotWriteError: its home refuses.
    """
    assert entry.home is not None  # noqa: S101 - decided before
    crashpoint.reached("retiring")
    with files.writing(entry.home):
        files.make_folder(entry.home, desk.config.folder_mode_bits)
        target = files.move(
            layout.token(desk.config, entry), entry.home / entry.sidecar, entry.job_id
        )
    crashpoint.reached("token_filed")
    _record(desk, entry, target)
    return entry


def settle(desk: Desk, entry: Entry) -> Entry:
    """Remove what is ours; nothing is left to do."""
    claim.clean_up(desk.config, entry)
    crashpoint.reached("cleaned")
    desk.ended_at.pop(entry.job_id, None)
    state = State.RETIRED if entry.state is State.PUBLISHED else entry.state
    # Its owner may have taken everything back before a reason could be written.
    unheard = state is not State.RETIRED and entry.home is None
    told = announce.ended(desk, entry) if unheard else ()
    return desk.ledger.advance(entry, deliveries=told, state=state, settled=True, hold="")


def _fated(desk: Desk, entry: Entry, index: int, fate: Fate) -> Entry:
    inputs = list(entry.inputs)
    inputs[index] = dataclasses.replace(inputs[index], fate=fate)
    return desk.ledger.advance(entry, inputs=tuple(inputs))


def _record(desk: Desk, entry: Entry, path: Path) -> None:
    found = files.identity(path)
    if found is not None:
        desk.ledger.record_filed(entry, path, found)


def _place_at_home(config: Config, entry: Entry, one: Input) -> Path:
    """The image's place below the home: the same as it had below the sidecar's folder."""
    assert entry.home is not None  # noqa: S101 - decided before
    target = entry.home / _beside_sidecar(entry, one)
    with files.writing(target):
        files.make_folder(target.parent, config.folder_mode_bits)
    return target


def _beside_sidecar(entry: Entry, one: Input) -> Path:
    return one.source.relative.relative_to(entry.folder)


def _home(desk: Desk, folder: Path, entry: Entry, extra: list[str]) -> Path:
    """Where a set of files can go under its own names: `folder`, or a new folder within it.

    They keep their names, because the sidecar refers to its images by name and the whole set
    may be moved back to the inbox as it is. A second try finds the place of the first.
    """
    images = [one for one in entry.inputs if _is_to_be_filed(desk, entry, one)]
    wanted = [str(_beside_sidecar(entry, one)) for one in images] + [entry.sidecar, *extra]
    begun = any(tells_of(folder / name, entry.job_id) for name in extra)
    taken = not begun and any(os.path.lexists(folder / name) for name in wanted)
    own = folder / entry.job_id
    target = own if taken or own.exists() else folder
    files.make_folder(target, desk.config.folder_mode_bits)
    return target


def _is_to_be_filed(desk: Desk, entry: Entry, one: Input) -> bool:
    """Whether an original is still where we can take it from."""
    source = one.source
    if one.fate is not Fate.PENDING or source.stays:
        return False
    aside = layout.aside(desk.config, entry, source.relative)
    return files.identity(aside) is not None or (
        beneath.identity(source.root, source.relative) is not None
    )


def tells_of(reason: Path, job_id: str) -> bool:
    """Whether a reason file is this job's, from a try that did not get to its end."""
    try:
        return bool(json.loads(reason.read_bytes()).get("job_id") == job_id)
    except (OSError, ValueError, AttributeError):
        return False
