"""`nstd web` as a user runs it."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from daemon_process import PATIENCE
from jobs import published, queued
from web_process import WebProcess, served

if TYPE_CHECKING:
    from nstd.spool.desk import Desk


def nstd(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command that ends."""
    return subprocess.run(
        [sys.executable, "-m", "nstd", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_in_order(desk: Desk, number: int) -> None:
    """With exit code 0, also while somebody listens to its events."""
    web = WebProcess(desk.config.root)
    assert web.first["event"] == "web.started"
    assert web.first["url"] == web.url
    with httpx.stream("GET", f"{web.url}events", trust_env=False) as events:
        assert next(events.iter_lines()) == "retry: 2000"
        code, rest = web.stop(number)
    assert code == 0
    assert [json.loads(line)["event"] for line in rest] == ["web.stopped"]


def test_nothing_is_written_but_the_cache(desk: Desk) -> None:
    """Neither beside the ledger nor anywhere else, by whatever is asked for."""
    entry = published(desk)
    root = desk.config.root
    with served(root) as web, httpx.Client(base_url=web.url, trust_env=False) as client:
        before = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
        assert client.get("/").status_code == 200
        assert client.get(f"/jobs/{entry.job_id}/result/small.jpg").status_code == 200
        after = {path: path.lstat().st_mtime_ns for path in root.rglob("*")}
    cache = root / "cache"
    changed = {path for path in after if after[path] != before.get(path)}
    assert before.keys() <= after.keys()
    changed.discard(root / "state" / "ledger.sqlite-shm")  # SQLite's marks of who reads
    assert {path for path in changed if not path.is_relative_to(cache)} <= {root}


def test_a_port_that_is_taken_is_named(desk: Desk) -> None:
    """Exit code 69, with the remedy."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = nstd("web", "--root", desk.config.root, "--port", port)
    assert done.returncode == 69
    assert f"web.port: can't listen on 127.0.0.1 port {port}: Address already" in done.stderr
    assert "Name another port." in done.stderr


def test_an_address_of_another_machine_is_named(desk: Desk) -> None:
    """It can't be listened at."""
    done = nstd("web", "--root", desk.config.root, "--address", "192.0.2.1")
    assert done.returncode == 69
    assert "web.address: can't listen on 192.0.2.1" in done.stderr


def test_an_address_must_be_one(desk: Desk) -> None:
    """Exit code 2, as for any other wrong option."""
    done = nstd("web", "--root", desk.config.root, "--address", "localhost")
    assert done.returncode == 2
    assert "--address localhost: must be an IP address" in done.stderr


def test_without_the_extra_the_remedy_is_named(desk: Desk) -> None:
    """Exit code 69; nothing else of nstd needs it."""
    root = str(desk.config.root)
    script = (
        "import sys; sys.modules['starlette'] = None\n"
        f"from nstd import cli; sys.argv = ['nstd', 'web', '--root', {root!r}]; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 69
    assert "needs starlette, which isn't installed. Say pip install 'nstd[web]'." in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_wire_leads_nowhere_either(desk: Desk) -> None:
    """What the server itself makes of paths that no browser would send."""
    queued(desk)
    with served(desk.config.root) as web:
        for path in ("/../../etc/passwd", "/static/%2e%2e/app.py", "/jobs/%00/result/small.jpg"):
            connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=PATIENCE)
            connection.putrequest("GET", path)
            connection.endheaders()
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (404, b"Not Found"), path
            assert answer.headers["Server"] is None
            connection.close()


def test_what_it_serves_is_part_of_the_package() -> None:
    """Templates and static files lie within it, so that a wheel has them."""
    import nstd.web  # noqa: PLC0415 - what is looked for

    folder = Path(nstd.web.__file__).parent
    assert (folder / "templates" / "page.html").exists()
    assert {path.name for path in (folder / "static").iterdir()} == {
        "gone.svg",
        "icon.svg",
        "live.js",
        "style.css",
    }
