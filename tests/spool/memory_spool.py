"""A spool in memory: users and a daemon that takes the same decisions as the real one.

Decisions and entries are the real ones; only what they are carried out on is not.
"""

from __future__ import annotations

import math
from pathlib import Path

from memory_folders import MemoryFolders, Refused, Wish

from nstd.domain import Failure, FileIdentity, Rendered
from nstd.entry import Entry, Input, Source, State
from nstd.errors import Disposition
from nstd.spool import decide
from nstd.spool.decide import Do

INBOX = Path("inbox")
# More steps than any job needs between two rests.
ENOUGH = 60
PATIENCE = decide.Patience(attempts=3, crashes=4, backoff=1.0, longest=8.0, pause=1.0)
_ENDING = {State.RENDERED, State.PUBLISHED, State.FAILED, State.CANCELLED}


class MemorySpool(MemoryFolders):
    """Users, the daemon's turns, and its worker, on folders in memory."""

    # -- what users do -----------------------------------------------------------------------

    def drop(self, name: str, wish: Wish | None = None) -> None:
        """Write a file into the inbox, over its earlier version if there is one."""
        self.take_away(name)
        self.inbox[name] = self.new_version()
        self.dropped.add(self.inbox[name].inode)
        if wish is not None:
            self.wishes[self.inbox[name].inode] = wish

    def note_complete(self) -> None:
        """Remember which sidecars have their images now: nobody but their owners may change it."""
        for name, version in self.inbox.items():
            wish = self.wishes.get(version.inode)
            if name.endswith(".yaml") and wish and set(wish.images) <= self.inbox.keys():
                images = {self.inbox[image].inode for image in wish.images}
                self.complete[version.inode] = images, set(self.ledger)

    def take_away(self, name: str) -> None:
        """Delete a file from the inbox."""
        gone = self.inbox.pop(name, None)
        if gone is not None:
            self.withdrawn.add(gone.inode)

    def occupy(self, name: str) -> None:
        """Put a file of one's own into the outbox, if the name is free."""
        self.outbox.setdefault(name, "somebody's")

    def cancel(self, stem: str) -> None:
        """Drop NAME.cancel."""
        self.cancels[stem] = 0

    def resubmit(self) -> None:
        """Move everything of failed/ whose name is free back to the inbox."""
        for place, version in list(self.failed.items()):
            name = place.rsplit("/", 1)[-1]
            if isinstance(version, FileIdentity) and name not in self.inbox:
                self.inbox[name] = self.failed.pop(place)
                # The owner has it in hand: a copy that nstd made is as good as the original.
                self.dropped.add(version.inode)
                self.complete.pop(version.inode, None)
                self.returned[version.inode] = set(self.ledger)
                self.copies.pop(version.inode, None)

    def lose_work(self) -> None:
        """Empty the work folder, and the outbox of temporary files: somebody tidied up."""
        self.work.clear()
        self.results.clear()
        self.outbox = {n: made for n, made in self.outbox.items() if not n.startswith(".")}

    # -- the daemon's turns ------------------------------------------------------------------

    def turn(self, *, gives_up: bool = False) -> None:
        """Scan, dispatch, close; as `Daemon._step` does."""
        self.now += 1.0
        self._scan(gives_up=gives_up)
        self._dispatch()
        for entry in self._unsettled(*_ENDING):
            if self.refused.get(entry.job_id, 0.0) <= self.now:
                self._close(entry)

    def worker_ends(self, failure: Failure | None = None) -> None:
        """The worker answers for the job that it has."""
        if not self.running:
            return
        entry, self.running = self.ledger[self.running], ""
        if self.is_cancelled:
            self.is_cancelled = False
            failure = Failure("cancelled", Disposition.QUARANTINE, "cancelled")
        if failure is not None:
            self._judge(entry, failure)
            return
        content = tuple(self.work[entry.job_id][one.copy].inode for one in entry.inputs)
        self.results[entry.job_id] = content
        self._tick()
        rendered = Rendered(Path(entry.job_id), str(content), 1, 1, {})
        self._advance(entry, state=State.RENDERED, rendered=rendered, hold="")
        self._tick()

    def die(self) -> None:
        """Forget everything that is only in memory."""
        self.running, self.is_cancelled = "", False
        self.wanted, self.scanned_at = frozenset(), -math.inf
        self.published_at, self.refused, self.fuse = {}, {}, None

    def recover(self) -> None:
        """Start again; as `opening.recover` does."""
        for entry in self._unsettled(State.RUNNING):
            self._advance(entry, **decide.after_crash(entry, PATIENCE))
            self._tick()
        for entry in self._unsettled(State.QUEUED, State.FAILED, State.CANCELLED):
            if decide.next_step(entry, self._look(entry)).do is Do.TAKE:
                self._take(entry)
        for folder in (self.claimed, self.aside):
            for job_id, name in list(folder):
                if not self._is_known(job_id):
                    self._put_back(folder, (job_id, name))
                    self._tick()
        for job_id in {*self.work, *self.results}:
            if not self._is_known(job_id):
                self._clean_up(job_id)

    # -- inbox -------------------------------------------------------------------------------

    def _scan(self, *, gives_up: bool) -> None:
        began = self.now
        sidecars = [name for name in self.inbox if name.endswith(".yaml")]
        found = [(name, self.inbox[name], self.wishes[self.inbox[name].inode]) for name in sidecars]
        withdrawn = set(self.cancels)
        admitted = []
        wanted: set[str] = set()
        for name, version, wish in sorted(found, key=lambda one: -one[2].priority):
            present = tuple(image for image in wish.images if image in self.inbox)
            failure = None
            if name.removesuffix(".yaml") in withdrawn:
                failure = Failure("cancelled", Disposition.QUARANTINE, "cancelled")
            elif not wish.valid:
                failure = Failure("sidecar", Disposition.QUARANTINE, "not valid")
            elif present != wish.images:
                if not gives_up:
                    wanted.update(wish.images)
                    continue
                failure = Failure("missing_input", Disposition.QUARANTINE, "waited")
            admitted.append((name, version, wish, present, failure))
        self.wanted, self.scanned_at = frozenset(wanted), began
        for one in admitted:
            self._admit(*one)
        for stem in list(self.cancels):
            named = [
                e for e in self.ledger.values() if not e.settled and e.sidecar == f"{stem}.yaml"
            ]
            if named or self.cancels[stem] > 0:
                del self.cancels[stem]
            else:
                self.cancels[stem] += 1
            for entry in named:
                self._cancel(entry)

    def _admit(
        self,
        name: str,
        version: FileIdentity,
        wish: Wish,
        present: tuple[str, ...],
        failure: Failure | None,
    ) -> None:
        state = State.QUEUED
        if failure:
            state = State.CANCELLED if failure.code == "cancelled" else State.FAILED
        roles = ("content", "style", "style")
        entry = Entry(
            f"job{next(self._serial)}",
            Path(),
            name,
            version,
            tuple(
                Input(Source(role, INBOX, Path(image)), self.inbox.get(image))
                for role, image in zip(roles, present, strict=False)
            ),
            None,
            wish.output or name.removesuffix(".yaml"),
            wish.priority,
            state,
            failure=failure,
        )
        self.ledger[entry.job_id] = entry
        self._tick()
        self._take(entry)

    def _cancel(self, entry: Entry) -> None:
        if entry.state in {State.QUEUED, State.CLAIMED}:
            failure = Failure("cancelled", Disposition.QUARANTINE, "cancelled")
            self._advance(entry, state=State.CANCELLED, failure=failure, hold="")
        elif entry.job_id == self.running:
            self.is_cancelled = True

    # -- worker ------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        waiting = [
            e for e in self._unsettled(State.QUEUED, State.CLAIMED) if e.not_before <= self.now
        ]
        for entry in waiting[:3]:
            try:
                after, _ = self._steps(entry)
            except Refused as refusal:
                if str(refusal) == "changed":
                    self._give_back(entry)
                else:
                    failure = Failure(str(refusal), Disposition.QUARANTINE, "missing")
                    self._judge(entry, failure)
                continue
            if after is not None and after.state is State.CLAIMED and not self.running:
                self._advance(after, state=State.RUNNING, hold="")
                self.running = after.job_id
                self._tick()

    def _judge(self, entry: Entry, failure: Failure) -> None:
        if failure.code == "cancelled":
            self._advance(entry, state=State.CANCELLED, failure=failure, hold="")
            return
        changes = dict(decide.after_failure(entry, failure, PATIENCE, self.now))
        if entry.state is State.QUEUED and changes["state"] is State.CLAIMED:
            changes["state"] = State.QUEUED
        self._advance(entry, **changes)

    def _close(self, entry: Entry) -> None:
        try:
            for _ in range(ENOUGH):
                after, turn = self._steps(entry)
                if after is None or turn not in {Do.CONFIRM, Do.EXPLAIN}:
                    return
                entry = after
        except Refused as refusal:
            if str(refusal) == "name_taken":
                failure = Failure("name_taken", Disposition.QUARANTINE, "taken")
                self._advance(entry, state=State.FAILED, failure=failure)
            else:
                self.refused[entry.job_id] = self.now + 1.0

    # -- steps -------------------------------------------------------------------------------

    def _steps(self, entry: Entry) -> tuple[Entry | None, Do]:
        """Look, decide, do, until it waits for something; as `steps.advance` does."""
        for _ in range(ENOUGH):
            step = decide.next_step(entry, self._look(entry), self.originals)
            if step.do in {Do.RUN, Do.WAIT, Do.NOTHING}:
                return entry, step.do
            self._tick()
            self._spring(entry, step)
            after = self._perform(entry, step)
            if after is None or step.do in {Do.CONFIRM, Do.EXPLAIN, Do.RENDER_AGAIN, Do.SETTLE}:
                return after, step.do
            entry = after
        raise AssertionError(f"{entry.job_id} doesn't come to rest: {step}")

    def _spring(self, entry: Entry, step: decide.Step) -> None:
        """Do what somebody has lain in wait for."""
        replaces = self.ambush.pop(step.do, None)
        if replaces is not None and entry.target and step.do in {Do.PLACE, Do.TELL}:
            taken = entry.target.final if step.do is Do.PLACE else entry.target.manifest
            self.occupy(str(taken))
            return
        name = entry.sidecar if step.index < 0 else str(entry.inputs[step.index].source.relative)
        if replaces is None or name not in self.inbox:
            return
        if replaces:
            self.drop(name, self.wishes.get(self.inbox[name].inode))
        else:
            self.take_away(name)
