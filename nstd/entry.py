"""A job as the ledger knows it: one frozen value, replaced by every step that it takes.

    candidate -> queued -> claimed -> running -> rendered -> published -> retired
                    any of them -> failed | cancelled

Two conditions lie across the states instead of being states of their own, so that whatever ends
them needs no memory of where the job had been: `not_before` defers it, `hold` says what resource
it waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from nstd.domain import Failure, FileIdentity, Rendered
    from nstd.params import StyleParams

REPORT: Final = ".report.html"
Role = Literal["content", "style", "init", "mask"]


class State(StrEnum):
    """How far a job has come."""

    QUEUED = "queued"  # the row is written; the sidecar is ours, or about to be
    CLAIMED = "claimed"  # the images are copied and hashed
    RUNNING = "running"  # a worker has it
    RENDERED = "rendered"  # the result is in the work folder
    PUBLISHED = "published"  # result and manifest are in the outbox
    RETIRED = "retired"  # the originals are filed away
    FAILED = "failed"  # it can't be done; its files are on their way to failed/, or there
    CANCELLED = "cancelled"  # its owner took it back; its files go the same way


BEFORE_RESULT = frozenset({State.QUEUED, State.CLAIMED, State.RUNNING})


class Fate(StrEnum):
    """What became of an original at the end of its job."""

    PENDING = "pending"
    FILED = "filed"  # moved to done/ or failed/, or copied there because others want it
    LEFT = "left"  # stays where it is: another job wants it, or it was to be kept
    GONE = "gone"  # its owner moved, replaced or deleted it
    DELETED = "deleted"  # as `originals: delete` asks


@dataclass(frozen=True, slots=True)
class Source:
    """An input image below a folder that nstd reads.

    Attributes:
        root: the inbox, or a folder of the style library.
        relative: the image's place below it.
        stays: of the style library, or its folder's own (`nstd.yaml`): shared by all jobs, never
            filed away.
        weight: a style's share in the blend.
    """

    role: Role
    root: Path
    relative: Path
    stays: bool = False
    weight: float = 1.0

    @property
    def path(self) -> Path:
        """The image."""
        return self.root / self.relative


@dataclass(frozen=True, slots=True)
class Input:
    """An input image of a job.

    Attributes:
        identity: of the version that the job uses; None if it was absent.
        sha256: of that version; empty before it is copied.
        copy: the private copy's name in the job's work folder; empty before it is copied.
    """

    source: Source
    identity: FileIdentity | None
    sha256: str = ""
    copy: str = ""
    fate: Fate = Fate.PENDING


@dataclass(frozen=True, slots=True)
class Target:
    """Where a result is to appear, decided before the first rename and remembered.

    Attributes:
        staged: the complete result under its temporary name, on the outbox's file system.
        identity: of that file, which a rename doesn't change; None for a duplicate, which has no
            result of its own.
        final: its final name.
        manifest: the manifest's final name.
    """

    staged: Path
    identity: FileIdentity | None
    final: Path
    manifest: Path

    @property
    def report(self) -> Path:
        """The report's name, if the job has one."""
        return self.final.with_suffix(REPORT)


@dataclass(frozen=True, slots=True)
class Entry:
    """A job's row.

    Attributes:
        job_id: unique, and sorted by time.
        folder: the sidecar's folder relative to the inbox.
        sidecar: the sidecar's file name.
        identity: of the sidecar when it was read.
        params: None for a sidecar that could not be understood.
        output: stem of the result.
        attempts: how often a worker died, stalled or failed under it.
        crashes: how often the daemon died while a worker had it.
        not_before: seconds since the epoch before which it isn't tried again.
        hold: the resource that it waits for; empty if none.
        fingerprint: of inputs and parameters; empty before they are known.
        duplicate_of: the job whose result is this one's too.
        home: where its originals go; None until that is decided.
        settled: nothing is left to do.
    """

    job_id: str
    folder: Path
    sidecar: str
    identity: FileIdentity
    inputs: tuple[Input, ...]
    params: StyleParams | None
    output: str
    priority: int = 0
    state: State = State.QUEUED
    attempts: int = 0
    crashes: int = 0
    not_before: float = 0.0
    hold: str = ""
    fingerprint: str = ""
    duplicate_of: str = ""
    failure: Failure | None = None
    rendered: Rendered | None = None
    target: Target | None = None
    home: Path | None = None
    settled: bool = False

    @property
    def name(self) -> str:
        """The job's name to its owner: the sidecar's path below the inbox, without suffix."""
        return str(self.folder / Path(self.sidecar).stem)

    @property
    def place(self) -> Path:
        """The sidecar's path relative to the inbox."""
        return self.folder / self.sidecar
