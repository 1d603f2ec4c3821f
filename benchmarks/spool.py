"""What the spool itself costs a job, and how that grows with the number that lie in the inbox.

    python benchmarks/spool.py [--jobs 1000 10000]
    python benchmarks/spool.py --metrics [--jobs 200 --rounds 4]

The real daemon (`once`) with an engine that only copies pixels, on tiny pictures that lie in the
inbox when it starts. Seconds a job are those from the first result to the last job's filing, in all
and for each fifth of the jobs.
With --metrics, the same number of jobs by turns without and with an endpoint that is asked each
second, fifteen times as often as Prometheus does by default.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import common
import numpy as np
from PIL import Image

from nstd import telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    by_fifths: list[float]
    peak_mebibytes: float
    processor_seconds: float


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
    # Results come first and filing follows in bursts, so only filed jobs are whole ones.
    ends = [done[0], *(retired[len(retired) * fifth // 5 - 1] for fifth in range(1, 6))]
    return Run(
        jobs,
        len(done),
        ended - started,
        done[0] - started,
        (retired[-1] - done[0]) / len(retired),
        [5 * (end - begin) / len(retired) for begin, end in itertools.pairwise(ends)],
        peak,
        usage.ru_utime + usage.ru_stime,
    )


@contextlib.contextmanager
def asked_each_second(port: int) -> Iterator[None]:
    """Scrape as Prometheus does, from a thread of ours."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(1.0):
            with contextlib.suppress(OSError):  # not open yet, or not any more
                urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read()

    asking = threading.Thread(target=ask)
    asking.start()
    yield
    over.set()
    asking.join()


def compare_metrics(jobs: int, rounds: int) -> dict[str, float]:
    """Seconds a job without and with metrics, by turns: their medians, ratio and difference.

    Processor seconds too, which tell more than the clock on a machine that does other things.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    runs: dict[str, list[Run]] = {"without": [], "with": []}
    for _ in range(rounds):
        runs["without"].append(empty(jobs))
        with asked_each_second(port):
            runs["with"].append(empty(jobs, metrics={"port": port}))
    seconds = {name: [run.seconds_a_job for run in found] for name, found in runs.items()}
    spent = {name: [run.processor_seconds / jobs for run in found] for name, found in runs.items()}
    rows = [
        (name, *(" ".join(f"{s * 1e3:.1f}" for s in found[name]) for found in (seconds, spent)))
        for name in runs
    ]
    common.show_table(["metrics", "ms a job, each run", "processor ms a job, start included"], rows)
    figures = {"jobs": float(jobs)}
    for what, found in (("seconds", seconds), ("processor_seconds", spent)):
        plain, metered = (statistics.median(found[name]) for name in runs)
        more = f"{(metered - plain) * 1e3:+.2f} ms a job"
        print(f"{what}: {metered / plain:.3f} times with metrics, {more}")
        figures |= {f"{what}_without": plain, f"{what}_with": metered}
    return figures


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
    parser.add_argument("--metrics", action="store_true")
    parser.add_argument("--rounds", type=int, default=4)
    common.add_json_option(parser)
    options = parser.parse_args()
    common.warn_if_busy()
    if options.metrics:
        common.write_json(options.json, compare_metrics(options.jobs[0], options.rounds))
        return
    runs = [empty(jobs) for jobs in options.jobs]
    common.show_table(
        ["jobs", "done", "s in all", "s to the first", "s a job", "by fifths", "MiB"],
        [
            (
                run.jobs,
                run.done,
                f"{run.seconds:.1f}",
                f"{run.first_result:.1f}",
                f"{run.seconds_a_job:.4f}",
                " ".join(f"{seconds:.4f}" for seconds in run.by_fifths),
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
