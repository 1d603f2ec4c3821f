"""The course of a transfer so far: the losses of each iterate, and what each scale came to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nstd.domain import ScaleSummary

if TYPE_CHECKING:
    from nstd.domain import Losses

_WINDOW = 20
# Iterations between looks at the tolerance: fixed, so that the end doesn't depend on how many of
# them a fast device runs in one call.
_STEP = 10


@dataclass
class Course:
    """Grows with every iterate.

    Attributes:
        trace: the losses of every iterate.
        scales: those that are done.
        best: iteration and total of the scale's lowest finite total so far.
    """

    trace: list[Losses] = field(default_factory=list)
    scales: list[ScaleSummary] = field(default_factory=list)
    best: tuple[int, float] | None = None

    @classmethod
    def resumed(cls, trace: tuple[Losses, ...], scales: tuple[ScaleSummary, ...]) -> Course:
        """As it was after these iterates, the last of them of a scale that isn't done."""
        start = sum(scale.iterations for scale in scales)
        course = cls(list(trace[:start]), list(scales))
        for losses in trace[start:]:
            course.record(losses)
        return course

    @property
    def start(self) -> int:
        """The first iteration of the scale under way."""
        return sum(scale.iterations for scale in self.scales)

    @property
    def iterations(self) -> int:
        """So far, of the scale under way."""
        return len(self.trace) - self.start

    def record(self, losses: Losses) -> None:
        """Append an iterate."""
        if math.isfinite(losses.total) and (self.best is None or losses.total < self.best[1]):
            self.best = len(self.trace), losses.total
        self.trace.append(losses)

    def end_scale(self, height: int, width: int) -> None:
        """Let the scale under way, which has had an iterate, be done."""
        lowest = math.inf if self.best is None else self.best[1]
        first = self.trace[self.start]
        self.scales.append(ScaleSummary(width, height, self.iterations, first, lowest))

    def begin_scale(self) -> None:
        """Forget the last scale's best, whose total is of another objective."""
        self.best = None

    def until_look(self, tolerance: float) -> float:
        """Iterations until the next one after which the tolerance may end the scale."""
        return _STEP - self.iterations % _STEP if tolerance else math.inf

    def has_settled(self, tolerance: float) -> bool:
        """Whether it is time to look, and the total has fallen by less than this share of late."""
        if not tolerance or self.iterations <= _WINDOW or self.iterations % _STEP:
            return False
        before = self.trace[-1 - _WINDOW].total
        # Not the last alone, which may be a trial step that was refused.
        since = (losses.total for losses in self.trace[-_WINDOW:])
        return before - min(filter(math.isfinite, since), default=before) < tolerance * before
