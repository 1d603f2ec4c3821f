"""A short soak; `make soak` is the long one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from soak import Soak

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(600)
def test_nothing_is_lost_or_duplicated_whatever_is_killed(tmp_path: Path) -> None:
    """27. Good and hostile jobs, random kills: every job ends once, every file is accounted for."""
    (tmp_path / "inbox").mkdir()
    soak = Soak(tmp_path, seed=1)
    soak.run(40)
    counts = soak.account()
    assert soak.troubles == []
    assert counts["dropped"] > 20
    assert counts["lost"] == counts["duplicated"] == 0
    assert sum(soak.kills.values()) > 3
