"""The inbox as a place that may be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from nstd import telemetry
from nstd.errors import LockedError
from nstd.guard import InboxGuard

if TYPE_CHECKING:
    from nstd.spool.desk import Desk


def test_an_inbox_that_goes_and_comes(desk: Desk) -> None:
    """11. It is told once that it is gone, and once that it is back."""
    elsewhere = desk.inbox.with_name("elsewhere")
    with capture_logs() as logs, InboxGuard(desk) as guard:
        guard.open([])
        assert not guard.is_absent
        desk.inbox.rename(elsewhere)
        desk.inbox.mkdir()  # an empty mount point
        for _ in range(2):
            guard.open([])
            assert guard.is_absent
        desk.inbox.rmdir()
        elsewhere.rename(desk.inbox)
        guard.open([])
        assert not guard.is_absent
    told = [line["event"] for line in logs]
    assert told == [telemetry.INBOX_ABSENT, telemetry.INBOX_BACK]


def test_an_inbox_is_one_daemons(desk: Desk) -> None:
    """39. Until the guard lets go of it."""
    with InboxGuard(desk) as guard:
        guard.open([])
        assert guard.is_ours
        with InboxGuard(desk) as other:
            with pytest.raises(LockedError):
                other.open([])
            assert not other.is_ours
    with InboxGuard(desk) as other:
        other.open([])
        assert not other.is_absent
