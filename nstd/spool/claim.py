"""Make a candidate ours: take its sidecar out of the inbox, copy its images, hash the copies.

The sidecar is the commit token: one rename decides whose job it is, and while it lies under
`inbox/.nstd/claimed/` no other scan can see it. Images stay where they are until the job is done.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import time
from typing import TYPE_CHECKING

from nstd.domain import Claim, ClaimedFile, Job, WeightedFile
from nstd.errors import InputChangedError, NstdError, UntouchableError
from nstd.spool import files, layout

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config
    from nstd.domain import Candidate


def new_id() -> str:
    """A job id: unique, and sorted by time."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


def claim(candidate: Candidate, config: Config) -> Claim:
    """Claim a candidate.

    Raises:
        InputChangedError: the sidecar or an image changed or vanished; the claim is undone.
        MissingInputError: an image can't be read; the claim is undone.
        CannotWriteError: no room or no right to copy; the claim is undone.
    """
    job_id = new_id()
    now = time.time()
    before = files.identity(candidate.path)
    if before is None:
        raise InputChangedError("vanished before it was claimed", file=candidate.path.name)
    token = layout.claimed(config) / job_id / candidate.folder / candidate.path.name
    with files.writing(token):
        token.parent.mkdir(parents=True)
        try:
            candidate.path.rename(token)
        except FileNotFoundError as error:
            raise InputChangedError("vanished", file=candidate.path.name) from error
        except PermissionError as error:
            forget(token, config)
            raise UntouchableError(
                "can't be moved out of its folder",
                file=candidate.path.name,
                remedy="let the service's user write to the folder that it lies in",
            ) from error
        files.fsync(token.parent)
    try:
        copies = _copy_images(candidate, layout.work(config) / job_id)
    except NstdError:
        put_back(token, config)
        drop_work(job_id, config)
        raise
    return Claim(
        job_id,
        candidate,
        token,
        copies[candidate.content] if candidate.content else None,
        tuple(copies[style] for style in candidate.styles),
        now,
        max(0.0, now - before.mtime_ns / 1e9),
        copies[candidate.start] if candidate.start else None,
    )


def job(claimed: Claim, config: Config) -> Job:
    """What the worker is asked to do for a claim."""
    wanted = claimed.candidate.sidecar
    weights = [weight for _, weight in wanted.styles] or [1.0]
    return Job(
        claimed.job_id,
        claimed.name,
        layout.work(config) / claimed.job_id,
        WeightedFile(claimed.content.copy, claimed.content.source.name, 1.0)
        if claimed.content
        else None,
        tuple(
            WeightedFile(style.copy, style.source.name, weight)
            for style, weight in zip(claimed.styles, weights, strict=True)
        ),
        wanted.params,
        WeightedFile(claimed.start.copy, claimed.start.source.name, 1.0) if claimed.start else None,
    )


def release(claimed: Claim, config: Config) -> None:
    """Undo a claim: the sidecar goes back to the inbox, our copies go."""
    put_back(claimed.token, config)
    drop_work(claimed.job_id, config)


def recover(config: Config) -> list[Path]:
    """Undo what an earlier daemon left claimed when it died.

    Returns:
        The sidecars that are back in the inbox.
    """
    tokens = sorted(path for path in layout.claimed(config).rglob("*") if path.is_file())
    restored = [put_back(token, config) for token in tokens]
    shutil.rmtree(layout.work(config), ignore_errors=True)
    layout.create(config)
    return restored


def put_back(token: Path, config: Config) -> Path:
    """Return a claimed sidecar to where it was, beside whatever took its name meanwhile."""
    root = layout.claimed(config)
    job_id, *folders = token.relative_to(root).parts[:-1]
    folder = config.folder("inbox").joinpath(*folders)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / token.name
    if files.identity(target) is not None:
        target = folder / f"{token.stem}.{job_id}{token.suffix}"
    files.move(token, target)
    forget(token, config)
    return target


def forget(token: Path, config: Config) -> None:
    """Remove the folders that held a claimed sidecar which is no longer there."""
    root = layout.claimed(config)
    for folder in token.parents:
        if folder == root:
            break
        with contextlib.suppress(OSError):  # not empty, or gone already
            folder.rmdir()


def drop_work(job_id: str, config: Config) -> None:
    """Remove a job's private copies."""
    shutil.rmtree(layout.work(config) / job_id, ignore_errors=True)


def _copy_images(candidate: Candidate, work: Path) -> dict[Path, ClaimedFile]:
    with files.writing(work):
        work.mkdir(parents=True)
    copies = {}
    for index, source in enumerate(candidate.images):
        target = work / f"input-{index}{source.suffix.lower()}"
        found, digest = files.copy_private(source, target)
        copies[source] = ClaimedFile(source, target, found, digest)
    return copies
