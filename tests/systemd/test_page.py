"""docs/service.md, from an empty machine to the first painting, command by command."""

from __future__ import annotations

import contextlib
import json
import re
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from machine import PATIENCE, Machine, why_not
from service import PAGE, commands, install

from nstd import config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def installed(built: Path) -> Iterator[Machine]:
    """Boot a machine of the test's own, installed as the page says."""
    if reason := why_not():
        pytest.skip(reason)
    machine = Machine()
    try:
        install(machine, built)
        yield machine
    finally:
        machine.close()


def until(condition: Callable[[], bool], machine: Machine) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        told = machine.run("journalctl --no-pager --lines 30 --output cat")
        assert time.monotonic() < deadline, told.stdout
        time.sleep(0.2)


def test_the_way_to_the_first_painting_and_to_a_share(installed: Machine) -> None:
    """Each command as it stands, the real engine, and the unit without a drop-in of the test's."""
    (check,) = commands("Check")
    told = installed.run(f"{check} --json")
    report = json.loads(told.stdout)
    assert report["ok"], told.stdout
    assert {row["verdict"] for row in report["findings"]} == {"ok", "warn"}
    (service,) = [row for row in report["findings"] if row["check"] == "service"]
    assert service["what"] == "nstd.service is disabled"
    for command in commands("Start"):
        done = installed.run(command, check=True)
    assert "nstd.service is enabled" in installed.run(f"{check} --json", check=True).stdout
    assert "Active: active (running)" in done.stdout
    assert 'Status: "' in done.stdout
    job = commands("The first job")
    for command in job[:2]:
        installed.run(command, check=True)
    state = installed.root / "var/lib/nstd"
    until((state / "done/harbour.yaml").exists, installed)
    for command in job[2:]:
        done = installed.run(command, check=True)
    assert "job.done" in done.stdout
    assert (state / "outbox/harbour.png").exists()
    assert json.loads((state / "outbox/harbour.json").read_text())["output"]["width"] == 256

    show(installed)
    share(installed)
    until((installed.root / "srv/paintings/outbox/a.json").exists, installed)
    assert installed.systemctl("is-enabled", "nstd").strip() == "enabled"
    unit = installed.systemctl("show --property=RequiresMountsFor,NRestarts nstd")
    assert "/srv/paintings" in unit
    assert "NRestarts=0" in unit


def show(machine: Machine) -> None:
    """Start the status page: its own user reads what the group may, and writes its cache."""
    for command in commands("The status page"):
        machine.run(command, check=True, folder="/root", PIP_NO_INDEX="1")
    url = f"http://127.0.0.1:{config.Web().port}"
    pages: list[str] = []

    def is_shown() -> bool:
        with contextlib.suppress(httpx.TransportError):
            pages[:] = [httpx.get(f"{url}/", trust_env=False).text]
        return bool(pages) and "<h3>harbour</h3>" in pages[0]

    until(is_shown, machine)
    assert "<strong>nstd is running</strong>" in pages[0]
    (picture,) = re.findall(r'src="(jobs/[^"]*/result/small\.jpg)"', pages[0])
    answer = httpx.get(f"{url}/{picture}", trust_env=False)
    assert answer.headers["content-type"] == "image/jpeg"
    cache = machine.root / "var/cache/private/nstd-web/thumbnails"
    assert [path.suffix for path in cache.iterdir()] == [".jpg"]
    user = machine.systemctl("show --value --property=UID nstd-web").strip()
    assert int(user) > 60_000  # of those that systemd lends
    machine.run("systemctl disable --now nstd-web", check=True)


def share(machine: Machine) -> None:
    """Mount something in a share's place, follow the page, and drop a job there."""
    mounted = "mkdir /srv/paintings && mount -t tmpfs -o uid=nstd,gid=nstd,mode=2770 none"
    machine.run(f"{mounted} /srv/paintings", check=True)
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert config.parse(text.encode(), file="service.md").folder("inbox").is_relative_to("/srv")
    path = machine.root / "etc/nstd/config.yaml"
    kept = re.sub(r"^(inbox|outbox|done|failed): .*$", "", path.read_text(), flags=re.MULTILINE)
    path.write_text(kept + text)
    # The inbox is another one, on purpose: the marker goes along with it.
    machine.run("install -d -o nstd -g nstd -m 2770 /srv/paintings/inbox", check=True)
    machine.run("cp -a /var/lib/nstd/inbox/.nstd /srv/paintings/inbox/", check=True)
    for command in commands("Folders on a share"):
        machine.run(command, check=True)
    pictures = "/opt/nstd/lib/python3*/site-packages/nstd/demo"
    machine.run(f"cp {pictures}/brushwork.jpg /srv/paintings/inbox/a.jpg", check=True)
    sidecar = "style: a.jpg\\npreset: draft\\nsize: 64\\n"
    machine.run(f"printf '{sidecar}' > /srv/paintings/inbox/a.yaml", check=True)
