"""What a scan comes to, and why a sidecar isn't a job yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nstd.spool.desk import Wanted

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.domain import Candidate, Failure


@dataclass(frozen=True, slots=True)
class Rejection:
    """A sidecar that can never become a job, with whatever images of it are there."""

    candidate: Candidate
    failure: Failure


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that can't be used yet, a sidecar as a rule, and what it waits for.

    `settling` tells files that a moment more will settle from files that aren't there.
    """

    path: Path
    reason: str
    settling: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """One listing of the inbox.

    Attributes:
        ready: in the order in which to run.
        cancels: files that ask for jobs to be cancelled, relative to the inbox.
        oddities: (path, what it is): has an input's name but is no regular file.
        wanted: images that sidecars ask for which stay in the inbox; the others' are their jobs'.
        lone: settled images of hot folders that no sidecar in the inbox asks for.
        unasked: other files that have been there for long and that no sidecar in the inbox asks
            for, with what they lack.
    """

    ready: tuple[Candidate, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    cancels: tuple[Path, ...] = ()
    oddities: tuple[tuple[Path, str], ...] = ()
    wanted: Wanted = field(default_factory=Wanted)
    lone: tuple[Path, ...] = ()
    unasked: tuple[tuple[Path, str], ...] = ()

    @property
    def settling(self) -> bool:
        """Whether the next scan may find more without anything else happening."""
        return any(waiting.settling for waiting in self.waiting)


class NotYetError(Exception):
    """Internal to a scan: the sidecar has to wait; the message says for what."""

    settling = False


class SettlingError(NotYetError):
    """Internal to a scan: it has to wait for a moment only."""

    settling = True
