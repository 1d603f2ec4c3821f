"""One picture in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from conftest import save_picture

from nstd import api, single
from nstd.domain import WeightedFile
from nstd.errors import ImageError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def styles(pair: list[Path]) -> list[WeightedFile]:
    """Take all but the content for styles, in equal shares."""
    return [WeightedFile(path, str(path), 1.0) for path in pair[1:]]


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
        single.stylize(pair[0], styles(pair), tmp_path / "o.jpg", {})
    assert {path.name for path in tmp_path.iterdir()} == {"c.png", "s.png"}


def test_no_input_is_replaced(tmp_path: Path) -> None:
    """By whatever name the output is called; nothing is begun."""
    pair = [save_picture(tmp_path / name) for name in ("c.png", "s.png")]
    before = pair[0].read_bytes()
    (tmp_path / "link.png").symlink_to(pair[1])
    for output in (pair[0], tmp_path / "link.png"):
        with pytest.raises(UsageError, match="is one of the images, and would be replaced"):
            single.stylize(pair[0], styles(pair), output, {})
    with pytest.raises(UsageError, match="is one of the images"):
        single.stylize(pair[0], styles(pair), tmp_path / "link.png", {"init": str(pair[1])})
    assert pair[0].read_bytes() == before


def test_a_format_that_is_not_the_suffixes_is_refused(tmp_path: Path) -> None:
    """Which of the two is meant can't be known."""
    pair = [save_picture(tmp_path / name) for name in ("c.png", "s.png")]
    with pytest.raises(UsageError, match=r"o\.png: its suffix is not that of --set format=jpeg"):
        single.stylize(pair[0], styles(pair), tmp_path / "o.png", {"format": "jpeg"})
