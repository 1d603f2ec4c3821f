"""Drop good and hostile jobs while the daemon is killed at random; then account for everything.

    python tests/soak.py [--seconds 3600] [--seed 0] [--root DIR] [--workers]

The spool is the real one, the engine copies pixels. Prints what was dropped, done, failed (and
why), lost and duplicated; exit code 1 unless the last two are 0.

With --workers the daemon lives on, and its workers die and hang instead: two of them, with the real
network. Then the memory of the daemon is printed too, as it was in each tenth of the time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "doubles")]

from daemon_process import DaemonProcess, children, command_line
from soak_jobs import HOT_FILES, NEW, Dropped, Dropper

from nstd.spool import crashpoint, files
from nstd.spool.ledger import Ledger

# Nothing is given up for the daemon's deaths: they are the soak's doing, not the job's.
PATIENT = {"attempts": 10_000, "crashes": 10_000, "backoff_longest_seconds": 0.2}
# The grace time is the product's: on a busy machine, of two sidecars that are written one after the
# other the second may come a second later.
SETTINGS = {
    "settle_seconds": 0.1,
    "rescan_seconds": 0.3,
    "retire_grace_seconds": 2.0,
    "log": {"format": "json"},
}
_BACKLOG = 60
_ENDING_TRIES, _ENDING_SECONDS = 20, 900.0


class Soak:
    """One run.

    Args:
        root: of the daemon; empty.
        seed: of everything random but the timing.
        workers: kill those, and not the daemon.
    """

    def __init__(self, root: Path, seed: int, *, workers: bool = False) -> None:
        self._root = root
        self._workers = workers
        self.memory: list[float] = []
        self._chance = random.Random(seed)
        self._dropper = Dropper(root / "inbox", self._chance)
        self.kills: Counter[str] = Counter()
        self.troubles: list[str] = []

    def run(self, seconds: float) -> None:
        """Drop and kill for so long, then let everything come to its end."""
        end = time.monotonic() + seconds
        if self._workers:
            self._spare(end)
        while time.monotonic() < end:
            self._live(min(end, time.monotonic() + self._chance.uniform(1.0, 8.0)))
        for _ in range(_ENDING_TRIES):
            daemon = self._start("once")
            code = daemon.ended(_ENDING_SECONDS)
            self._note(daemon)
            if code in {0, 1}:
                return
        self.troubles.append(f"`once` still ends with {code}: {daemon.events[-3:]}")

    def _start(self, command: str, *crash: str) -> DaemonProcess:
        if self._workers:
            settings = {**SETTINGS, "device": ["cpu:0", "cpu:1"]}
            limits = {**PATIENT, "stall_seconds": 10.0, "begin_seconds": 120.0}
            return DaemonProcess(self._root, command, settings=settings, **limits)
        return DaemonProcess(
            self._root, command, copying=True, crash=crash, settings=SETTINGS, **PATIENT
        )

    def _spare(self, until: float) -> None:
        """One long life of the daemon, and many of its workers."""
        daemon = self._start("run")
        daemon.wait_for("worker.ready", count=2)
        harm = time.monotonic()
        while time.monotonic() < until:
            self._act()
            time.sleep(self._chance.uniform(0.0, 1.0))
            if time.monotonic() >= harm:
                number = self._chance.choice((signal.SIGKILL, signal.SIGSTOP))
                self._signal_worker(daemon, number)
                self.kills[f"worker: {number.name}"] += 1
                self.memory.append(_resident(daemon.process.pid))
                harm = time.monotonic() + self._chance.uniform(5.0, 40.0)
        daemon.stop()
        self._note(daemon)

    def _live(self, until: float) -> None:
        """One life of the daemon, and its end."""
        way = self._chance.choice(("kill", "kill", "crash point", "crash point", "stop", "worker"))
        crash: tuple[str, ...] = ()
        if way == "crash point":
            points = crashpoint.NAMES + crashpoint.ORDERED
            crash = (self._chance.choice(points), str(self._chance.randint(1, 8)))
        daemon = self._start("run", *crash)
        while time.monotonic() < until and daemon.process.poll() is None:
            self._act()
            time.sleep(self._chance.uniform(0.0, 0.3))
        if way == "worker":
            self._signal_worker(daemon, signal.SIGKILL)
            time.sleep(0.5)
        if daemon.process.poll() is None:
            daemon.stop(signal.SIGTERM if way == "stop" else signal.SIGKILL)
        else:
            daemon.ended()
        self.kills[way] += 1
        self._note(daemon)

    def _act(self) -> None:
        waiting = len(list((self._root / "inbox" / ".nstd").glob("claimed/*")))
        if waiting < _BACKLOG:
            for _ in range(self._chance.randint(1, 4)):
                self._dropper.drop()
        if self._chance.random() < 0.1 and self._dropper.dropped:
            self._dropper.cancel()

    def _signal_worker(self, daemon: DaemonProcess, number: signal.Signals) -> None:
        with contextlib.suppress(OSError):  # it may just be ending
            workers = [
                child
                for child in children(daemon.process.pid)
                if b"spawn_main" in command_line(child)
            ]
            if workers:
                os.kill(self._chance.choice(workers), number)

    def _note(self, daemon: DaemonProcess) -> None:
        """Keep what a daemon should not have said."""
        internal = [event for event in daemon.events if event["event"] == "internal.error"]
        self.troubles += [json.dumps(event) for event in internal]
        # A worker that was just being started when the daemon was killed says so.
        if daemon.process.returncode != -signal.SIGKILL:
            self.troubles += daemon.other_lines

    def account(self) -> Counter[str]:
        """Find every job's end and every dropped file; the counts."""
        counts: Counter[str] = Counter({"lost": 0, "duplicated": 0})
        manifests = _by_name(self._root / "outbox", "*.json")
        reasons = _by_name(self._root / "failed", "*.reason.json")
        present = Counter(
            files.sha256(path)
            for path in self._root.rglob("*")
            if path.is_file() and not path.is_symlink() and "state" not in path.parts
        )
        for job in self._dropper.dropped:
            counts["dropped"] += 1
            self._account_for(job, manifests, reasons, counts)
            for name, digest in job.files.items():
                if not present[digest]:
                    counts["lost"] += 1
                    self.troubles.append(f"{name} of {job.name!r} is nowhere")
        self._look_for_leftovers()
        self._look_into_inbox()
        return counts

    def _account_for(
        self,
        job: Dropped,
        manifests: dict[str, list[dict]],
        reasons: dict[str, list[dict]],
        counts: Counter[str],
    ) -> None:
        done, failed = manifests.get(job.name, []), reasons.get(job.name, [])
        ends = ["done" for _ in done] + [reason["code"] for reason in failed]
        if len(ends) > 1:
            counts["duplicated"] += 1
        elif not ends:
            counts["lost"] += 1
        if len(ends) != 1 or ends[0] not in job.outcomes:
            self.troubles.append(f"{job.name!r} ended as {ends}, expected {job.outcomes}")
        counts.update("done" if end == "done" else f"failed: {end}" for end in ends)
        for manifest in done:
            result = manifest["path"].parent / manifest["output"]["name"]
            if not result.exists() or files.sha256(result) != manifest["output"]["sha256"]:
                self.troubles.append(f"{job.name!r}: the manifest doesn't fit its result")

    def _look_for_leftovers(self) -> None:
        control = self._root / "inbox" / ".nstd"
        left = [*self._root.rglob("*.tmp"), *(self._root / "state" / "work").iterdir()]
        left += [*(control / "claimed").iterdir(), *(control / "aside").iterdir()]
        self.troubles += [f"left over: {path}" for path in left]
        with contextlib.closing(Ledger(self._root / "state" / "ledger.sqlite")) as ledger:
            if ledger.count_unsettled():
                self.troubles.append(f"{ledger.count_unsettled()} rows are not settled")

    def _look_into_inbox(self) -> None:
        """Only new versions of what was claimed may still lie there, and the hot folder's own."""
        inbox, expected = self._root / "inbox", self._replaced() | HOT_FILES
        for path in inbox.rglob("*"):
            name = str(path.relative_to(inbox))
            ours = ".nstd" in path.parts or name == "STATUS.txt"
            if path.is_file() and not path.is_symlink() and not ours and name not in expected:
                self.troubles.append(f"left in the inbox: {name!r}")

    def _replaced(self) -> set[str]:
        """The files that were replaced by their owner."""
        told = (name for job in self._dropper.dropped for name in job.files)
        return {name.removesuffix(NEW) for name in told if name.endswith(NEW)}


def _resident(pid: int) -> float:
    """Resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _by_name(folder: Path, pattern: str) -> dict[str, list[dict]]:
    """Manifests or reasons by the name of their job."""
    found: dict[str, list[dict]] = {}
    for path in folder.rglob(pattern):
        facts = json.loads(path.read_text())
        found.setdefault(facts["name"], []).append({**facts, "path": path})
    return found


def main() -> int:
    """Soak, account, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", action="store_true", help="kill those; real network")
    parser.add_argument("--root", type=Path, help="keep the folders there; must be empty")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        root = options.root or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="nstd-soak-"))
        )
        (root / "inbox").mkdir(parents=True)
        soak = Soak(root, options.seed, workers=options.workers)
        soak.run(options.seconds)
        counts = soak.account()
    for name, number in [*sorted(counts.items()), *soak.kills.items()]:
        print(f"{name:30} {number}")  # noqa: T201 - the point of it
    if soak.memory:
        tenth = max(1, len(soak.memory) // 10)
        shown = " ".join(f"{one:.1f}" for one in soak.memory[::tenth])
        print(f"the daemon's memory over the time, MiB: {shown}")  # noqa: T201 - likewise
    for trouble in soak.troubles:
        print(trouble)  # noqa: T201 - likewise
    return 1 if soak.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
