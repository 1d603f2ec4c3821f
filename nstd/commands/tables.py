"""What the reading commands show at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from nstd import names
from nstd.durations import duration
from nstd.entry import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from rich.console import RenderableType

    from nstd.overview import Overview
    from nstd.spool.history import Record
    from nstd.spool.nowfile import Device

_STYLES = {State.RUNNING: "cyan", State.FAILED: "red", State.CANCELLED: "yellow"}
_DONE = "green"
_INCOMPLETE = 5  # sidecars that are named


def status(seen: Overview) -> RenderableType:
    """An overview."""
    parts: list[RenderableType] = [_daemon(seen), _numbers(seen)]
    now = seen.now
    if seen.running:
        age = f", as of {duration(seen.moment - now.written_at)} ago" if now else ""
        parts += _section(f"Running{age}", _running(seen))
    if seen.waiting:
        parts += _section("Next", _jobs(seen.moment, seen.waiting, "waits", "why"))
    if now and now.incomplete:
        parts += _section("Incomplete, in the inbox", _incomplete(now.incomplete))
    if seen.done:
        parts += _section("Last done", _jobs(seen.moment, seen.done, "ago", "result"))
    if seen.failed:
        parts += _section("In failed/", _jobs(seen.moment, seen.failed, "ago", "why"))
        if (more := seen.counts.get(State.FAILED, 0) - len(seen.failed)) > 0:
            parts.append(Text(f"and {more:,} more: nstd history --state failed", "dim"))
    if now and now.devices:
        parts += _section("Devices", _devices(now.devices))
    return Group(*parts)


def history(records: Sequence[Record], moment: float) -> RenderableType:
    """Jobs, one a row, as of a moment."""
    rows = _table(
        Column("job", no_wrap=True),
        Column("name", overflow="fold"),
        "state",
        Column("since", no_wrap=True),
        Column("result, or why", overflow="fold"),
    )
    for record in records:
        rows.add_row(
            Text(record.job_id),
            _name(record),
            Text(record.state, _style(record)),
            Text(duration(moment - record.at)),
            Text(names.shown(record.result or record.reason)),
        )
    return rows


def _daemon(seen: Overview) -> Text:
    line = Text()
    if not seen.runs:
        line.append("nstd is not running", "bold yellow")
        if seen.number_waiting or seen.running:
            line.append("; its jobs go on when it starts")
    else:
        line.append("nstd is running", "bold green")
        if seen.now:
            line.append(f" (pid {seen.now.pid}, for {duration(seen.moment - seen.now.started_at)})")
    if seen.is_paused:
        line.append("\npaused: no job is begun until `nstd resume`", "bold yellow")
    if seen.held:
        line.append(f"\nheld: {names.shown(seen.held)}", "bold yellow")
    return line


def _numbers(seen: Overview) -> Text:
    waiting = f"{seen.number_waiting} waiting"
    if seen.oldest is not None:
        waiting += f" (the oldest for {duration(seen.moment - seen.oldest)})"
    done, failed = seen.last_hour.get(State.PUBLISHED, 0), seen.last_hour.get(State.FAILED, 0)
    cancelled = seen.counts.get(State.CANCELLED, 0)
    parts = [
        waiting,
        f"{len(seen.running)} running",
        f"{seen.number_done} done",
        f"{seen.counts.get(State.FAILED, 0)} failed",
        *([f"{cancelled} cancelled"] if cancelled else []),
    ]
    return Text(f"{', '.join(parts)}\nlast hour: {done} done, {failed} failed")


def _section(title: str, rows: Table) -> list[RenderableType]:
    return [Text(f"\n{title}", "bold"), rows]


def _running(seen: Overview) -> Table:
    rows = _table(
        Column("name", overflow="fold", ratio=2),
        "device",
        Column("", ratio=1, min_width=8),
        "iterations",
        "left",
    )
    for record in seen.running:
        progress = seen.progress(record)
        if progress is None:
            at = "begins" if seen.runs else "was stopped"
            rows.add_row(_name(record), "", "", Text(at), "")
            continue
        rows.add_row(
            _name(record),
            Text(progress.device),
            ProgressBar(progress.planned, progress.done),
            Text(f"{progress.done} of {progress.planned}"),
            Text(duration(progress.seconds_left)),
        )
    rows.expand = True
    return rows


def _jobs(
    moment: float,
    records: Sequence[Record],
    when: Literal["waits", "ago"],
    what: Literal["result", "why"],
) -> Table:
    rows = _table(
        Column("job", no_wrap=True),
        Column("name", overflow="fold"),
        Column(when, no_wrap=True),
        Column(what, overflow="fold"),
    )
    for record in records:
        since = record.came if when == "waits" else record.at
        told = record.result if what == "result" else record.reason
        rows.add_row(
            Text(record.job_id),
            _name(record),
            Text(duration(moment - since)),
            Text(names.shown(told or "")),
        )
    return rows


def _incomplete(reasons: Mapping[str, str]) -> Table:
    rows = _table(Column("sidecar", overflow="fold"), Column("waits for", overflow="fold"))
    for path, reason in list(reasons.items())[:_INCOMPLETE]:
        rows.add_row(Text(names.shown(path)), Text(names.shown(reason)))
    if len(reasons) > _INCOMPLETE:
        rows.add_row(Text(f"and {len(reasons) - _INCOMPLETE} more"), "")
    return rows


def _devices(devices: Sequence[Device]) -> Table:
    rows = _table("device", "state", Column("jobs", justify="right"), "engine")
    colors = {"resting": "red", "starting": "yellow"}
    for device in devices:
        words = Text(device.condition, colors.get(device.condition, _DONE))
        if device.deaths:
            words.append(f", {device.deaths} deaths", "red")
        rows.add_row(Text(device.name), words, Text(str(device.jobs)), Text(device.what))
    return rows


def _table(*columns: Column | str) -> Table:
    return Table(*columns, box=None, pad_edge=False, header_style="dim")


def _name(record: Record) -> Text:
    return Text(names.shown(record.name))


def _style(record: Record) -> str:
    if record.state in {State.PUBLISHED, State.RETIRED}:
        return _DONE
    return _STYLES.get(record.state, "")
