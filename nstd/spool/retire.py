"""File the user's own files away: to done/ after success, to failed/ with a reason otherwise."""

from __future__ import annotations

import dataclasses
import json
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
        _file_away(belongings, folder, wanted=())


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
    with files.writing(folder):
        target = _file_away(belongings, folder, wanted=wanted)
        stem = short_stem(belongings.sidecar.stem)
        facts = {"job_id": belongings.job_id, **dataclasses.asdict(failure)}
        write_text(target / f"{stem}.reason.json", json.dumps(facts, indent=2) + "\n")
        reason = target / f"{stem}.reason.txt"
        write_text(reason, failure.message + "\n")
        files.fsync(target)
    return reason


def _file_away(belongings: Belongings, folder: Path, *, wanted: Collection[Path]) -> Path:
    """Move everything below one folder, the sidecar last; the images keep their place beside it."""
    names = [image.relative_to(belongings.base) for image in belongings.images]
    target = _free_set(folder, [belongings.sidecar.name, *map(str, names)], belongings.job_id)
    for image, name in zip(belongings.images, names, strict=True):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if image in wanted:
            files.copy(image, target / name)
        else:
            files.move(image, target / name)
    files.move(belongings.sidecar, target / belongings.sidecar.name)
    return target


def _free_set(folder: Path, names: list[str], job_id: str) -> Path:
    """Where a set of files can go under their own names: `folder`, or a new folder within it.

    They keep their names, because the sidecar refers to its images by name and the whole set
    may be moved back to the inbox as it is.
    """
    taken = any((folder / name).exists() or (folder / name).is_symlink() for name in names)
    target = folder / job_id if taken else folder
    target.mkdir(parents=True, exist_ok=True)
    return target
