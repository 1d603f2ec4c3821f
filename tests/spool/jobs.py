"""Helpers: a job brought to any state without a watch or a worker."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conftest import save_picture

from nstd.domain import Failure, FileIdentity, Rendered
from nstd.entry import Entry, Fate, Input, Source, State, Target
from nstd.errors import Disposition, ImageError
from nstd.params import StyleParams
from nstd.spool import claim, files, layout, steps
from nstd.spool.decide import Do
from nstd.spool.scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.domain import Candidate
    from nstd.spool.desk import Desk

PAIR = {"a.yaml", "a.jpg", "a.style.png"}
REASONS = {"a.reason.txt", "a.reason.json"}
FAILURE = Failure.of(ImageError("is damaged", file="a.jpg", remedy="save it again"))
SHM = Path("/dev/shm")  # noqa: S108 - fresh folders below it
# What a worker's answer says, as far as the spool reads it.
FACTS: dict[str, Any] = {
    "parameters": {"preset": "draft"},
    "iterations": 10,
    "best_iteration": 9,
    "losses": {"best": {"total": 0.5}},
    "device": "cpu",
    "precision": "float32",
    "traces": 0,
    "seconds": {"load": 0.5, "optimise": 2.0},
    "seconds_per_iteration": 0.2,
}


def tree(root: Path) -> set[str]:
    """Every file below a folder, relative to it, but for the daemon's own in the inbox."""
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and ".nstd" not in path.relative_to(root).parts
    }


def configure(desk: Desk, **settings: object) -> None:
    """Change the configuration."""
    desk.config = desk.config.model_copy(update=settings)


def drop(desk: Desk, name: str = "a", folder: str = ".", text: str = "preset: draft\n") -> Path:
    """Drop a pair and its sidecar; returns the sidecar's path."""
    place = desk.inbox / folder
    save_picture(place / f"{name}.jpg")
    save_picture(place / f"{name}.style.png", seed=1)
    path = place / f"{name}.yaml"
    path.write_text(text)
    return path


def scan(desk: Desk) -> dict[str, Candidate]:
    """Scan as the daemon does; returns what is ready or refused, by its place in the inbox."""
    found = Scanner(desk.config).scan()
    desk.wanted = found.wanted
    ready = {str(one.path): one for one in found.ready}
    return ready | {str(one.candidate.path): one.candidate for one in found.rejected}


def candidate(
    desk: Desk, name: str = "a", folder: str = ".", text: str = "preset: draft\n"
) -> Candidate:
    """Drop a pair and return what a scan makes of it."""
    path = drop(desk, name, folder, text)
    return scan(desk)[str(path.relative_to(desk.inbox))]


def queued(desk: Desk, name: str = "a", folder: str = ".", text: str = "preset: draft\n") -> Entry:
    """Drop a pair; its row is written and its sidecar taken."""
    entry = claim.take(desk, claim.admit(desk, candidate(desk, name, folder, text)))
    assert entry is not None
    return entry


def claimed(desk: Desk, name: str = "a", folder: str = ".", text: str = "preset: draft\n") -> Entry:
    """Drop a pair; its images are copied."""
    return claim.copy(desk, queued(desk, name, folder, text))


def rendered(
    desk: Desk, name: str = "a", folder: str = ".", text: str = "preset: draft\n", seed: int = 5
) -> Entry:
    """Drop a pair; its result lies in the work folder, as a worker leaves it."""
    return answered(desk, claimed(desk, name, folder, text), seed)


def answered(desk: Desk, entry: Entry, seed: int = 5) -> Entry:
    """Do a worker's part of a claimed job."""
    path = save_picture(layout.work(desk.config) / entry.job_id / "1" / "result.png", seed=seed)
    result = Rendered(path, files.sha256(path), 64, 48, FACTS)
    running = desk.ledger.advance(entry, state=State.RUNNING)
    return desk.ledger.advance(running, state=State.RENDERED, rendered=result)


def published(
    desk: Desk, name: str = "a", folder: str = ".", text: str = "preset: draft\n"
) -> Entry:
    """Drop a pair; its result and manifest are in the outbox."""
    return shown(desk, rendered(desk, name, folder, text))


def shown(desk: Desk, entry: Entry) -> Entry:
    """Publish a job whose result lies in the work folder."""
    after, turn = steps.advance(desk, entry, manifest)
    assert turn is Do.CONFIRM
    assert after is not None
    return after


def failed(
    desk: Desk,
    name: str = "a",
    folder: str = ".",
    text: str = "preset: draft\n",
    failure: Failure = FAILURE,
) -> Entry:
    """Drop a pair; its job can't be done, and nothing is filed away yet."""
    entry = queued(desk, name, folder, text)
    return desk.ledger.advance(entry, state=State.FAILED, failure=failure)


def manifest(entry: Entry) -> dict[str, Any]:
    """Stand in for what is told about a job: which it is."""
    return {"job_id": entry.job_id}


def end(desk: Desk, entry: Entry, *, scans: bool = True) -> Do:
    """Take a job with an outcome as far as it goes; returns what it then waits for."""
    if scans:
        scan(desk)
    turn = Do.NOTHING
    while True:
        after, turn = steps.advance(desk, entry, manifest)
        if after is None or turn in {Do.WAIT, Do.NOTHING, Do.SETTLE}:
            return turn
        entry = after


def again(desk: Desk, entry: Entry) -> Entry:
    """Read a job from the ledger."""
    found = desk.ledger.entry(entry.job_id)
    assert found is not None
    return found


def an_entry(job_id: str, **changes: Any) -> Entry:
    """Make up a row without any file."""
    values: dict[str, Any] = {
        "job_id": job_id,
        "folder": Path(),
        "sidecar": f"{job_id}.yaml",
        "identity": FileIdentity(1, 2, 3, 4),
        "inputs": (),
        "params": StyleParams(),
        "output": job_id,
    }
    return Entry(**{**values, **changes})


def other_disk(besides: Path) -> Iterator[Path]:
    """Lend a folder on another file system than `besides`; ends at once if there is none."""
    if SHM.is_dir() and SHM.stat().st_dev != besides.stat().st_dev:
        with tempfile.TemporaryDirectory(dir=SHM) as folder:
            yield Path(folder)


BIG = FileIdentity(2**64 - 1, 2**64 - 2, 2**40, 2**62)


ODD = os.fsdecode(b"caf\xe9\n\xff")


def full_entry() -> Entry:
    """Fill in every field, with names of any bytes and numbers of 64 bits."""
    inputs = (
        Input(Source("content", Path("/in"), Path(ODD) / "a.jpg"), BIG, "aa", ODD, Fate.FILED),
        Input(Source("style", Path("/lib"), Path("b.jpg"), stays=True, weight=0.1), None),
        Input(Source("style", Path("/in"), Path("b.jpg")), FileIdentity(0, 2**63, 0, 0), "cc", "d"),
    )
    return Entry(
        job_id="job",
        folder=Path("deep") / ODD,
        sidecar=f"{ODD}.yaml",
        identity=BIG,
        inputs=inputs,
        params=StyleParams.model_validate({"preset": "fast", "size": 333, "style_weight": 2.5}),
        output=ODD,
        priority=-7,
        state=State.RENDERED,
        attempts=2,
        crashes=3,
        not_before=1.5e9,
        hold=f"no room in {Path('/x')}",
        fingerprint="f" * 64,
        duplicate_of="other",
        failure=Failure("code", Disposition.HOLD, "what", "file", "key", "remedy", {"n": [1, 2]}),
        rendered=Rendered(
            Path("/state") / ODD,
            "ee",
            640,
            480,
            {"seconds": {"load": 0.5}},
            (Path("/s") / ODD,),
            Path("/state") / ODD / "report.html",
        ),
        target=Target(Path("/out") / ODD, BIG, Path("/out/a.png"), Path("/out") / f"{ODD}.json"),
        home=Path("/done") / ODD,
        settled=True,
    )


def fates(desk: Desk, entry: Entry) -> list[Fate]:
    """Read what became of a job's images."""
    return [one.fate for one in again(desk, entry).inputs]
