"""Messages from pydantic's findings."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from nstd.validation import problems, suggestion, summarise


class Model(BaseModel):
    """Two keys, one of them a list."""

    model_config = ConfigDict(extra="forbid", strict=True)

    width: int = 1
    names: list[str] = []


def found(**values: object) -> list[tuple[str, str]]:
    """Collect the problems of some values."""
    with pytest.raises(ValidationError) as caught:
        Model.model_validate(values)
    return problems(caught.value, Model.model_fields)


def test_the_offending_value_is_shown() -> None:
    """A short value helps to find the place."""
    assert found(width="wide") == [("width", "should be a valid integer, not 'wide'")]


def test_a_long_value_is_not_shown() -> None:
    """A message stays a line."""
    assert found(width="w" * 200) == [("width", "should be a valid integer")]


def test_nested_keys_are_dotted() -> None:
    """The place within a list is part of the key."""
    assert found(names=["a", 2])[0][0] == "names.1"


def test_one_problem_is_blamed_on_its_key() -> None:
    """The key then stands apart, for logs and reason files."""
    assert summarise([("a", "is wrong")]) == ("is wrong", "a")


def test_several_problems_are_one_clause() -> None:
    """Each with its key; none is blamed alone."""
    assert summarise([("a", "is wrong"), ("b", "is odd")]) == ("a: is wrong; b: is odd", None)


@pytest.mark.parametrize(
    ("word", "expected"), [("widht", ", did you mean 'width'?"), ("colour", "")]
)
def test_suggestion(word: str, expected: str) -> None:
    """Only a near word is suggested."""
    assert suggestion(word, ["width", "names"]) == expected
