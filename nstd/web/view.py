"""What the page says, as plain frozen values: no HTML, no file, no server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: for machines, with its zone, and for people, in the server's."""

    iso: str
    text: str


@dataclass(frozen=True, slots=True)
class Banner:
    """Something to know before all else; `bad` is what keeps jobs from being done."""

    kind: Literal["good", "notice", "bad"]
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value, or a number and what it counts."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a job's; `label` is over it, `name` is its file's."""

    role: str
    label: str
    name: str


@dataclass(frozen=True, slots=True)
class Running:
    """A job that a worker has, or had when the daemon died.

    Attributes:
        planned: iterations; 0 before there is one.
        left: what is left of the time; empty if that isn't known.
        note: what it is at, where nothing is known of its iterations.
        snapshot: what tells its newest picture from an earlier one; empty if there is none.
    """

    job_id: str
    name: str
    since: Moment
    inputs: tuple[Picture, ...]
    more: int
    device: str
    done: int
    planned: int
    left: str
    note: str
    snapshot: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A job that waits or has failed, or a sidecar that is incomplete, and why."""

    key: str
    name: str
    when: Moment | None
    why: str


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that is done.

    Attributes:
        inputs: content and styles.
        more: styles that are not among them.
        summary: what matters most, in few words each.
        facts: the rest.
    """

    job_id: str
    name: str
    when: Moment
    inputs: tuple[Picture, ...]
    more: int
    result: Picture
    summary: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A device and how it is."""

    name: str
    engine: str
    condition: str
    jobs: int
    trouble: str


@dataclass(frozen=True, slots=True)
class View:
    """The page at one moment.

    Attributes:
        title: the document's, which a browser's tab shows.
        is_known: something could be seen; if not, only the title and the banners mean anything.
        news: the latest outcome; it changes only when there is another one.
        last_hour: what came to an outcome.
    """

    title: str
    banners: tuple[Banner, ...]
    is_known: bool = True
    numbers: tuple[Fact, ...] = ()
    news: str = ""
    running: tuple[Running, ...] = ()
    waiting: tuple[Listed, ...] = ()
    waiting_more: int = 0
    incomplete: tuple[Listed, ...] = ()
    incomplete_more: int = 0
    finished: tuple[Finished, ...] = ()
    failed: tuple[Listed, ...] = ()
    failed_more: int = 0
    devices: tuple[Condition, ...] = ()
    last_hour: tuple[Fact, ...] = ()
