"""What the spool itself costs a job, and how that grows with the number that lie in the inbox.

    python benchmarks/spool.py [--jobs 1000 10000]

The real daemon (`once`) with an engine that only copies pixels, on tiny pictures that lie in the
inbox when it starts. Seconds a job are those between the first job's end and the last one's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import common
import numpy as np
from PIL import Image

from nstd import telemetry

COPYING = Path(__file__).parent.parent / "tests" / "doubles" / "copying_daemon.py"
_SIDE = 24
_FOLDER = 500  # jobs a folder, as a pipeline would have it


@dataclass(frozen=True, slots=True)
class Run:
    """One inbox, emptied."""

    jobs: int
    done: int
    seconds: float
    first_result: float
    seconds_a_job: float
    retired_after: float
    peak_mebibytes: float


def fill(inbox: Path, jobs: int) -> None:
    """Write the jobs: a content and a style each, the sidecars last."""
    noise = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
    inbox.mkdir(parents=True)
    picture = inbox.parent / "picture.png"
    Image.fromarray(noise).save(picture)
    data = picture.read_bytes()
    names = [inbox / f"{index // _FOLDER:03}" / f"job-{index:05}" for index in range(jobs)]
    for name in names:
        name.parent.mkdir(exist_ok=True)
        name.with_suffix(".png").write_bytes(data)
        name.with_suffix(".style.png").write_bytes(data)
    for name in names:
        name.with_suffix(".yaml").write_text("preset: draft\n", encoding="utf-8")


def empty(jobs: int, **settings: object) -> Run:
    """Fill an inbox and run the daemon, with further settings, until it is empty."""
    with tempfile.TemporaryDirectory(prefix="nstd-spool-") as folder:
        root = Path(folder)
        fill(root / "inbox", jobs)
        config = root / "config.yaml"
        plain = {"root": folder, "log": {"format": "json"}, "limits": {"min_free_bytes": 0}}
        config.write_text(json.dumps({**plain, **settings}), encoding="utf-8")  # which is YAML too
        log = root / "log"
        command = [sys.executable, str(COPYING), "once", str(config)]
        started = time.time()
        with log.open("w") as lines:
            process = subprocess.Popen(command, stderr=lines)  # noqa: S603 - ourselves
            _, status, usage = os.wait4(process.pid, 0)
        ended = time.time()
        if status:
            raise RuntimeError(log.read_text(encoding="utf-8")[-2000:])
        events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        peak = usage.ru_maxrss / 1024  # kibibytes on Linux
    done, retired = (_moments(events, name) for name in (telemetry.JOB_DONE, telemetry.JOB_RETIRED))
    return Run(
        jobs,
        len(done),
        ended - started,
        done[0] - started,
        (done[-1] - done[0]) / max(1, len(done) - 1),
        retired[-1] - done[-1],
        peak,
    )


def _moments(events: list[dict[str, str]], name: str) -> list[float]:
    """When an event was logged, in seconds since the epoch."""
    return [
        datetime.fromisoformat(event["timestamp"]).timestamp()
        for event in events
        if event["event"] == name
    ]


def main() -> None:
    """Run every size, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1000, 10_000])
    common.add_json_option(parser)
    options = parser.parse_args()
    common.warn_if_busy()
    runs = [empty(jobs) for jobs in options.jobs]
    common.show_table(
        ["jobs", "done", "s in all", "s to the first", "s a job", "s to the last retired", "MiB"],
        [
            (
                run.jobs,
                run.done,
                f"{run.seconds:.1f}",
                f"{run.first_result:.1f}",
                f"{run.seconds_a_job:.4f}",
                f"{run.retired_after:.1f}",
                f"{run.peak_mebibytes:.0f}",
            )
            for run in runs
        ],
    )
    growth = runs[-1].seconds_a_job / runs[0].seconds_a_job
    print(f"{runs[-1].jobs / runs[0].jobs:g} times the jobs: {growth:.2f} times the seconds a job")
    common.write_json(options.json, {"runs": runs, "growth": growth})


if __name__ == "__main__":
    main()
