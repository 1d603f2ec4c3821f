"""Seconds for people."""

from __future__ import annotations

import pytest

from nstd.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2 h"),
        (172_800, "2 d"),
    ],
)
def test_durations_are_in_the_largest_unit_of_which_there_are_two(
    seconds: float, text: str
) -> None:
    """Two digits say more than one; a clock that was put back is no negative time."""
    assert duration(seconds) == text
