"""What came of one attempt to tell a hook of an event."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verdict(StrEnum):
    """What becomes of the delivery."""

    DONE = "done"  # nothing is left to do
    FAILED = "failed"  # it was told, to no avail; telling again would not help
    RETRY = "retry"  # to be told again, later
    GONE = "gone"  # likewise, but not before somebody has looked at the hook


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt's end.

    Attributes:
        reason: why it failed, for the log; empty if it didn't.
        pause: seconds for which the hook wants to be left alone altogether.
        facts: further ones for the log.
    """

    verdict: Verdict
    reason: str = ""
    pause: float = 0.0
    facts: Mapping[str, Any] = field(default_factory=dict)
