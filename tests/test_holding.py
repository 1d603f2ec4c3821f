"""A pause of the whole daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from nstd import telemetry
from nstd.holding import Hold

if TYPE_CHECKING:
    from clocks import Clock


def test_it_lasts_for_its_time(clock: Clock) -> None:
    """And begins anew when it is begun again."""
    hold = Hold(clock)
    assert not hold.is_on
    hold.begin("the disk is full", 5.0)
    clock.now += 4.0
    assert hold.is_on
    hold.begin("the disk is full", 5.0)
    clock.now += 4.0
    assert hold.is_on
    clock.now += 1.0
    assert not hold.is_on


def test_each_reason_is_told_once_and_the_end_too(clock: Clock) -> None:
    """However often the resource is missed; after its return it is news again."""
    hold = Hold(clock)
    with capture_logs() as logs:
        for reason in ("full", "full", "refuses", "refuses"):
            hold.begin(reason, 5.0)
        hold.release()
        hold.release()
        hold.begin("refuses", 5.0)
    told = [(line["event"], line.get("reason")) for line in logs]
    assert told == [
        (telemetry.DAEMON_HELD, "full"),
        (telemetry.DAEMON_HELD, "refuses"),
        (telemetry.DAEMON_RESUMED, None),
        (telemetry.DAEMON_HELD, "refuses"),
    ]
