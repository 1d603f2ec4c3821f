"""What an error says."""

from __future__ import annotations

import pytest

from nstd.errors import SidecarError


@pytest.mark.parametrize(
    ("what", "remedy", "said"),
    [
        ("is empty", "", "a.yaml: size: is empty."),
        ("is empty", "give a size", "a.yaml: size: is empty. Give a size."),
        ("is odd", "--size 64", "a.yaml: size: is odd. --size 64."),
        ("did you mean 'b'?", "see there", "a.yaml: size: did you mean 'b'? See there."),
    ],
)
def test_an_error_is_sentences(what: str, remedy: str, said: str) -> None:
    """File, key, what is wrong, and the remedy; a question needs no full stop."""
    assert str(SidecarError(what, file="a.yaml", key="size", remedy=remedy)) == said
