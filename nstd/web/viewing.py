"""Make the page's view of what was seen; nothing comes in that the page keeps to itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from nstd import names
from nstd.durations import duration
from nstd.entry import State
from nstd.web import painted, pictures
from nstd.web.view import Banner, Condition, Fact, Finished, Listed, Moment, Picture, Running, View

if TYPE_CHECKING:
    from nstd.entry import Entry
    from nstd.errors import NstdError
    from nstd.overview import Overview
    from nstd.spool.history import Record
    from nstd.spool.nowfile import Device
    from nstd.web.discretion import Discretion
    from nstd.web.lookout import Seen

_NEXT: Final = 6  # waiting jobs that are named
_INCOMPLETE: Final = 6
_STYLES: Final = 4  # of a blend, that are shown


def of(seen: Seen, discretion: Discretion) -> View:
    """The page for what was seen."""
    known = seen.overview
    now = known.now
    reasons = list(now.incomplete.items()) if now else []
    failed = known.counts.get(State.FAILED, 0)
    return View(
        title=_title(known),
        banners=_banners(known, discretion),
        numbers=(
            Fact("running", str(len(known.running))),
            Fact("waiting", str(known.number_waiting)),
            Fact("done", str(known.number_done)),
            Fact("failed", str(failed)),
        ),
        news=_news(known),
        running=tuple(_running(seen, one) for one in known.running),
        waiting=tuple(_listed(one, one.came, discretion) for one in known.waiting[:_NEXT]),
        waiting_more=max(0, known.number_waiting - _NEXT),
        incomplete=tuple(
            Listed(names.shown(path), names.shown(path), None, discretion.text(why))
            for path, why in reasons[:_INCOMPLETE]
        ),
        incomplete_more=max(0, len(reasons) - _INCOMPLETE),
        finished=tuple(
            _finished(one, seen.entries[one.job_id])
            for one in known.done
            if one.job_id in seen.entries
        ),
        failed=tuple(_listed(one, one.at, discretion) for one in known.failed),
        failed_more=max(0, failed - len(known.failed)),
        devices=tuple(map(_condition, now.devices)) if now else (),
        last_hour=(
            Fact("done", str(known.last_hour.get(State.PUBLISHED, 0))),
            Fact("failed", str(known.last_hour.get(State.FAILED, 0))),
            Fact("cancelled", str(known.last_hour.get(State.CANCELLED, 0))),
        ),
    )


def trouble(error: NstdError, discretion: Discretion) -> View:
    """The page when nothing can be seen; the error's file is left out, which is the server's."""
    what = discretion.text(error.what)
    banner = Banner("bad", "Nothing can be seen", f"{what}.")
    return View("nstd can't be seen", (banner,), is_known=False)


def _title(known: Overview) -> str:
    if not known.runs:
        return "stopped - nstd"
    return f"{len(known.running)} running, {known.number_waiting} waiting - nstd"


def _banners(known: Overview, discretion: Discretion) -> tuple[Banner, ...]:
    found = []
    if not known.runs:
        is_left = known.number_waiting or known.running
        text = "Its jobs go on when it starts." if is_left else ""
        found.append(Banner("bad", "nstd is not running", text))
    if known.is_paused:
        text = "What runs ends; nothing new begins until somebody says nstd resume."
        found.append(Banner("notice", "Paused", text))
    if known.held and not known.is_paused:
        found.append(Banner("bad", "Held", f"{discretion.text(known.held)}."))
    if known.runs and known.now and not found:
        found.append(Banner("good", "nstd is running", f"Version {names.shown(known.now.version)}"))
    elif known.runs and not found:
        found.append(Banner("notice", "nstd is starting"))
    return tuple(found)


def _news(known: Overview) -> str:
    latest = max([*known.done[:1], *known.failed[:1]], key=lambda one: one.at, default=None)
    if latest is None:
        return ""
    outcome = "has failed" if latest.state is State.FAILED else "is done"
    return f"{names.shown(latest.name)} {outcome}"


def _running(seen: Seen, record: Record) -> Running:
    progress = seen.overview.progress(record)
    inputs, more = _inputs(seen.entries.get(record.job_id))
    note = "begins" if seen.overview.runs else "was stopped; it goes on at the next start"
    left = progress.seconds_left if progress and progress.done else None
    return Running(
        record.job_id,
        names.shown(record.name),
        _moment(record.at),
        inputs,
        more,
        device=names.shown(progress.device) if progress else "",
        done=progress.done if progress else 0,
        planned=progress.planned if progress else 0,
        left="" if left is None else f"about {duration(left)} left",
        note="" if progress else note,
        snapshot=seen.snapshots.get(record.job_id, ""),
    )


def _listed(record: Record, when: float, discretion: Discretion) -> Listed:
    why = discretion.text(record.reason)
    return Listed(record.job_id, names.shown(record.name), _moment(when), why)


def _finished(record: Record, entry: Entry) -> Finished:
    inputs, more = _inputs(entry)
    final = entry.target.final.name if entry.target else ""
    return Finished(
        entry.job_id,
        names.shown(record.name),
        _moment(record.at),
        inputs,
        more,
        Picture(pictures.RESULT, "Result", names.shown(final)),
        tuple(painted.summary(entry)),
        tuple(painted.facts(entry)),
    )


def _inputs(entry: Entry | None) -> tuple[tuple[Picture, ...], int]:
    """Content and styles, and how many styles are not among them."""
    inputs = entry.inputs if entry else ()
    styles = [one for one in inputs if one.source.role == "style"]
    shown = [("content", "Content", one) for one in inputs if one.source.role == "content"]
    for number, one in enumerate(styles[:_STYLES], 1):
        label = "Style" if len(styles) == 1 else f"Style {number}"
        shown.append((pictures.style_role(number), label, one))
    return (
        tuple(
            Picture(role, label, names.shown(one.source.relative.name))
            for role, label, one in shown
        ),
        max(0, len(styles) - _STYLES),
    )


def _condition(device: Device) -> Condition:
    deaths = f"{device.deaths} workers died" if device.deaths else ""
    return Condition(
        names.shown(device.name), names.shown(device.what), device.condition, device.jobs, deaths
    )


def _moment(seconds: float) -> Moment:
    return Moment(
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)),
        time.strftime("%-d %b %Y, %H:%M %Z", time.localtime(seconds)),
    )
