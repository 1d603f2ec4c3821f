"""Turn pydantic's findings into messages for the person who wrote the file."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


def problems(
    error: ValidationError, known: Collection[str], below: Collection[str] = ()
) -> list[tuple[str, str]]:
    """Every problem as (dotted key, what is wrong with its value), in the file's order.

    Args:
        error: pydantic's.
        known: the keys that exist, so that an unknown one can be answered with the nearest.
        below: likewise, those within other keys' values; default: the same.
    """
    return [
        (_key(found), _clause(found, below if below and len(found["loc"]) > 1 else known))
        for found in error.errors(include_url=False)
    ]


def summarise(found: Sequence[tuple[str, str]]) -> tuple[str, str | None]:
    """All problems as one clause, and the key to blame if there is only one."""
    if len(found) == 1:
        key, clause = found[0]
        return clause, key or None
    return "; ".join(f"{key}: {clause}" if key else clause for key, clause in found), None


def suggestion(word: str, known: Collection[str]) -> str:
    """`, did you mean 'size'?` when a known word is near, else nothing."""
    near = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def shown(value: Any) -> str:  # noqa: ANN401 - whatever stood in the file
    """`, not 7`: the offending value, when it is short enough to help; else nothing."""
    if value is None or isinstance(value, dict | list):
        return ""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write out a number of thousands of digits
        return ""
    return f", not {text}" if len(text) <= 60 else ""  # noqa: PLR2004 - a line on a terminal


def _key(found: ErrorDetails) -> str:
    return ".".join(str(part) for part in found["loc"])


def _clause(found: ErrorDetails, known: Collection[str]) -> str:
    if found["type"] == "extra_forbidden":
        return "unknown key" + suggestion(str(found["loc"][-1]), known)
    if found["type"] == "model_type":
        return f"should be a mapping of `key: value`{shown(found.get('input'))}"
    message = found["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{message[0].lower()}{message[1:]}{shown(found.get('input'))}"
