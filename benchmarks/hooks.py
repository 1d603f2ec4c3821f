"""What hooks cost a job: the spool's own benchmark without them, and with one of each kind.

    python benchmarks/hooks.py [--jobs 300]

Every job is told of twice, claimed and published. The ratio is to the runs without hooks, one
before and one after the others, on the same machine in the same run.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import common
import spool

_EVENTS = ["claimed", "published"]


class Receiver(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    def do_POST(self) -> None:
        """Say that all is well."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing more."""


def kinds(folder: Path, port: int) -> dict[str, dict[str, Any]]:
    """The configurations to compare."""
    secret = folder / "secret"
    secret.touch(0o600)
    secret.write_text(base64.b64encode(bytes(32)).decode(), encoding="ascii")
    webhook = {
        "url": f"http://127.0.0.1:{port}/",
        "secret_file": str(secret),
        "events": _EVENTS,
    }
    return {
        "none": {},
        "a command": {"commands": [{"argv": ["/bin/true"], "events": _EVENTS}]},
        "a webhook": {"webhooks": [webhook]},
        "none again": {},
    }


def main() -> None:
    """Run every kind, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300)
    common.add_json_option(parser)
    options = parser.parse_args()
    common.warn_if_busy()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="nstd-hooks-") as folder:
        told = kinds(Path(folder), server.server_port)
        runs = {kind: spool.empty(options.jobs, hooks=hooks) for kind, hooks in told.items()}
    server.shutdown()
    plain = (runs["none"].seconds_a_job + runs["none again"].seconds_a_job) / 2
    common.show_table(
        ["hooks", "jobs", "s in all", "s a job", "ratio", "MiB"],
        [
            (
                kind,
                run.done,
                f"{run.seconds:.1f}",
                f"{run.seconds_a_job:.4f}",
                f"{run.seconds_a_job / plain:.2f}",
                f"{run.peak_mebibytes:.0f}",
            )
            for kind, run in runs.items()
        ],
    )
    common.write_json(options.json, {"runs": runs})


if __name__ == "__main__":
    main()
