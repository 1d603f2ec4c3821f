"""Any interleaving of users, daemon, worker and crashes, against the decisions (in memory)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from memory_folders import Crash, Made, Wish
from memory_spool import MemorySpool

from nstd.domain import Failure, FileIdentity
from nstd.entry import Fate, State
from nstd.errors import Disposition
from nstd.spool.decide import Do

if TYPE_CHECKING:
    from collections.abc import Callable

STEMS = ("a", "b", "c")
IMAGES = ("x.jpg", "y.jpg", "z.jpg")
# More turns than any set of jobs of that size needs to end.
ENOUGH_TURNS = 80

wishes = st.builds(
    Wish,
    images=st.tuples(st.sampled_from(IMAGES), st.sampled_from(IMAGES)),
    valid=st.sampled_from([True, True, True, False]),
    priority=st.integers(0, 1),
    output=st.sampled_from(["", "", "same"]),
)
failures = st.builds(
    Failure,
    st.just("engine"),
    st.sampled_from([Disposition.RETRY, Disposition.QUARANTINE, Disposition.HOLD]),
    st.just("it failed"),
)


def drop_job(stem: str, wish: Wish) -> Callable[[MemorySpool], None]:
    """A sidecar and what it asks for, as far as that isn't there."""

    def act(spool: MemorySpool) -> None:
        for image in wish.images:
            if image not in spool.inbox:
                spool.drop(image)
        spool.drop(f"{stem}.yaml", wish)

    return act


def drop_sidecar(stem: str, wish: Wish) -> Callable[[MemorySpool], None]:
    """A sidecar alone: it shares what lies there, or waits."""
    return lambda spool: spool.drop(f"{stem}.yaml", wish)


def replace_image(name: str) -> Callable[[MemorySpool], None]:
    """Another version of an image."""
    return lambda spool: spool.drop(name)


def take_away(name: str) -> Callable[[MemorySpool], None]:
    """A file taken back by its owner."""
    return lambda spool: spool.take_away(name)


def occupy(name: str) -> Callable[[MemorySpool], None]:
    """Somebody's file under a result's name."""
    return lambda spool: spool.occupy(name)


def cancel(stem: str) -> Callable[[MemorySpool], None]:
    """NAME.cancel."""
    return lambda spool: spool.cancel(stem)


stems = st.sampled_from(STEMS)
images = st.sampled_from(IMAGES)
outputs = st.sampled_from([f"{stem}.{end}" for stem in (*STEMS, "same") for end in ("png", "json")])
acts = st.one_of(
    st.builds(drop_job, stems, wishes),
    st.builds(drop_job, stems, wishes),
    st.builds(drop_sidecar, stems, wishes),
    st.builds(replace_image, images),
    st.builds(take_away, images | stems.map("{}.yaml".format)),
    st.builds(occupy, outputs),
    st.builds(cancel, stems),
    st.just(MemorySpool.resubmit),
)


class Machine(RuleBasedStateMachine):
    """Users, a daemon, its worker and its deaths."""

    @initialize(
        originals=st.sampled_from(["archive", "archive", "keep", "delete"]),
        on_conflict=st.sampled_from(["suffix", "suffix", "fail"]),
        jobs=st.lists(st.builds(drop_job, stems, wishes), min_size=1, max_size=3),
    )
    def begin(
        self, originals: str, on_conflict: str, jobs: list[Callable[[MemorySpool], None]]
    ) -> None:
        """Choose the policies, and have something in the inbox."""
        self.spool = MemorySpool(originals, on_conflict)  # type: ignore[arg-type]
        for drop in jobs:
            drop(self.spool)
        self.spool.note_complete()

    @rule(act=acts)
    def user(self, act: Callable[[MemorySpool], None]) -> None:
        """Somebody does something."""
        act(self.spool)
        self.spool.note_complete()

    @rule(act=acts, effects=st.integers(0, 25), gives_up=st.booleans())
    def race(self, act: Callable[[MemorySpool], None], effects: int, *, gives_up: bool) -> None:
        """Somebody does something between two effects of the daemon's."""
        self.spool.meanwhile.append((effects, lambda: act(self.spool)))
        self.spool.worker_ends()
        self.spool.turn(gives_up=gives_up)
        self.spool.turn()

    @rule(
        step=st.sampled_from([Do.TAKE, Do.COPY, Do.SET_ASIDE, Do.COPY_OUT, Do.PLACE, Do.TELL]),
        replaces=st.booleans(),
    )
    def ambush(self, step: Do, *, replaces: bool) -> None:
        """Somebody changes a file between the look at it and the step that touches it."""
        self.spool.ambush[step] = replaces

    @rule()
    def turn(self) -> None:
        """The daemon looks at everything."""
        self.spool.turn()

    @rule()
    def long_turn(self) -> None:
        """What is incomplete has waited long enough."""
        self.spool.turn(gives_up=True)

    @rule(failure=st.none() | st.none() | failures)
    def worker_ends(self, failure: Failure | None) -> None:
        """The worker answers, or has died (which is a failure to be retried)."""
        self.spool.worker_ends(failure)

    @rule()
    def job_runs(self) -> None:
        """A turn, an answer, a turn: how it mostly goes."""
        self.spool.turn()
        self.spool.worker_ends()
        self.spool.turn()

    @rule(
        effects=st.integers(0, 25),
        again=st.none() | st.integers(0, 3),
        works=st.booleans(),
        gives_up=st.booleans(),
        tidied=st.sampled_from([False, False, True]),
    )
    def crash(
        self, effects: int, again: int | None, *, works: bool, gives_up: bool, tidied: bool
    ) -> None:
        """The daemon dies after some effects, and perhaps once more while it recovers."""
        self.spool.fuse = effects
        try:
            if works:
                self.spool.worker_ends()
            self.spool.turn(gives_up=gives_up)
            self.spool.turn()
        except Crash:
            pass
        self.spool.die()
        if tidied:
            self.spool.lose_work()
        self.spool.fuse = again
        try:
            self.spool.recover()
        except Crash:
            self.spool.die()
            self.spool.recover()
        self.spool.fuse = None

    def teardown(self) -> None:
        """Left alone, everything comes to its end, and is where it belongs."""
        if not hasattr(self, "spool"):
            return
        spool = self.spool
        spool.meanwhile.clear()
        spool.ambush.clear()
        for _ in range(ENOUGH_TURNS):
            if self._is_quiet():
                break
            spool.worker_ends()
            spool.turn(gives_up=True)
        assert self._is_quiet(), spool.ledger
        self._nothing_is_left_over()
        self._every_version_is_in_one_place()
        self._no_job_leaves_its_images_about()
        self._no_job_misses_what_another_took()
        self._every_job_has_what_its_state_says()

    def _is_quiet(self) -> bool:
        spool = self.spool
        waits = any(name.endswith(".yaml") for name in spool.inbox)
        return not waits and all(entry.settled for entry in spool.ledger.values())

    def _nothing_is_left_over(self) -> None:
        spool = self.spool
        assert not spool.claimed
        assert not spool.aside
        assert not spool.work
        assert not spool.results
        assert not [name for name in spool.outbox if name.startswith(".")]

    def _every_version_is_in_one_place(self) -> None:
        spool = self.spool
        places = Counter(
            version.inode
            for folder in (spool.inbox, spool.done, spool.failed)
            for version in folder.values()
            if isinstance(version, FileIdentity)
        )
        kept = spool.dropped - spool.withdrawn - spool.deleted
        assert {number: places[number] for number in kept} == dict.fromkeys(kept, 1)
        assert places.keys() - kept <= spool.copies.keys(), "a version out of nowhere"
        if spool.deleted:
            assert spool.originals == "delete"
            used = {
                identity.inode
                for entry in spool.ledger.values()
                if entry.state is State.RETIRED
                for identity in (entry.identity, *(one.identity for one in entry.inputs))
                if identity is not None
            }
            assert spool.deleted <= used, "deleted what no published job had used"

    def _no_job_leaves_its_images_about(self) -> None:
        spool = self.spool
        if spool.originals == "keep":
            return
        # What was left for a sidecar whose owner then took it away is the owner's to keep.
        expected = {
            image
            for number in spool.withdrawn & spool.wishes.keys()
            for image in (spool.wishes[number].images if spool.wishes[number].valid else IMAGES)
        }
        used = {
            one.identity
            for entry in spool.ledger.values()
            if entry.home is not None
            for one in entry.inputs
            if one.identity is not None
            and entry.job_id not in spool.returned.get(one.identity.inode, ())
        }
        assert not {n for n, v in spool.inbox.items() if v in used} - expected

    def _no_job_misses_what_another_took(self) -> None:
        spool = self.spool
        for entry in spool.ledger.values():
            if entry.failure is not None and entry.failure.code == "missing_input":
                images, before = spool.complete.get(entry.identity.inode, (set(), set()))
                took_away = images & spool.withdrawn
                assert not images or entry.job_id in before or took_away, entry

    def _every_job_has_what_its_state_says(self) -> None:
        spool = self.spool
        made = [file for file in spool.outbox.values() if isinstance(file, Made)]
        reasons = [file for file in spool.failed.values() if isinstance(file, Made)]
        for entry in spool.ledger.values():
            results = [f for f in made if f.kind == "result" and f.job_id == entry.job_id]
            manifests = [f for f in made if f.kind == "manifest" and f.job_id == entry.job_id]
            assert all(one.fate is not Fate.PENDING for one in entry.inputs) or not entry.home
            if entry.state is not State.RETIRED:
                assert entry.state in {State.FAILED, State.CANCELLED}
                assert not results
                assert not manifests
                assert len([f for f in reasons if f.job_id == entry.job_id]) == bool(entry.home)
                continue
            assert len(results) == len(manifests) == 1
            assert entry.target is not None
            assert spool.outbox[str(entry.target.final)] is results[0]
            assert spool.outbox[str(entry.target.manifest)] is manifests[0]
            claimed = tuple(one.identity.inode for one in entry.inputs if one.identity)
            assert results[0].content == claimed


@pytest.mark.timeout(120)
def test_any_interleaving_ends_with_everything_in_one_place() -> None:
    """27, in memory: nothing is lost, doubled, overwritten or left over, and every job ends."""
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=400,
            stateful_step_count=30,
            derandomize=True,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
