"""What every step of the spool needs: configuration, ledger, and who else wants an image."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nstd.entry import State
from nstd.errors import InboxAbsentError
from nstd.spool import marker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nstd.config import Config
    from nstd.entry import Entry, Input, Source
    from nstd.spool.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the last scan knew of images that the sidecars left in the inbox ask for.

    Attributes:
        images: named by sidecars that could be read, relative to the inbox.
        unread: folders with sidecars that couldn't be read yet, so that any image in them may be
            wanted; and the monotonic seconds at which the first of these sidecars was seen.
        began: monotonic seconds at which the scan began; minus infinity before the first.
    """

    images: frozenset[Path] = frozenset()
    unread: Mapping[Path, float] = field(default_factory=dict)
    began: float = -math.inf

    def may_have(self, relative: Path, moment: float) -> bool:
        """Whether a sidecar that came before a moment and couldn't be read may want an image."""
        return any(self.unread.get(folder, math.inf) <= moment for folder in relative.parents)


@dataclass(slots=True)
class Desk:
    """Where the steps of a job are taken.

    Attributes:
        wanted: replaced by every scan.
        ended_at: monotonic seconds at which jobs were seen to have an outcome.
    """

    config: Config
    ledger: Ledger
    wanted: Wanted = field(default_factory=Wanted)
    ended_at: dict[str, float] = field(default_factory=dict)

    @property
    def inbox(self) -> Path:
        """Where users drop files."""
        return self.config.folder("inbox")

    def require_inbox(self) -> None:
        """Make sure that what was just seen of the inbox was the inbox.

        Raises:
            InboxAbsentError: it has gone, so that a missing file means nothing.
        """
        if marker.presence(self.config, self.ledger) is not marker.Presence.HERE:
            raise InboxAbsentError(
                "the inbox is not there, or has lost its marker",
                file=str(self.inbox),
                remedy=marker.remedy(self.config, self.ledger),
            )

    def is_wanted_by_job(self, entry: Entry, one: Input) -> bool:
        """Whether another job that is not settled uses the same original: it will see to it."""
        return one.identity is not None and self.ledger.is_wanted(
            one.source.root, one.source.relative, one.identity, entry.job_id
        )

    def is_wanted_by_sidecar(self, source: Source) -> bool:
        """Whether a sidecar in the inbox asks for it."""
        return not source.stays and source.relative in self.wanted.images

    def may_be_wanted(self, entry: Entry, source: Source) -> bool:
        """Whether a sidecar may ask for it that came in time and hasn't been read yet.

        One that comes after the grace time is too late, or else a busy inbox would never let go
        of an original.
        """
        return not source.stays and self.wanted.may_have(source.relative, self.deadline(entry))

    def want(self, entry: Entry) -> None:
        """Note the images of a sidecar that is in the inbox again, until the next scan does."""
        images = (one.source.relative for one in entry.inputs if not one.source.stays)
        self.wanted = replace(self.wanted, images=self.wanted.images.union(images))

    def may_file(self, entry: Entry) -> bool:
        """Whether a scan has looked for further sidecars; after the grace time, if published."""
        if entry.state is not State.PUBLISHED:
            return self.wanted.began > -math.inf
        return self.wanted.began >= self.deadline(entry)

    def deadline(self, entry: Entry) -> float:
        """Monotonic seconds until which another sidecar may claim a job's originals."""
        ended = self.ended_at.setdefault(entry.job_id, time.monotonic())
        return ended + self.config.retire_grace_seconds


def now() -> float:
    """Seconds since the epoch: what the ledger remembers across restarts."""
    return time.time()
