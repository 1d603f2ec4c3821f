"""One picture in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import save_picture

from nstd import api, single
from nstd.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("wrong", ["c.png", "s.png"])
def test_a_wrong_picture_is_told_before_the_network_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """Which takes seconds; nothing is left in the output's folder."""
    pair = [save_picture(tmp_path / name) for name in ("c.png", "s.png")]
    (tmp_path / wrong).write_text("no picture")

    def load(**_: bool) -> None:
        raise AssertionError("the network is loaded")

    monkeypatch.setattr(api, "engine", load)
    with pytest.raises(ImageError, match=wrong):
        single.stylize(pair[0], pair[1:], tmp_path / "o.jpg", {})
    assert {path.name for path in tmp_path.iterdir()} == {"c.png", "s.png"}
