"""Jobs an hour through the real daemon: drafts of 256 pixels, a batch in one style.

    python benchmarks/jobs.py [--jobs 100]

Fills an inbox, runs `nstd once` on it and reads its log. The rate is that between the first job's
end and the last one's, so that neither settling nor starting the worker is in it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import common
from PIL import Image

from nstd import telemetry

_SIDE = 256


def fill(inbox: Path, jobs: int) -> None:
    """Write the jobs: a content, a style and a sidecar each, the sidecars last."""
    inbox.mkdir(parents=True)
    small = []
    for path in common.PAIR:
        with Image.open(path) as image:
            image.thumbnail((_SIDE, _SIDE))
            small.append(inbox.parent / path.name)
            image.save(small[-1], quality=92)
    names = [f"job-{index:04}" for index in range(jobs)]
    for name in names:
        shutil.copyfile(small[0], inbox / f"{name}.jpg")
        shutil.copyfile(small[1], inbox / f"{name}.style.jpg")
    for name in names:
        (inbox / f"{name}.yaml").write_text("preset: draft\n", encoding="utf-8")


def run(root: Path) -> tuple[float, list[dict[str, Any]]]:
    """Empty the inbox; returns the seconds that it took and the log's lines."""
    config = root / "config.yaml"
    settings = {"root": str(root), "log": {"format": "json"}}
    config.write_text(json.dumps(settings), encoding="utf-8")  # YAML contains JSON
    command = [sys.executable, "-m", "nstd", "once", "--config", str(config)]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
    taken = time.perf_counter() - started
    lines = (line for line in done.stderr.splitlines() if line.startswith("{"))
    return taken, [json.loads(line) for line in lines]


def digest(seconds: float, events: list[dict[str, Any]]) -> dict[str, float]:
    """The figures."""
    done = [event for event in events if event["event"] == telemetry.JOB_DONE]
    ends = [datetime.fromisoformat(event["timestamp"]).timestamp() for event in done]
    overheads = [float(event["overhead_seconds"]) for event in done]
    between = (ends[-1] - ends[0]) / max(1, len(ends) - 1)
    return {
        "jobs": len(done),
        "seconds in all": seconds,
        "jobs an hour": 3600 / between if between else float("nan"),
        "seconds a job": between,
        "of which the engine (median)": statistics.median(e["engine_seconds"] for e in done),
        "of which overhead (median)": statistics.median(overheads),
        "of which overhead (highest)": max(overheads),
    }


def main() -> None:
    """Fill, run, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=100)
    common.add_json_option(parser)
    options = parser.parse_args()
    common.warn_if_busy()
    with tempfile.TemporaryDirectory(prefix="nstd-jobs-") as folder:
        fill(Path(folder) / "inbox", options.jobs)
        figures = digest(*run(Path(folder)))
    rows = [(name, f"{value:.4g}") for name, value in figures.items()]
    common.show_table([f"drafts of {_SIDE} pixels", ""], rows)
    common.write_json(options.json, figures)


if __name__ == "__main__":
    main()
