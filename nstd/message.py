"""What hooks are told: one event of one job, written down once and sent as often as it takes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Event: TypeAlias = Literal["claimed", "published", "failed", "cancelled"]

# What the document of an event is: what the sidecar asks for, or the file that nstd wrote.
DOCUMENTS: Final[Mapping[Event, str]] = {
    "claimed": "job",
    "published": "manifest",
    "failed": "reason",
    "cancelled": "reason",
}


@dataclass(frozen=True, slots=True)
class Message:
    """An event, whoever is told of it.

    Attributes:
        at: seconds since the epoch at which it happened.
        document: the job, the manifest or the reason, as plain JSON values.
        result: the result's path relative to the outbox; empty if there is none.
        files: paths on this machine by what they are: `result`, `manifest`, `reason`.
    """

    event: Event
    job_id: str
    name: str
    at: float
    document: Mapping[str, Any]
    result: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def message_id(self) -> str:
        """The same for every delivery of this event, to whomever and however often."""
        return f"{self.job_id}-{self.event}"

    def dump(self) -> str:
        """As JSON; paths of any bytes survive, since JSON escapes what isn't ASCII."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def load(cls, text: str) -> Message:
        """From what `dump` gave."""
        return cls(**json.loads(text))
