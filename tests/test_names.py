"""What file names mean."""

from __future__ import annotations

import pytest

from nstd import names


@pytest.mark.parametrize("name", [".a", "~a", "a~", "a.part", "A.TMP", "a.crdownload"])
def test_temporary_and_hidden_names_are_ignored(name: str) -> None:
    """They belong to somebody who is still at it."""
    assert names.is_ignored(name)


@pytest.mark.parametrize("name", ["a.jpg", "a.party", "partition", "a.b.yaml"])
def test_ordinary_names_are_not(name: str) -> None:
    """A suffix is a suffix, not a part of a word."""
    assert not names.is_ignored(name)


def test_image_names_have_both_spellings() -> None:
    """Every suffix, in small letters and in capitals."""
    assert {"a.jpg", "a.JPG", "a.tiff", "a.TIFF"} <= set(names.image_names("a"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.png", "a"), ("a.JPEG", "a"), ("a.v2", "a.v2"), ("a", "a"), ("b/a.png", "b/a")],
)
def test_only_image_suffixes_are_taken_off(name: str, expected: str) -> None:
    """A dot may be part of a name."""
    assert names.without_image_suffix(name) == expected
