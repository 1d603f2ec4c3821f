"""File the user's own files away: to done/ after success, to failed/ with a reason otherwise."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nstd.spool import claim as claiming
from nstd.spool import files
from nstd.spool.publish import short_stem, write_text

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from nstd.config import Config
    from nstd.domain import Claim, Failure
    from nstd.spool.scan import Rejection


@dataclass(frozen=True, slots=True)
class Belongings:
    """The user's files of one job.

    Attributes:
        job_id: names the folder that the files go to when their own names are taken.
        sidecar: where it is now.
        images: where they are now, at or below `base`.
        base: the sidecar's folder in the inbox.
        folder: `base` relative to the inbox.
    """

    job_id: str
    sidecar: Path
    images: tuple[Path, ...]
    base: Path
    folder: Path

    @classmethod
    def of_claim(cls, claim: Claim) -> Belongings:
        """A claimed job's files, but for images that have changed since: those are new inputs."""
        unchanged = tuple(
            image.source for image in claim.images if files.identity(image.source) == image.identity
        )
        candidate = claim.candidate
        return cls(claim.job_id, claim.token, unchanged, candidate.path.parent, candidate.folder)

    @classmethod
    def of_rejection(cls, rejection: Rejection) -> Belongings:
        """The files of a sidecar that never became a job."""
        return cls(
            claiming.new_id(),
            rejection.path,
            rejection.images,
            rejection.path.parent,
            rejection.folder,
        )


def retire(belongings: Belongings, config: Config, *, wanted: Collection[Path]) -> None:
    """Move the files to done/; images that other jobs want stay.

    Raises:
        CannotWriteError: done/ refuses; what has not been moved is untouched.
    """
    mine = tuple(image for image in belongings.images if image not in wanted)
    belongings = dataclasses.replace(belongings, images=mine)
    folder = config.folder("done") / belongings.folder
    with files.writing(folder):
        _file_away(belongings, _home(belongings, folder), wanted=())


def quarantine(
    belongings: Belongings, failure: Failure, config: Config, *, wanted: Collection[Path]
) -> Path:
    """Put the files in failed/, with the reason as text and as JSON; copy what others want.

    Returns:
        The reason as text, NAME.reason.txt.

    Raises:
        CannotWriteError: failed/ refuses; what has not been moved is untouched.
    """
    folder = config.folder("failed") / belongings.folder
    stem = short_stem(belongings.sidecar.stem)
    reason, facts = f"{stem}.reason.txt", f"{stem}.reason.json"
    with files.writing(folder):
        target = _home(belongings, folder, reason, facts)
        # The reason first and the sidecar last: until everything is done, the sidecar is where a
        # second try, or the next daemon, looks for it.
        told = {"job_id": belongings.job_id, **dataclasses.asdict(failure)}
        write_text(target / facts, json.dumps(told, indent=2) + "\n")
        write_text(target / reason, failure.message + "\n")
        _file_away(belongings, target, wanted=wanted)
    return target / reason


def _file_away(belongings: Belongings, target: Path, *, wanted: Collection[Path]) -> None:
    """Move everything below one folder, the sidecar last; the images keep their place beside it."""
    for image in belongings.images:
        name = image.relative_to(belongings.base)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if image in wanted:
            files.copy(image, target / name)
        else:
            files.move(image, target / name)
    files.move(belongings.sidecar, target / belongings.sidecar.name)


def _home(belongings: Belongings, folder: Path, *extra: str) -> Path:
    """Where a set of files can go under its own names: `folder`, or a new folder within it.

    They keep their names, because the sidecar refers to its images by name and the whole set
    may be moved back to the inbox as it is. A second try finds the place of the first.
    """
    names = [str(image.relative_to(belongings.base)) for image in belongings.images]
    names += [belongings.sidecar.name, *extra]
    begun = any(_tells_of(folder / name, belongings.job_id) for name in extra)
    taken = not begun and any(os.path.lexists(folder / name) for name in names)
    own = folder / belongings.job_id
    target = own if taken or own.exists() else folder
    target.mkdir(parents=True, exist_ok=True)
    return target


def _tells_of(reason: Path, job_id: str) -> bool:
    """Whether a reason file is this job's, from a try that did not get to its end."""
    try:
        return job_id in reason.read_text(encoding="utf-8")
    except OSError:
        return False
