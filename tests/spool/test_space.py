"""Room for another job."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from jobs import configure

from nstd.errors import CannotWriteError, Disposition
from nstd.spool import space

if TYPE_CHECKING:
    from nstd.spool.desk import Desk


def require(desk: Desk, least: int) -> None:
    """Ask for so many bytes."""
    limits = desk.config.limits.model_copy(update={"min_free_bytes": least})
    configure(desk, limits=limits)


def test_enough_is_enough(desk: Desk) -> None:
    """Up to what is free."""
    require(desk, 1)
    space.check(desk.config)


def test_too_little_is_told_with_both_numbers(desk: Desk) -> None:
    """31. A matter of resources: jobs wait."""
    free = os.statvfs(desk.config.root)
    require(desk, 2 * free.f_blocks * free.f_frsize)
    with pytest.raises(CannotWriteError, match=r"only [\d,]+ MiB are free, limits\.min") as caught:
        space.check(desk.config)
    assert caught.value.disposition is Disposition.HOLD


def test_the_outbox_counts_as_well_as_the_work_folder(desk: Desk) -> None:
    """31. One that has gone can't be told."""
    require(desk, 1)
    desk.config.folder("outbox").rmdir()
    with pytest.raises(CannotWriteError, match="outbox: can't be reached"):
        space.check(desk.config)
