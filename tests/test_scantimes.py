"""When the inbox is scanned next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstd.scantimes import ScanTimes

if TYPE_CHECKING:
    from clocks import Clock


def test_a_scan_comes_after_its_pause(clock: Clock) -> None:
    """At first at once, then when the pause is over."""
    scans = ScanTimes(clock)
    assert scans.is_due
    scans.begin(5.0)
    scans.end(0.0, 5.0)
    assert not scans.is_due
    clock.now += 5.0
    assert scans.is_due


def test_an_event_brings_it_forward(clock: Clock) -> None:
    """And a later moment doesn't put it off."""
    scans = ScanTimes(clock)
    scans.end(0.0, 5.0)
    scans.by(clock.now + 0.1)
    scans.by(clock.now + 3.0)
    assert scans.next == clock.now + 0.1


def test_a_long_listing_pays_for_itself(clock: Clock) -> None:
    """A listing of two seconds is not repeated for twenty, whatever happens meanwhile."""
    scans = ScanTimes(clock)
    scans.end(2.0, 5.0)
    scans.by(clock.now)
    assert scans.next == clock.now + 20.0
    scans.at_once()
    assert scans.is_due


def test_a_scan_that_fails_is_followed_by_another(clock: Clock) -> None:
    """It never reaches its end, and the pause holds all the same."""
    scans = ScanTimes(clock)
    scans.begin(5.0)
    assert scans.next == clock.now + 5.0


def test_a_scan_may_be_put_off(clock: Clock) -> None:
    """Until a moment; not to an earlier one."""
    scans = ScanTimes(clock)
    scans.end(0.0, 5.0)
    scans.not_before(clock.now + 9.0)
    scans.not_before(clock.now + 1.0)
    assert scans.next == clock.now + 9.0
