"""How long `nstd status` takes with a long history, and the status page, from outside.

    python benchmarks/status.py [--jobs 100000]

A ledger is made up whose rows are as large as real ones: most jobs are done, some failed, a
thousand wait.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import http.client
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import common

from nstd.config import Config
from nstd.domain import Failure, FileIdentity, Rendered
from nstd.entry import Entry, Fate, Input, Source, State, Target
from nstd.errors import Disposition
from nstd.params import StyleParams
from nstd.spool import layout, rows, schema
from nstd.web.lookout import PAUSE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

_TARGET_SECONDS = 0.5
_FIRST_BYTE_SECONDS = 0.05
_PAGES = 20
_REPEATS = 5
_WAITING = 1000
_FAILED_OF = 50  # one job in so many
_SECONDS_A_JOB = 30.0
_COMMANDS = (
    ["status"],
    ["status", "--json"],
    ["history"],
    ["history", "--name", "nothing*"],
    ["history", "--since", "1d"],
)


def entries(jobs: int) -> Iterator[tuple[Entry, float]]:
    """Made-up jobs in the order of their admission, and when that was."""
    inbox, now = Path("/inbox"), time.time()
    losses = [{"total": 1.0 / (1 + i), "content": 0.1, "style": 0.5} for i in range(12)]
    facts = {"parameters": StyleParams().model_dump(mode="json"), "losses": losses}
    failure = Failure("image", Disposition.QUARANTINE, "a.jpg: is damaged. Save it again.")
    for number in range(jobs):
        came = now - (jobs - number) * _SECONDS_A_JOB
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(came))
        name, file = f"job-{number:06}", FileIdentity(1, number, 100_000, int(came * 1e9))
        inputs = tuple(
            Input(Source(role, inbox, Path(f"{name}.{role}.jpg")), file, "0" * 64, "c", Fate.FILED)
            for role in ("content", "style")
        )
        entry = Entry(
            f"{stamp}-{number:08x}",
            Path("album"),
            f"{name}.yaml",
            file,
            inputs,
            StyleParams(),
            name,
        )
        if number >= jobs - _WAITING:
            yield entry, came
        elif number % _FAILED_OF == 0:
            home = Path("/failed/album")
            failed = {"state": State.FAILED, "failure": failure, "home": home, "settled": True}
            yield dataclasses.replace(entry, **failed), came
        else:
            result = Rendered(Path("/state/r.png"), "0" * 64, 1024, 768, facts)
            out = Path("/outbox/album")
            target = Target(out / ".t", file, out / f"{name}.png", out / f"{name}.json")
            done = {"state": State.RETIRED, "rendered": result, "target": target, "settled": True}
            yield dataclasses.replace(entry, **done), came


def fill(path: Path, jobs: int) -> None:
    """Write the ledger, all in one transaction."""
    path.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        schema.migrate(connection)
        for entry, came in entries(jobs):
            _insert(connection, "jobs", rows.of_entry(entry))
            for position, one in enumerate(entry.inputs):
                _insert(connection, "inputs", rows.of_input(entry.job_id, position, one))
            states = [State.QUEUED]
            if entry.settled:
                states += [State.CLAIMED, State.RUNNING, State.RENDERED, State.PUBLISHED]
                states = [*states, State.RETIRED] if entry.rendered else [*states[:3], State.FAILED]
            for delay, state in enumerate(states):
                at = came + delay
                told = [entry.job_id, at, at, "boot", str(state), ""]
                connection.execute("INSERT INTO transitions VALUES (?, ?, ?, ?, ?, ?)", told)
        connection.commit()


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608 - ours


def seconds(command: list[str]) -> float:
    """The best of several runs, start of the interpreter and all."""
    taken = []
    for _ in range(_REPEATS):
        began = time.monotonic()
        program = [sys.executable, "-m", "nstd", *command]
        subprocess.run(  # noqa: S603 - ourselves
            program, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "100"}
        )
        taken.append(time.monotonic() - began)
    return min(taken)


def first_byte(root: Path) -> list[float]:
    """Seconds from a question to the page's first byte, each after the last look is too old."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    program = [sys.executable, "-m", "nstd", "web", "--root", str(root), "--port", str(port)]
    with subprocess.Popen(program, stderr=subprocess.PIPE) as server:  # noqa: S603 - ourselves
        assert server.stderr is not None  # noqa: S101 - it is a pipe
        server.stderr.readline()  # it answers
        taken = [_ask(port) for _ in range(_PAGES)]
        server.terminate()
        server.communicate()
    return sorted(taken)


def _ask(port: int) -> float:
    time.sleep(2 * PAUSE_SECONDS)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    began = time.monotonic()
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read(1)
    taken = time.monotonic() - began
    page = answer.read()
    connection.close()
    if answer.status != http.client.OK or b'id="gallery"' not in page:
        raise SystemExit(f"no page: {answer.status}")
    return taken


def main() -> None:
    """Fill, measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=100_000)
    common.add_json_option(parser)
    options = parser.parse_args()
    common.warn_if_busy()
    with tempfile.TemporaryDirectory(prefix="nstd-status-") as folder:
        path = layout.ledger(Config(root=Path(folder)))
        fill(path, options.jobs)
        note = f"{options.jobs:,} jobs, {path.stat().st_size / 2**20:.0f} MiB"
        findings = [
            common.Finding(
                f"nstd {' '.join(command)}: s",
                seconds([*command, "--root", folder]),
                "<=",
                _TARGET_SECONDS,
                note,
            )
            for command in _COMMANDS
        ]
        pages = first_byte(Path(folder))
        for what, value in (("median", pages[len(pages) // 2]), ("longest", pages[-1])):
            finding = f"the page's first byte, {what} of {len(pages)}: s"
            findings.append(common.Finding(finding, value, "<=", _FIRST_BYTE_SECONDS, note))
        bare = seconds(["--version"])
        findings.append(common.Finding("nstd --version: s", bare, "<=", _TARGET_SECONDS))
    common.show_findings(findings)
    common.write_json(options.json, findings)


if __name__ == "__main__":
    main()
