"""`inbox/STATUS.txt`: what the daemon is at, for people who see nothing but the share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from nstd import names, telemetry
from nstd.entry import State
from nstd.errors import CannotWriteError
from nstd.spool import files, layout
from nstd.spool.desk import now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nstd.entry import Entry
    from nstd.spool.desk import Desk
    from nstd.spool.nowfile import Progress

_log = structlog.get_logger()

_PAUSE = 2.0
_NONE: Mapping[Path, str] = {}
_SHOWN = 10
_MINUTE = 60.0


class StatusFile:
    """Keeps the file up to date, by rename and not too often.

    Args:
        desk: of what it tells.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._next = 0.0
        self._told = self._complaint = ""

    def update(
        self,
        running: Sequence[Progress],
        incomplete: Mapping[Path, str],
        held: str,
        unasked: Mapping[Path, str] = _NONE,
    ) -> None:
        """Write the file if it is time and there is something new.

        What the inbox refuses is told in the log: jobs are done all the same.

        Args:
            running: what the workers are at.
            incomplete: sidecars that wait in the inbox, and for what.
            held: why no job is begun; empty if jobs are.
            unasked: files that are nobody's, and what they lack.
        """
        if not self._desk.config.status_file or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PAUSE
        text = self._text(running, incomplete, held, unasked)
        if text == self._told:
            return
        try:
            self._write(text)
        except CannotWriteError as error:
            if str(error) != self._complaint:
                _log.warning(telemetry.STATUS_REFUSED, reason=str(error))
            self._complaint = str(error)
            return
        self._told, self._complaint = text, ""

    def close(self) -> None:
        """Say that nobody is at work.

        Raises:
            CannotWriteError: the inbox refuses.
        """
        if self._desk.config.status_file:
            waiting = self._desk.ledger.count_unsettled()
            self._write(f"nstd is stopped; {_jobs(waiting)} will go on when it starts.\n")

    def _write(self, text: str) -> None:
        written = layout.control(self._desk.config) / f"status{layout.TEMPORARY}"
        target = self._desk.inbox / layout.STATUS_FILE
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now()))
        with files.writing(target):
            # Not synced: after a power cut it is written anew anyway.
            written.write_text(f"{text}\nWritten {stamp}.\n", encoding="utf-8")
            written.replace(target)

    def _text(
        self,
        running: Sequence[Progress],
        incomplete: Mapping[Path, str],
        held: str,
        unasked: Mapping[Path, str],
    ) -> str:
        counts = self._desk.ledger.count()
        waiting = self._desk.ledger.next_up(_SHOWN, float("inf"))
        number = counts.get(State.QUEUED, 0) + counts.get(State.CLAIMED, 0)
        failed = self._desk.ledger.latest(State.FAILED, _SHOWN)
        lines = [f"Held: {names.shown(held)}"] if held else []
        lines += _section(f"Running: {len(running)}", [_progress(one) for one in running])
        lines += _section(f"Waiting: {_jobs(number)}", [_line(entry) for entry in waiting])
        reasons = _reasons(incomplete)
        lines += _section(f"Incomplete: {len(reasons)}", reasons[:_SHOWN])
        if unasked:
            lines += _section("Not asked for:", _reasons(unasked)[:_SHOWN])
        lines += _section(f"Failed: {counts.get(State.FAILED, 0)}", [_line(e) for e in failed])
        lines.append(f"Done: {counts.get(State.PUBLISHED, 0) + counts.get(State.RETIRED, 0)}")
        return "\n".join(lines) + "\n"


def line(desk: Desk, running: Sequence[Progress], held: str) -> str:
    """The same in one line, for a service manager.

    Args:
        desk: of what it tells.
        running: what the workers are at.
        held: why no job is begun; empty if jobs are.
    """
    counts = desk.ledger.count()
    waiting = counts.get(State.QUEUED, 0) + counts.get(State.CLAIMED, 0)
    if running:
        doing = ", ".join(_progress(one) for one in running)
    elif counts.get(State.RUNNING, 0):
        doing = "a job begins"
    else:
        doing = "idle"
    parts = [f"held: {names.shown(held)}"] if held else []
    return "; ".join([*parts, doing, f"{_jobs(waiting)} waiting"])


def _reasons(found: Mapping[Path, str]) -> list[str]:
    return [f"{names.shown(path)}: {names.shown(why)}" for path, why in found.items()]


def _section(title: str, rows: list[str]) -> list[str]:
    return [title, *(f"  {row}" for row in rows)]


def _line(entry: Entry) -> str:
    why = entry.failure.message if entry.failure else entry.hold
    return names.shown(entry.name) + (f": {names.shown(why)}" if why else "")


def _progress(running: Progress) -> str:
    left = running.seconds_left
    time_left = f"{left / _MINUTE:.0f} min" if left >= 2 * _MINUTE else f"{left:.0f} s"
    return (
        f"{names.shown(running.name)} on {running.device}: {running.done} of {running.planned} "
        f"iterations, about {time_left} left"
    )


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number} jobs"
