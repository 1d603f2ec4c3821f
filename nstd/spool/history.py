"""What became of jobs: rows of the ledger cut down to what is told of them."""

from __future__ import annotations

import calendar
import fnmatch
import itertools
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstd.entry import State

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from nstd.spool.queries import Queries

# `at` is of the last thing that happened, which the index gives without reading the row.
_AT = "(SELECT max(at) FROM transitions WHERE job_id = jobs.job_id)"
_COLUMNS = f"""
job_id, folder, sidecar, state, settled, hold, attempts, final, home, {_AT} AS at,
json_extract(params, '$.preset') AS preset,
json_extract(failure, '$.code') AS code,
json_extract(failure, '$.message') AS message
"""


@dataclass(frozen=True, slots=True)
class Record:
    """A job, as it is told of.

    Attributes:
        came: when it was admitted, in seconds since the epoch.
        at: when the last thing happened to it; likewise.
        settled: nothing is left to do.
        preset: empty for a sidecar that could not be understood.
        code: of its failure; empty if there is none.
        reason: why it failed, or what it waits for; empty if neither.
        result: where that is; None before it is published.
        home: the folder where its originals are; None if that isn't decided, or they aren't there
            any more.
    """

    job_id: str
    name: str
    state: State
    came: float
    at: float
    settled: bool
    preset: str
    code: str
    reason: str
    result: Path | None
    home: Path | None


def plain(record: Record) -> dict[str, Any]:
    """The record as JSON knows values."""
    return {
        "job_id": record.job_id,
        "name": record.name,
        "state": str(record.state),
        "came": record.came,
        "at": record.at,
        "settled": record.settled,
        "preset": record.preset or None,
        "code": record.code or None,
        "reason": record.reason or None,
        "result": str(record.result) if record.result else None,
    }


def records(
    queries: Queries,
    *,
    states: Sequence[State] = (),
    since: float | None = None,
    pattern: str | None = None,
) -> Iterator[Record]:
    """Jobs, newest first, as they are read.

    Args:
        queries: of the ledger.
        states: that they are in; none: any.
        since: something happened to them since; seconds since the epoch.
        pattern: of their names, as shells know them; also fits what stands after the last slash.
    """
    conditions, values = ["TRUE"], list[Any]()
    if states:
        conditions.append(f"state IN ({', '.join('?' * len(states))})")
        values += map(str, states)
    if since is not None:
        conditions.append(f"{_AT} >= ?")
        values.append(since)
    where = " AND ".join(conditions)
    if pattern is None:
        query = f"SELECT {_COLUMNS} FROM jobs WHERE {where} ORDER BY job_id DESC"
        yield from map(_record, queries.select(query, values))
        return
    fits = re.compile(fnmatch.translate(pattern)).match
    # Unless states are asked for, an index has all of it; a row takes kilobytes.
    query = f"SELECT job_id, folder, sidecar FROM jobs WHERE {where} ORDER BY job_id DESC"
    for row in queries.select(query, values):
        name = _name(row)
        if fits(name) or fits(name.rpartition("/")[2]):
            yield from of_ids(queries, [row["job_id"]])


def of_ids(queries: Queries, ids: Sequence[str]) -> list[Record]:
    """The jobs with these ids, in their order; those that aren't there are left out."""
    marks = ", ".join("?" * len(ids))
    found = queries.select(f"SELECT {_COLUMNS} FROM jobs WHERE job_id IN ({marks})", ids)
    known = {row["job_id"]: _record(row) for row in found}
    return [known[one] for one in ids if one in known]


def matching(queries: Queries, text: str) -> list[Record]:
    """The jobs that a user may mean: by id, by the beginning of one, or by name."""
    # GLOB would take the text for a pattern.
    ids = queries.select(
        "SELECT job_id FROM jobs WHERE job_id >= ? AND substr(job_id, 1, ?) = ? ORDER BY job_id",
        [text, len(text), text],
    )
    found = [str(row["job_id"]) for row in ids] if text else []
    if found:
        return of_ids(queries, found)
    rows = queries.select("SELECT job_id, folder, sidecar FROM jobs ORDER BY job_id")
    return of_ids(queries, [str(row["job_id"]) for row in rows if _name(row) == text])


def first_since(queries: Queries, name: str, moment: float) -> Record | None:
    """The first job of this name that was admitted since a moment."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(moment))
    rows = queries.select(
        "SELECT job_id, folder, sidecar FROM jobs WHERE job_id >= ? ORDER BY job_id", [stamp]
    )
    found = (str(row["job_id"]) for row in rows if _name(row) == name)
    return next(iter(of_ids(queries, list(itertools.islice(found, 1)))), None)


def last_done(queries: Queries, count: int) -> list[Record]:
    """The jobs that were published last, the latest first."""
    found = queries.select(
        "SELECT job_id FROM transitions WHERE state = ? ORDER BY rowid DESC LIMIT ?",
        [str(State.PUBLISHED), count],
    )
    return of_ids(queries, list(dict.fromkeys(str(row["job_id"]) for row in found)))


def last_failed(queries: Queries, count: int) -> list[Record]:
    """The newest failed jobs whose files are in failed/, or on the way there."""
    found = queries.select(
        f"SELECT {_COLUMNS} FROM jobs WHERE state = ? AND (home IS NOT NULL OR NOT settled) "
        "ORDER BY job_id DESC LIMIT ?",
        [str(State.FAILED), count],
    )
    return [_record(row) for row in found]


def oldest_waiting(queries: Queries) -> float | None:
    """When the job that waits longest was admitted, in seconds since the epoch."""
    (row,) = queries.select(
        "SELECT min(job_id) AS job_id FROM jobs WHERE NOT settled AND state IN (?, ?)",
        [str(State.QUEUED), str(State.CLAIMED)],
    )
    return None if row["job_id"] is None else _came(row["job_id"])


def ended_since(queries: Queries, moment: float) -> dict[State, int]:
    """Jobs that came to an outcome since a moment, by outcome."""
    found = queries.select(
        "SELECT state, count(DISTINCT job_id) AS jobs FROM transitions "
        "WHERE rowid >= ? AND at >= ? AND state IN (?, ?, ?) GROUP BY state",
        [
            _first_since(queries, moment),
            moment,
            *map(str, (State.PUBLISHED, State.FAILED, State.CANCELLED)),
        ],
    )
    return {State(row["state"]): row["jobs"] for row in found}


def _first_since(queries: Queries, moment: float) -> int:
    """The first row of the transitions that is not older than a moment.

    They are written in the order of time, so a search by halves does without an index. Where the
    clock was put back, a few are missed or too many.
    """
    # Each by itself is found at once; asked for together, SQLite would read the whole table.
    (ends,) = queries.select(
        "SELECT coalesce((SELECT min(rowid) FROM transitions), 0) AS low, "
        "coalesce((SELECT max(rowid) FROM transitions), 0) AS high"
    )
    low, high = ends["low"], ends["high"] + 1
    while low < high:
        middle = (low + high) // 2
        row = next(
            queries.select(
                "SELECT rowid, at FROM transitions WHERE rowid >= ? ORDER BY rowid LIMIT 1",
                [middle],
            ),
            None,
        )
        if row is None or row["at"] >= moment:
            high = middle
        else:
            low = row["rowid"] + 1
    return int(low)


def _record(row: sqlite3.Row) -> Record:
    return Record(
        row["job_id"],
        _name(row),
        State(row["state"]),
        _came(row["job_id"]),
        row["at"] or _came(row["job_id"]),
        bool(row["settled"]),
        row["preset"] or "",
        row["code"] or "",
        row["message"] or row["hold"],
        _path(row["final"]) if row["state"] in {State.PUBLISHED, State.RETIRED} else None,
        _path(row["home"]),
    )


def _path(stored: bytes | None) -> Path | None:
    return Path(os.fsdecode(stored)) if stored else None


def _name(row: sqlite3.Row) -> str:
    """As `Entry.name`, without the cost of a path for each of many rows."""
    folder, sidecar = os.fsdecode(row["folder"]), os.fsdecode(row["sidecar"])
    stem = os.path.splitext(sidecar)[0]  # noqa: PTH122 - see above
    return stem if folder == "." else f"{folder}/{stem}"


def _came(job_id: str) -> float:
    """When a job was admitted, which its id tells to the second."""
    try:
        return float(calendar.timegm(time.strptime(job_id[:15], "%Y%m%dT%H%M%S")))
    except ValueError:
        return 0.0
