"""What every step of the spool needs: configuration, ledger, and who else wants an image."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nstd.errors import InboxAbsentError
from nstd.spool import marker

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config
    from nstd.entry import Entry, Input, Source
    from nstd.spool.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the last scan knew of images that sidecars in the inbox ask for.

    Attributes:
        images: named by sidecars that could be read, relative to the inbox.
        folders: of sidecars that couldn't be read yet: any image in them may be wanted.
        began: monotonic seconds at which the scan began; minus infinity before the first.
    """

    images: frozenset[Path] = frozenset()
    folders: frozenset[Path] = frozenset()
    began: float = -math.inf

    def has(self, relative: Path) -> bool:
        """Whether an image may be wanted."""
        return relative in self.images or not self.folders.isdisjoint(relative.parents)


@dataclass(slots=True)
class Desk:
    """Where the steps of a job are taken.

    Attributes:
        wanted: replaced by every scan.
        published_at: monotonic seconds; a job from before this process began is old enough.
    """

    config: Config
    ledger: Ledger
    wanted: Wanted = Wanted()
    published_at: dict[str, float] = field(default_factory=dict)

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
        """Whether a sidecar in the inbox does, or may."""
        return not source.library and self.wanted.has(source.relative)

    def want(self, entry: Entry) -> None:
        """Note the images of a sidecar that is in the inbox again, until the next scan does."""
        images = (one.source.relative for one in entry.inputs if not one.source.library)
        self.wanted = replace(self.wanted, images=self.wanted.images.union(images))

    def may_file(self, entry: Entry) -> bool:
        """Whether a scan has looked for further sidecars since the grace time ended."""
        published = self.published_at.get(entry.job_id)
        if published is None:
            return self.wanted.began > -math.inf
        return self.wanted.began >= published + self.config.retire_grace_seconds


def now() -> float:
    """Seconds since the epoch: what the ledger remembers across restarts."""
    return time.time()
