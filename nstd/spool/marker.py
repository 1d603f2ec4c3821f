"""Tell the inbox from an empty mount point: a marker in it that the ledger remembers.

A share that isn't mounted looks like an inbox whose every file was deleted. Without the marker,
the inbox is not looked at.
"""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from nstd.spool import files, layout

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.spool.ledger import Ledger
    from nstd.spool.queries import Queries

_FACT: Final = "inbox"
_NAME: Final = "marker"


class Presence(StrEnum):
    """Whether the inbox is the one that the ledger knows."""

    HERE = "here"
    NEW = "new"  # the ledger knows none, so this one will do
    ABSENT = "absent"  # the folder is missing, or has no marker or another's


def presence(config: Config, ledger: Queries) -> Presence:
    """Look for the marker."""
    known = ledger.fact(_FACT)
    if known is None:
        return Presence.NEW
    return Presence.HERE if _read(config) == known else Presence.ABSENT


def adopt(config: Config, ledger: Ledger) -> None:
    """Mark the inbox, if it isn't marked, and remember the marker.

    Raises:
        CannotWriteError: the inbox refuses.
    """
    mark = _read(config)
    if mark is None:
        mark = secrets.token_hex(8)
        path = layout.control(config) / _NAME
        with files.writing(path):
            files.write(path, f"{mark}\n".encode())
            files.fsync(path.parent)
    ledger.set_fact(_FACT, mark)


def remedy(config: Config, ledger: Ledger) -> str:
    """How to end the absence."""
    path = layout.control(config) / _NAME
    return f"mount it; or, if it is meant to be empty, write {ledger.fact(_FACT)} into {path}"


def _read(config: Config) -> str | None:
    try:
        text = (layout.control(config) / _NAME).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return text or None
