"""A machine that runs the real systemd, in namespaces of its own, while a test needs it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import boot as boot_script

import nstd

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(nstd.__file__).parent.parent
NAMESPACES = ("--pid", "--mount", "--cgroup", "--uts", "--ipc")
CGROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))
# Where the machine sees what lies elsewhere here, or in folders that a service's user can't enter.
PACKAGES, REPO = "/usr/local/packages", "/usr/local/src/nstd"
TOOLS = ("unshare", "nsenter", "setpriv", "pivot_root", "/lib/systemd/systemd")
PATIENCE = 150.0  # the machine shares its processors with the other tests


def why_not() -> str:
    """Say what keeps this machine from lending its kernel; empty if nothing does."""
    if os.geteuid() != 0:
        return "needs root"
    for tool in TOOLS:
        if subprocess.run(["which", tool], capture_output=True, check=False).returncode:
            return f"{tool} is not installed"
    tried = subprocess.run(
        ["unshare", "--fork", *NAMESPACES, "mount", "-t", "tmpfs", "none", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        return f"namespaces are refused: {tried.stderr.strip()}"
    return "" if _cgroups() else "there is no cgroup2 hierarchy to write to"


def _cgroups() -> Path | None:
    for path in CGROUPS:
        if (path / "cgroup.procs").exists() and os.access(path / "cgroup.procs", os.W_OK):
            return path
    return None


class Machine:
    """Boots at once; `close` ends it and everything in it.

    Attributes:
        root: the machine's files, as they are seen from here.
    """

    def __init__(self) -> None:
        reason = why_not()
        assert not reason, reason
        self._stack = contextlib.ExitStack()
        scratch = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="nstd-machine-"))
        cgroups = _cgroups()
        assert cgroups is not None
        self._group = cgroups / Path(scratch).name
        self._group.mkdir()
        self._stack.callback(self._remove_group)
        seen = {
            sys.base_prefix: boot_script.PYTHON,
            str(Path(sys.prefix, "lib", _version(), "site-packages")): PACKAGES,
            str(REPOSITORY): REPO,
        }
        boot = [sys.executable, boot_script.__file__, boot_script.namespaces(), scratch]
        boot += [f"{here}={there}" for here, there in seen.items()]
        # It dies with this process, however that ends; and it is in its cgroup from the beginning.
        enter = f'echo $$ > {self._group}/cgroup.procs && exec "$@"'
        lent = ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child", *NAMESPACES]
        self._unshare = subprocess.Popen(
            ["sh", "-c", enter, "sh", *lent, *boot], stderr=subprocess.PIPE, text=True
        )
        self._stack.callback(self._kill)
        try:
            self.root = self._wait()
        except BaseException:
            self.close()
            raise

    def _wait(self) -> Path:
        """Wait until systemd answers."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._unshare.poll() is not None:
                assert self._unshare.stderr is not None
                raise AssertionError(f"did not boot: {self._unshare.stderr.read()}")
            for child in _children(self._unshare.pid):
                self._pid = child
                with contextlib.suppress(OSError):
                    is_systemd = Path(f"/proc/{self._pid}/comm").read_text() == "systemd\n"
                    if is_systemd and self.run("systemctl is-system-running").stdout == "running\n":
                        return Path(f"/proc/{self._pid}/root")
            time.sleep(0.05)
        raise AssertionError("systemd does not answer")

    def run(
        self, command: str, *, check: bool = False, folder: str = "/", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command in the machine, as its root."""
        told: Mapping[str, str] = {
            "PATH": f"{boot_script.PYTHON}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LD_LIBRARY_PATH": f"{boot_script.PYTHON}/lib",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            **environment,
        }
        done = subprocess.run(
            ["nsenter", "-t", str(self._pid), "-a", "-r", "env", "-i", "-C", folder]
            + [f"{key}={value}" for key, value in told.items()]
            + ["sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def systemctl(self, *arguments: str) -> str:
        """Call systemctl, which must succeed; returns what it prints."""
        return self.run(f"systemctl --no-pager {' '.join(arguments)}", check=True).stdout

    def close(self) -> None:
        """End it."""
        self._stack.close()

    def _kill(self) -> None:
        for child in _children(self._unshare.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, 9)
        self._unshare.kill()
        self._unshare.wait(PATIENCE)
        assert self._unshare.stderr is not None
        self._unshare.stderr.close()

    def _remove_group(self) -> None:
        """Remove the cgroups that systemd has made, once the last process in them is gone."""
        deadline = time.monotonic() + PATIENCE
        below = sorted(self._group.rglob("*/"), key=lambda path: -len(path.parts))
        for folder in [*(path for path in below if path.is_dir()), self._group]:
            while True:
                try:
                    folder.rmdir()
                    break
                except OSError:
                    assert time.monotonic() < deadline, f"{folder} is busy"
                    time.sleep(0.05)


def _version() -> str:
    return f"python{sys.version_info[0]}.{sys.version_info[1]}"


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children]
    return []


if __name__ == "__main__":
    sys.exit(why_not() or 0)
