"""Losses over iterations as an inline SVG, on a logarithmic axis.

By hand, since a drawing library would weigh more than nstd itself for four lines and two axes, and
its picture would know nothing of the page's colours and type sizes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nstd.domain import Losses, ScaleSummary

TERMS: Final = ("total", "content", "style", "variation")
WIDTH, HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 92, 16, 40, 64
_POINTS = 600  # more would not be told apart, and a page for each job should stay small
_DECADES = 6
_FEW_DECADES = 2.5
_STEPS = (1, 2, 5)
_LABEL_WIDTH = 90
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Frame:
    """From iterations and losses to the drawing's units.

    Attributes:
        iterations: how many; the first is number 1.
        low, high: powers of ten at the lower and the upper edge.
    """

    iterations: int
    low: float
    high: float

    def x(self, iteration: float) -> float:
        """Where an iteration is."""
        share = (iteration - 1) / max(1, self.iterations - 1)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, loss: float) -> float:
        """Where a loss above zero is."""
        share = (math.log10(loss) - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def shown_terms(trace: Sequence[Losses]) -> tuple[str, ...]:
    """The terms that can be drawn: a logarithm needs a number above zero."""
    return tuple(term for term in TERMS if any(_can_be_drawn(getattr(one, term)) for one in trace))


def svg(trace: Sequence[Losses], scales: Sequence[ScaleSummary], description: str) -> str:
    """The drawing.

    Args:
        trace: the losses of every iterate, in order; one at least has a term above zero.
        scales: what was done at each scale.
        description: what it shows, for those who don't see it.

    Returns:
        An `<svg>` element whose lines have the class of their term.
    """
    terms = shown_terms(trace)
    values = [getattr(one, term) for one in trace for term in terms]
    logs = [math.log10(value) for value in values if _can_be_drawn(value)]
    margin = max(0.05, 0.04 * (max(logs) - min(logs)))
    frame = Frame(len(trace), min(logs) - margin, max(logs) + margin)
    label = escape(description)
    parts = [
        f'<svg class="curves" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">',
        *_axis_of_losses(frame),
        *_axis_of_iterations(frame),
        *_boundaries(frame, scales),
        *(_line(frame, trace, term) for term in reversed(terms)),
        "</svg>",
    ]
    return "\n".join(parts)


def _can_be_drawn(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _line(frame: Frame, trace: Sequence[Losses], term: str) -> str:
    """A term's curve; gaps where it can't be drawn, a dot where a point stands alone."""
    stride = max(1, math.ceil(len(trace) / _POINTS))
    numbers = sorted({*range(0, len(trace), stride), len(trace) - 1})
    pieces, joins = [], False
    for number in numbers:
        value = getattr(trace[number], term)
        if not _can_be_drawn(value):
            joins = False
            continue
        step = "L" if joins else "M"
        pieces.append(f"{step}{frame.x(number + 1):.1f} {frame.y(value):.1f}")
        joins = True
    # A subpath of one point is drawn as a dot, thanks to its round cap, if it has a length of 0.
    path = " ".join(
        f"{piece}h0" if piece[0] == "M" and following[0] == "M" else piece
        for piece, following in zip(pieces, [*pieces[1:], "M"], strict=True)
    )
    return f'<path class="{term}" d="{path}"/>'


def _axis_of_losses(frame: Frame) -> list[str]:
    parts = []
    for value in ticks(frame.low, frame.high):
        y = f"{frame.y(value):.1f}"
        parts.append(f'<path class="grid" d="M{_LEFT} {y}H{WIDTH - _RIGHT}"/>')
        label = number(value)
        parts.append(f'<text x="{_LEFT - 10}" y="{y}" dy=".35em" text-anchor="end">{label}</text>')
    return parts


def ticks(low: float, high: float) -> list[float]:
    """Round losses between two powers of ten: whole decades, or 1, 2 and 5 of few of them."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    if high - low > _FEW_DECADES:
        stride = max(1, math.ceil((high - low) / _DECADES))
        found = [10.0**decade for decade in decades if decade % stride == 0]
    else:
        found = [step * 10.0**decade for decade in decades for step in _STEPS]
    inside = [value for value in found if low <= math.log10(value) <= high]
    # So narrow a range that nothing round is in it: its middle, at least.
    return inside or [float(f"{10 ** ((low + high) / 2):.3g}")]


def number(value: float) -> str:
    """A loss for people: `0.02`, `500`, `10⁶`, `2.5·10⁶`."""
    if 1e-3 <= value < 1e5:  # noqa: PLR2004 - what fits beside the axis
        return f"{value:g}"
    digits, power = f"{value:.2e}".split("e")
    ten = f"10{str(int(power)).translate(_SUPERSCRIPTS)}"
    return ten if float(digits) == 1 else f"{float(digits):g}·{ten}"


def _axis_of_iterations(frame: Frame) -> list[str]:
    bottom = HEIGHT - _BOTTOM
    parts = [f'<path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{WIDTH - _RIGHT}"/>']
    for iteration in _round_iterations(frame.iterations):
        x = f"{frame.x(iteration):.1f}"
        parts.append(f'<path class="axis" d="M{x} {bottom}v6"/>')
        parts.append(f'<text x="{x}" y="{bottom + 24}" text-anchor="middle">{iteration}</text>')
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">iteration</text>')
    return parts


def _round_iterations(iterations: int) -> list[int]:
    """The first iteration, and four or five round ones."""
    rough = max(1.0, iterations / 5)
    decade = 10 ** math.floor(math.log10(rough))
    step = next(n * decade for n in (1, 2, 5, 10) if n * decade >= rough)
    return [1, *(n for n in range(step, iterations + 1, step) if n > step / 2 and n > 1)]


def _boundaries(frame: Frame, scales: Sequence[ScaleSummary]) -> list[str]:
    """Where a scale begins, with its long side if there is room for it."""
    parts, begins, free_from = [], 0, 0.0
    for index, scale in enumerate(scales):
        x, begins = frame.x(begins + 1), begins + scale.iterations
        if index:
            parts.append(f'<path class="scale" d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}"/>')
        if x >= free_from and x <= WIDTH - _LABEL_WIDTH / 2:
            side = max(scale.width, scale.height)
            parts.append(f'<text x="{x:.1f}" y="{_TOP - 12}">{side} px</text>')
            free_from = x + _LABEL_WIDTH
    return parts
