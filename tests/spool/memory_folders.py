"""What a spool in memory is made of: folders as dictionaries, and what each step does to them.

The folders map names to versions of files. Each effect mirrors one of `nstd.spool.steps`, and
`_tick` stands wherever a crash, or another hand in the folders, can come between two of them.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstd.domain import FileIdentity
from nstd.entry import Entry, Fate, Input, State, Target
from nstd.spool.decide import Do, Original, Seen, Where

if TYPE_CHECKING:
    from collections.abc import Callable

    from nstd.spool import decide


class Crash(Exception):  # noqa: N818 - it isn't an error of anything's
    """The daemon has died between two effects."""


class Refused(Exception):  # noqa: N818 - as the errors that it stands for, by their consequence
    """A step can't be done; the reason says what that means for the job."""


@dataclass(frozen=True)
class Wish:
    """What a version of a sidecar asks for."""

    images: tuple[str, ...]
    valid: bool = True
    priority: int = 0
    output: str = ""


@dataclass(frozen=True)
class Made:
    """A file that nstd made: a result, a manifest, or a reason; `content` stands for its bytes."""

    kind: str
    job_id: str
    content: tuple[int, ...] = ()
    identity: FileIdentity | None = None


@dataclass
class MemoryFolders:
    """Folders, ledger, and the steps that change them.

    Attributes:
        inbox, claimed, aside, work, results, outbox, done, failed: name -> what lies there.
        ledger: job id -> entry.
        fuse: effects until the daemon dies; None for never.
        meanwhile: number of the effect -> what somebody else does just before it.
        ambush: step -> whether its owner replaces, or else takes away, the file that the next
            such step is about to touch, after it was looked at; before a step that gives a name,
            somebody takes that.
        withdrawn: versions whose owners took them away themselves.
        deleted: versions that were deleted as `originals: delete` asks.
        copies: versions that nstd made -> what they are copies of.
        complete: sidecars that had all their images while the daemon was between two turns ->
            those images, and the jobs of before.
        returned: versions that were moved back from failed/ -> the jobs of before.
    """

    originals: decide.Originals = "archive"
    on_conflict: str = "suffix"
    inbox: dict[str, FileIdentity] = field(default_factory=dict)
    cancels: dict[str, int] = field(default_factory=dict)
    claimed: dict[tuple[str, str], FileIdentity] = field(default_factory=dict)
    aside: dict[tuple[str, str], FileIdentity] = field(default_factory=dict)
    work: dict[str, dict[str, FileIdentity]] = field(default_factory=dict)
    results: dict[str, tuple[int, ...]] = field(default_factory=dict)
    outbox: dict[str, Made | str] = field(default_factory=dict)
    done: dict[str, FileIdentity] = field(default_factory=dict)
    failed: dict[str, FileIdentity | Made] = field(default_factory=dict)
    ledger: dict[str, Entry] = field(default_factory=dict)
    wishes: dict[int, Wish] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    withdrawn: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    copies: dict[int, int] = field(default_factory=dict)
    complete: dict[int, tuple[set[int], set[str]]] = field(default_factory=dict)
    returned: dict[int, set[str]] = field(default_factory=dict)
    fuse: int | None = None
    meanwhile: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    ambush: dict[Do, bool] = field(default_factory=dict)
    now: float = 1000.0
    # What the daemon forgets when it dies.
    running: str = ""
    is_cancelled: bool = False
    wanted: frozenset[str] = frozenset()
    scanned_at: float = -math.inf
    published_at: dict[str, float] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)
    _serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def new_version(self) -> FileIdentity:
        """A version of a file that nobody has seen."""
        number = next(self._serial)
        return FileIdentity(1, number, 10, number)

    # -- looking -----------------------------------------------------------------------------

    def _look(self, entry: Entry) -> Seen:
        match entry.state:
            case State.CLAIMED:
                copies = self.work.get(entry.job_id, {})
                token = (entry.job_id, entry.sidecar) in self.claimed
                return Seen(token=token, copies=all(one.copy in copies for one in entry.inputs))
            case State.RENDERED:
                return self._look_at_result(entry)
            case _:
                return Seen(
                    offered=self.inbox.get(entry.sidecar) == entry.identity,
                    token=(entry.job_id, entry.sidecar) in self.claimed,
                    may_file=self._may_file(entry),
                    originals=tuple(self._original(entry, one) for one in entry.inputs),
                )

    def _look_at_result(self, entry: Entry) -> Seen:
        assert entry.rendered is not None
        result = entry.job_id in self.results
        if entry.target is None:
            return Seen(result=result)
        target = entry.target
        staged, final = self.outbox.get(str(target.staged)), self.outbox.get(str(target.final))
        placed = isinstance(final, Made) and (
            final.identity == target.identity
            or (staged is None and str(final.content) == entry.rendered.sha256)
        )
        manifest = self.outbox.get(str(target.manifest))
        return Seen(
            result=result,
            staged=not placed and isinstance(staged, Made) and staged.identity == target.identity,
            placed=placed,
            manifest=isinstance(manifest, Made) and manifest.job_id == entry.job_id,
        )

    def _original(self, entry: Entry, one: Input) -> Original:
        if one.fate is not Fate.PENDING:
            return Original(Where.GONE)
        name = str(one.source.relative)
        aside = self.aside.get((entry.job_id, name))
        if aside is not None:
            return Original(Where.ASIDE if aside == one.identity else Where.OTHER_ASIDE)
        if one.identity is None or self.inbox.get(name) != one.identity:
            return Original(Where.GONE)
        return Original(Where.THERE, self._is_wanted(entry, one), name in self.wanted)

    def _is_wanted(self, entry: Entry, one: Input) -> bool:
        return any(
            other.fate is Fate.PENDING
            and other.source.relative == one.source.relative
            and (e.state is State.QUEUED or other.identity == one.identity)
            for e in self.ledger.values()
            if e.job_id != entry.job_id and not e.settled
            for other in e.inputs
        )

    def _may_file(self, entry: Entry) -> bool:
        published = self.published_at.get(entry.job_id)
        if published is None:
            return self.scanned_at > -math.inf
        return self.scanned_at >= published + 1.0

    def _perform(self, entry: Entry, step: decide.Step) -> Entry | None:
        name = "give_back_input" if step.do is Do.GIVE_BACK else str(step.do)
        does = getattr(self, f"_{name}")
        return does(entry) if step.index < 0 else does(entry, step.index)  # type: ignore[no-any-return]

    def _take(self, entry: Entry) -> Entry | None:
        if entry.sidecar not in self.inbox:
            return self._forget(entry)
        token = self.inbox.pop(entry.sidecar)
        self._add(self.claimed, (entry.job_id, entry.sidecar), token)
        self._tick()
        if token != entry.identity:
            self._give_back(entry)
            return None
        return entry

    def _forget(self, entry: Entry) -> None:
        self._clean_up(entry.job_id)
        self._tick()
        del self.ledger[entry.job_id]

    def _give_back(self, entry: Entry) -> None:
        if (entry.job_id, entry.sidecar) in self.claimed:
            self._put_back(self.claimed, (entry.job_id, entry.sidecar))
            self._tick()
            self.wanted |= {str(one.source.relative) for one in entry.inputs}
        self._forget(entry)

    def _copy(self, entry: Entry) -> Entry:
        inputs = []
        for index, one in enumerate(entry.inputs):
            version = self.inbox.get(str(one.source.relative))
            if version is None:
                raise Refused("missing_input")
            name = f"input-{index}"
            self.work.setdefault(entry.job_id, {})[name] = version
            self._tick()
            if self.inbox.get(str(one.source.relative)) != version:
                raise Refused("changed")
            inputs.append(dataclasses.replace(one, identity=version, copy=name))
        after = self._advance(entry, state=State.CLAIMED, inputs=tuple(inputs), hold="")
        self._tick()
        return after

    def _render_again(self, entry: Entry) -> Entry:
        return self._advance(entry, state=State.CLAIMED, rendered=None, target=None)

    def _stage(self, entry: Entry) -> Entry:
        staged = f".{entry.job_id}.tmp"
        made = Made("result", entry.job_id, self.results[entry.job_id], self.new_version())
        self.outbox[staged] = made
        self._tick()
        try:
            final, manifest = self._free_names(entry)
        except Refused:
            del self.outbox[staged]
            raise
        target = Target(Path(staged), made.identity, Path(final), Path(manifest))
        after = self._advance(entry, target=target)
        self._tick()
        return after

    def _place(self, entry: Entry) -> Entry:
        assert entry.target is not None
        if str(entry.target.final) in self.outbox:
            return self._rename_target(entry, entry.target)
        self._rename(self.outbox, str(entry.target.staged), self.outbox, str(entry.target.final))
        self._tick()
        return entry

    def _tell(self, entry: Entry) -> Entry:
        assert entry.target is not None
        written, name = f".{entry.job_id}.json.tmp", str(entry.target.manifest)
        self.outbox[written] = Made("manifest", entry.job_id)
        self._tick()
        if name in self.outbox:
            del self.outbox[written]
            self._tick()
            target = entry.target
            self._rename(self.outbox, str(target.final), self.outbox, str(target.staged))
            self._tick()
            return self._rename_target(entry, target)
        self._rename(self.outbox, written, self.outbox, name)
        self._tick()
        return entry

    def _confirm(self, entry: Entry) -> Entry:
        after = self._advance(entry, state=State.PUBLISHED, hold="")
        self.published_at[entry.job_id] = self.now
        self._tick()
        return after

    def _house(self, entry: Entry) -> Entry:
        return self._advance(entry, home=self._home(entry, self.done, []))

    def _explain(self, entry: Entry) -> Entry:
        if entry.target is not None:
            self.outbox.pop(str(entry.target.staged), None)
        self._tick()
        reason = f"{entry.sidecar}.reason"
        home = self._home(entry, self.failed, [reason])
        place = str(home / reason)
        if place not in self.failed:
            self.failed[place] = Made("reason", entry.job_id)
        self._tick()
        after = self._advance(entry, home=home)
        self._tick()
        return after

    def _set_aside(self, entry: Entry, index: int) -> Entry:
        name = str(entry.inputs[index].source.relative)
        if name in self.inbox:
            self._rename(self.inbox, name, self.aside, (entry.job_id, name))
            self._tick()
        return entry

    def _give_back_input(self, entry: Entry, index: int) -> Entry:
        self._put_back(self.aside, (entry.job_id, str(entry.inputs[index].source.relative)))
        self._tick()
        return self._fated(entry, index, Fate.GONE)

    def _file(self, entry: Entry, index: int) -> Entry:
        name = str(entry.inputs[index].source.relative)
        self._move_home(entry, self.aside, (entry.job_id, name), name)
        self._tick()
        return self._fated(entry, index, Fate.FILED)

    def _copy_out(self, entry: Entry, index: int) -> Entry:
        assert entry.home is not None
        name = str(entry.inputs[index].source.relative)
        target = str(entry.home / name)
        if name not in self.inbox:
            raise Refused("gone")
        if target not in self.failed:
            copied = self.new_version()
            self.failed[target] = copied
            self.copies[copied.inode] = self.inbox[name].inode
        self._tick()
        return self._fated(entry, index, Fate.FILED)

    def _delete(self, entry: Entry, index: int = -1) -> Entry:
        if index < 0:
            self.deleted.add(self.claimed.pop((entry.job_id, entry.sidecar)).inode)
            self._tick()
            return entry
        name = str(entry.inputs[index].source.relative)
        self.deleted.add(self.aside.pop((entry.job_id, name)).inode)
        self._tick()
        return self._fated(entry, index, Fate.DELETED)

    def _leave(self, entry: Entry, index: int) -> Entry:
        return self._fated(entry, index, Fate.LEFT)

    def _lose(self, entry: Entry, index: int) -> Entry:
        return self._fated(entry, index, Fate.GONE)

    def _file_token(self, entry: Entry) -> Entry:
        self._move_home(entry, self.claimed, (entry.job_id, entry.sidecar), entry.sidecar)
        self._tick()
        return entry

    def _settle(self, entry: Entry) -> Entry:
        self._clean_up(entry.job_id)
        self._tick()
        state = State.RETIRED if entry.state is State.PUBLISHED else entry.state
        return self._advance(entry, state=state, settled=True, hold="")

    # -- folders -----------------------------------------------------------------------------

    def _tick(self) -> None:
        """A moment between two effects."""
        self.meanwhile = [(left - 1, act) for left, act in self.meanwhile]
        due = [act for left, act in self.meanwhile if left < 0]
        self.meanwhile = [one for one in self.meanwhile if one[0] >= 0]
        for act in due:
            act()
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                raise Crash

    def _unsettled(self, *states: State) -> list[Entry]:
        found = [e for e in self.ledger.values() if not e.settled and e.state in states]
        return sorted(found, key=lambda e: (-e.priority, e.identity.mtime_ns, e.job_id))

    def _is_known(self, job_id: str) -> bool:
        return job_id in self.ledger and not self.ledger[job_id].settled

    def _advance(self, entry: Entry, **changes: Any) -> Entry:
        """Only what changes is written: the caller's entry may be older than the row."""
        self.ledger[entry.job_id] = dataclasses.replace(self.ledger[entry.job_id], **changes)
        return dataclasses.replace(entry, **changes)

    def _fated(self, entry: Entry, index: int, fate: Fate) -> Entry:
        inputs = list(entry.inputs)
        inputs[index] = dataclasses.replace(inputs[index], fate=fate)
        return self._advance(entry, inputs=tuple(inputs))

    def _free_names(self, entry: Entry) -> tuple[str, str]:
        for number in itertools.count(1):
            stem = entry.output if number == 1 else f"{entry.output}-{number}"
            final, manifest = f"{stem}.png", f"{stem}.json"
            if final not in self.outbox and manifest not in self.outbox:
                return final, manifest
            if self.on_conflict == "fail":
                break
        raise Refused("name_taken")

    def _rename_target(self, entry: Entry, target: Target) -> Entry:
        final, manifest = self._free_names(entry)
        return self._advance(
            entry, target=dataclasses.replace(target, final=Path(final), manifest=Path(manifest))
        )

    def _home(self, entry: Entry, root: dict[str, Any], extra: list[str]) -> Path:
        names = [
            str(one.source.relative)
            for one in entry.inputs
            if one.fate is Fate.PENDING
            and (
                (entry.job_id, str(one.source.relative)) in self.aside
                or str(one.source.relative) in self.inbox
            )
        ] + [entry.sidecar, *extra]
        begun = any(
            isinstance(root.get(name), Made) and root[name].job_id == entry.job_id for name in extra
        )
        taken = not begun and any(name in root for name in names)
        own = any(place.startswith(f"{entry.job_id}/") for place in root)
        return Path(entry.job_id) if taken or own else Path()

    def _move_home(
        self, entry: Entry, folder: dict[tuple[str, str], Any], key: tuple[str, str], name: str
    ) -> None:
        assert entry.home is not None
        root: dict[str, Any] = self.done if entry.state is State.PUBLISHED else self.failed
        target = str(entry.home / name)
        if target in root:
            target = str(entry.home / f"{name}.{entry.job_id}")
        self._rename(folder, key, root, target)

    def _put_back(self, folder: dict[tuple[str, str], Any], key: tuple[str, str]) -> None:
        job_id, name = key
        stem, _, suffix = name.rpartition(".")
        target = name if name not in self.inbox else f"{stem}.{job_id}.{suffix}"
        self._rename(folder, key, self.inbox, target)

    def _clean_up(self, job_id: str) -> None:
        self.work.pop(job_id, None)
        self.results.pop(job_id, None)

    def _rename(
        self, source: dict[Any, Any], name: object, target: dict[Any, Any], new: object
    ) -> None:
        self._add(target, new, source[name])
        del source[name]

    @staticmethod
    def _add(folder: dict[Any, Any], name: object, what: object) -> None:
        assert name not in folder, f"{name} would be overwritten"
        folder[name] = what
