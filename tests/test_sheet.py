"""Contact sheets, pixel by pixel."""

from __future__ import annotations

import numpy as np
from conftest import picture

from nstd.sheet import Cell, sheet


def found_at(page: np.ndarray, rgb: np.ndarray) -> tuple[int, int]:
    """Say where a picture stands on a page: top and left."""
    wanted = np.rint(rgb * 255).astype(np.uint8)
    height, width = wanted.shape[:2]
    places = np.argwhere((page == wanted[0, 0]).all(-1))
    (place,) = [
        (int(top), int(left))
        for top, left in places
        if np.array_equal(page[top : top + height, left : left + width], wanted)
    ]
    return place


def ink(page: np.ndarray) -> int:
    """Count the pixels that aren't paper."""
    return int((page < 255).any(-1).sum())


def test_pictures_stand_in_rows_and_columns_unchanged() -> None:
    """Every pixel is there, at the same height as its neighbours, below the row before."""
    pictures = [picture(200, 150, seed) for seed in range(4)]
    cells = [Cell(rgb, "title", "facts") for rgb in pictures]
    page = np.asarray(sheet([cells[:2], cells[2:]]))
    places = [found_at(page, rgb) for rgb in pictures]
    assert places[0][0] == places[1][0]
    assert places[2][0] == places[3][0] > places[0][0] + 150
    assert places[0][1] == places[2][1]
    assert places[1][1] == places[3][1] > places[0][1] + 200


def test_words_stand_below_their_picture() -> None:
    """Title and facts leave ink between one picture and the next."""
    rgb = np.full((100, 200, 3), 1.0, np.float32)
    bare, titled, told = (
        ink(np.asarray(sheet([[Cell(rgb, title, facts)]])))
        for title, facts in (("", ""), ("title", ""), ("title", "facts"))
    )
    assert bare == 0 < titled < told


def test_long_titles_are_broken_into_lines() -> None:
    """No word runs into the neighbour's column."""
    rgb = np.full((40, 200, 3), 1.0, np.float32)
    short, long = (
        np.asarray(sheet([[Cell(rgb, title), Cell(rgb, "")]])) for title in ("a=1", "key=1 " * 12)
    )
    assert long.shape[0] > short.shape[0]
    assert long.shape[1] == short.shape[1]
    assert ink(long[:, long.shape[1] // 2 :]) == 0


def test_heading_and_foot_take_the_whole_width() -> None:
    """They stand above the first row and below the last."""
    rgb = picture(200, 100)
    cells = [Cell(rgb, "") for _ in range(3)]
    plain = np.asarray(sheet([cells[:1]]))
    page = np.asarray(sheet([cells[:1]], heading="heading", foot="foot"))
    (top, _), (before, _) = found_at(page, rgb), found_at(plain, rgb)
    assert ink(page[:top]) > 0 == ink(plain[:before])
    assert ink(page[top + 100 :]) > 0


def test_small_pictures_have_room_for_words() -> None:
    """A column is wide enough to read, however small the pictures."""
    assert sheet([[Cell(picture(32, 32), "style_weight=0.5")]]).width > 180
