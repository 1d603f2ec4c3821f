"""Entries as rows of the ledger's tables, and back."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstd.domain import Failure, FileIdentity, Rendered
from nstd.entry import Entry, Fate, Input, Source, State, Target
from nstd.errors import Disposition

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from nstd.params import StyleParams

FIELDS = tuple(field.name for field in dataclasses.fields(Entry))
# Plain columns of the same name and type on both sides.
_PLAIN = (
    "job_id",
    "priority",
    "attempts",
    "crashes",
    "not_before",
    "hold",
    "fingerprint",
    "duplicate_of",
)


def of_entry(entry: Entry, fields: Iterable[str] = FIELDS) -> dict[str, Any]:
    """The row of `jobs`, or the columns of some fields of the entry."""
    row: dict[str, Any] = {}
    for name in fields:
        value = getattr(entry, name)
        if name in _PLAIN:
            row[name] = value
        elif name in _COLUMNS:
            row |= _COLUMNS[name](value)
    return row


def of_input(job_id: str, position: int, found: Input) -> dict[str, Any]:
    """A row of `inputs`."""
    source = found.source
    return {
        **_identity(found.identity),
        "job_id": job_id,
        "position": position,
        "role": source.role,
        "root": os.fsencode(source.root),
        "relative": os.fsencode(source.relative),
        "from_library": int(source.stays),  # the library's were the first that did
        "weight": source.weight,
        "sha256": found.sha256,
        "copy": os.fsencode(found.copy),
        "fate": str(found.fate),
    }


def entry(row: sqlite3.Row, inputs: list[sqlite3.Row]) -> Entry:
    """The entry of a row of `jobs` and its rows of `inputs`, in order."""
    identity = _identity_of(row)
    assert identity is not None  # noqa: S101 - NOT NULL
    return Entry(
        **{name: row[name] for name in _PLAIN},
        folder=_path(row["folder"]),
        sidecar=os.fsdecode(row["sidecar"]),
        identity=identity,
        inputs=tuple(_input(one) for one in inputs),
        params=_params(row["params"]) if row["params"] else None,
        output=os.fsdecode(row["output"]),
        state=State(row["state"]),
        failure=_failure(json.loads(row["failure"])) if row["failure"] else None,
        rendered=_rendered(json.loads(row["rendered"])) if row["rendered"] else None,
        target=_target(row) if row["final"] else None,
        home=_path(row["home"]) if row["home"] else None,
        settled=bool(row["settled"]),
    )


def _params(text: str) -> StyleParams:
    # Commands that look at many rows need the parameters of none, nor the time to import pydantic.
    from nstd.params import StyleParams  # noqa: PLC0415

    return StyleParams.model_validate_json(text)


def _of_target(target: Target | None) -> dict[str, Any]:
    if target is None:
        return dict.fromkeys(("staged", "staged_identity", "final", "manifest"))
    known = dataclasses.asdict(target.identity) if target.identity else None
    return {
        "staged": os.fsencode(target.staged),
        "staged_identity": json.dumps(known),
        "final": os.fsencode(target.final),
        "manifest": os.fsencode(target.manifest),
    }


def _target(row: sqlite3.Row) -> Target:
    known = json.loads(row["staged_identity"])
    return Target(
        _path(row["staged"]),
        FileIdentity(**known) if known else None,
        _path(row["final"]),
        _path(row["manifest"]),
    )


def _input(row: sqlite3.Row) -> Input:
    source = Source(
        row["role"],
        _path(row["root"]),
        _path(row["relative"]),
        bool(row["from_library"]),
        row["weight"],
    )
    return Input(
        source, _identity_of(row), row["sha256"], os.fsdecode(row["copy"]), Fate(row["fate"])
    )


def signed(number: int) -> int:
    """A 64-bit number as SQLite holds it; some file systems' inode numbers use the upper half."""
    return number - 2**64 if number >= 2**63 else number


def _identity(found: FileIdentity | None) -> dict[str, int | None]:
    names = [field.name for field in dataclasses.fields(FileIdentity)]
    return {name: signed(getattr(found, name)) if found else None for name in names}


def identity(row: sqlite3.Row) -> FileIdentity:
    """A file's identity from the columns that hold it."""
    device, inode = row["device"] % 2**64, row["inode"] % 2**64
    return FileIdentity(device, inode, row["size"], row["mtime_ns"])


def _identity_of(row: sqlite3.Row) -> FileIdentity | None:
    return None if row["inode"] is None else identity(row)


def _of_rendered(rendered: Rendered) -> str:
    # JSON escapes what isn't ASCII, so paths of any bytes survive as text.
    plain = {
        **dataclasses.asdict(rendered),
        "path": str(rendered.path),
        "snapshots": [str(path) for path in rendered.snapshots],
        "report": str(rendered.report) if rendered.report else None,
    }
    return json.dumps(plain)


def _rendered(plain: dict[str, Any]) -> Rendered:
    snapshots = tuple(Path(path) for path in plain["snapshots"])
    report = plain.get("report")  # rows of an earlier version have none
    paths = {
        "path": Path(plain["path"]),
        "snapshots": snapshots,
        "report": Path(report) if report else None,
    }
    return Rendered(**{**plain, **paths})


def _failure(plain: dict[str, Any]) -> Failure:
    return Failure(**{**plain, "disposition": Disposition(plain["disposition"])})


def _path(stored: bytes) -> Path:
    return Path(os.fsdecode(stored))


# The columns of the other fields; `inputs` have a table of their own.
_COLUMNS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "folder": lambda value: {"folder": os.fsencode(value)},
    "sidecar": lambda value: {"sidecar": os.fsencode(value)},
    "identity": _identity,
    "params": lambda value: {"params": value.model_dump_json() if value else None},
    "output": lambda value: {"output": os.fsencode(value)},
    "state": lambda value: {"state": str(value)},
    "failure": lambda value: {"failure": json.dumps(dataclasses.asdict(value)) if value else None},
    "rendered": lambda value: {"rendered": _of_rendered(value) if value else None},
    "target": _of_target,
    "home": lambda value: {"home": os.fsencode(value) if value else None},
    "settled": lambda value: {"settled": int(value)},
}
