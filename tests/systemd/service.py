"""nstd as a service on such a machine, installed as docs/service.md says."""

from __future__ import annotations

import functools
import json
import re
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import daemon_process
from machine import PACKAGES, PATIENCE, REPO, REPOSITORY, Machine

from nstd.engine import weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = (REPOSITORY / "docs" / "service.md").read_text()
BUILD = "python3 -m pip wheel --no-deps --wheel-dir dist ."
CARRIED = "/root/carried.npz"
FETCH = "runuser -u nstd -- env NSTD_CACHE_DIR=/var/cache/nstd /opt/nstd/bin/nstd weights fetch"
CONFIGURATION = "/etc/nstd/config.yaml"
DROP_IN = "/etc/systemd/system/nstd.service.d/test.conf"
SETTINGS: dict[str, Any] = {
    **daemon_process.SETTINGS,
    "limits": {**daemon_process.LIMITS, "grace_seconds": 0.5},
}


def commands(heading: str) -> list[str]:
    """Collect the commands of one of the page's sections."""
    section = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{heading}\n")]
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines, heading
    assert all(line.startswith("# ") for line in lines)
    return [line.removeprefix("# ") for line in lines]


@functools.cache
def wheel(folder: Path) -> Path:
    """Build the wheel as the page says, once in a test run."""
    dist = folder / "dist"
    command = BUILD.removeprefix("python3 ").replace("dist", str(dist)).split()
    subprocess.run([sys.executable, *command], cwd=REPOSITORY, check=True, capture_output=True)
    (built,) = dist.iterdir()
    return built


def install(machine: Machine, built: Path) -> None:
    """Follow the page from the wheel to the unit; the packages that nstd needs are there already.

    What is not downloaded anew: TensorFlow and its like are found where this environment has
    them, the weights are carried as for a host without a network.
    """
    (machine.root / "root/dist").mkdir(parents=True)
    shutil.copy(built, machine.root / "root/dist")
    shutil.copy(weights.resolve(None), machine.root / CARRIED.lstrip("/"))
    first, *others = commands("Install")
    assert first == BUILD
    for command in others:
        machine.run(command, check=True, folder="/root", PIP_NO_INDEX="1")
        if " -m venv " in command:
            lend_packages(machine)
    for command in commands("User, folders, configuration"):
        machine.run(command, check=True)
    (fetch,) = commands("Weights")
    assert fetch == FETCH
    machine.run(f"chmod 0755 /root && {fetch} --from {CARRIED}", check=True)
    machine.run(fetch, check=True)  # which finds them, and goes to no network
    machine.run("chmod 0700 /root", check=True)
    copy, reload, *_ = commands("Start")
    machine.run(copy, check=True)
    machine.run(reload, check=True)


def lend_packages(machine: Machine) -> None:
    """Show the new environment what this one has, but for nstd itself."""
    lent = "/usr/local/lib/nstd-needs"
    link = f"mkdir {lent} && ln -s {PACKAGES}/* {lent} && rm {lent}/nstd* {lent}/_editable*"
    machine.run(link, check=True)
    (found,) = (machine.root / "opt/nstd/lib").glob("python3*/site-packages")
    (found / "needs.pth").write_text(f"{lent}\n")


class Service:
    """The installed service, and its folders as they are seen from here.

    Args:
        machine: where it is installed.
        copying: with the engine that only copies pixels.
        unit: further lines of the unit's [Service] section.
        settings: further keys of the configuration.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        copying: bool = True,
        unit: str = "",
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.machine = machine
        self.folder = machine.root / "var/lib/nstd"
        self._began = time.time()
        self.configure({**SETTINGS, **(settings or {})})
        program = f"{REPO}/tests/doubles/copying_daemon.py run {CONFIGURATION}"
        lines = ["[Service]", "RestartSec=200ms", "SyslogIdentifier=nstd", unit]
        if copying:
            lines += ["ExecStart=", f"ExecStart=/opt/nstd/bin/python {program}"]
        drop_in = machine.root / DROP_IN.lstrip("/")
        drop_in.parent.mkdir(exist_ok=True)
        drop_in.write_text("\n".join(lines) + "\n")
        machine.systemctl("daemon-reload")

    def configure(self, settings: dict[str, Any]) -> None:
        """Write the configuration."""
        path = self.machine.root / CONFIGURATION.lstrip("/")
        path.write_text(json.dumps({"root": "/var/lib/nstd", **settings}))

    def start(self, *options: str) -> None:
        """Start it."""
        self.machine.systemctl(*options, "start", "nstd")

    def stop(self) -> None:
        """Stop it."""
        self.machine.systemctl("stop", "nstd")

    def show(self, name: str) -> str:
        """One of the unit's properties."""
        return self.machine.systemctl("show", "--value", f"--property={name}", "nstd").strip()

    @property
    def pid(self) -> str:
        """The main process's number in the machine."""
        return self.show("MainPID")

    def drop(self, name: str, text: str = "") -> None:
        """Drop a pair and its sidecar, as somebody of the group would."""
        daemon_process.drop(self.folder / "inbox", name, text)

    def events(self) -> list[dict[str, Any]]:
        """What the service has logged since this object was made."""
        ask = (
            f"journalctl --no-pager --output cat --since @{self._began:.6f} SYSLOG_IDENTIFIER=nstd"
        )
        lines = self.machine.run(ask, check=True).stdout.splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def count(self, event: str) -> int:
        """Count the events of a name."""
        return sum(found["event"] == event for found in self.events())

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait until an event has been logged `count` times; return the last."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = [line for line in self.events() if line["event"] == event]
            return len(found) >= count

        self.until(is_there, event)
        return found[count - 1]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what}:\n{self.tell()}"
            time.sleep(0.1)

    def tell(self) -> str:
        """What systemd and the journal say, for a test that fails."""
        ask = "systemctl --no-pager status nstd; journalctl --no-pager --lines 40"
        return self.machine.run(ask).stdout

    def remove(self) -> None:
        """Stop it, and leave nothing for the next one."""
        self.machine.run("systemctl kill --signal=KILL nstd; systemctl stop nstd")
        self.machine.run("systemctl reset-failed nstd")
        self.machine.run("rm -rf /var/lib/nstd", check=True)
        self.machine.run("systemd-tmpfiles --create nstd.conf", check=True)
        (self.machine.root / DROP_IN.lstrip("/")).unlink()
