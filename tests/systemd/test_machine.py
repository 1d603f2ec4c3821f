"""The throw-away machine itself: nothing leaks out, and it never is the real one."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import boot
import pytest
from machine import NAMESPACES, PATIENCE

if TYPE_CHECKING:
    from machine import Machine


def test_nothing_leaks_out(machine: Machine) -> None:
    """What the machine installs, makes and mounts is not to be seen here."""
    assert (machine.root / "opt/nstd/bin/nstd").exists()
    name = f"nstd-probe-{uuid.uuid4().hex}"
    for folder in ("tmp", "run", "etc", "var/lib", "dev/shm"):
        machine.run(f"touch /{folder}/{name}", check=True)
        assert (machine.root / folder / name).exists()
        assert not Path("/", folder, name).exists()
    assert str(machine.root) not in Path("/proc/self/mountinfo").read_text()
    assert "nstd-machine" not in Path("/proc/self/mountinfo").read_text()


def test_kernel_variables_cannot_be_set(machine: Machine) -> None:
    """They have no namespace."""
    variable = "/proc/sys/fs/inotify/max_queued_events"
    assert machine.run(f"cat {variable} > /tmp/value && cat /tmp/value > {variable}").returncode


@pytest.mark.parametrize("left_out", NAMESPACES)
def test_it_refuses_a_namespace_of_the_callers(tmp_path: Path, left_out: str) -> None:
    """Before anything is mounted."""
    kept = [option for option in NAMESPACES if option != left_out]
    command = [sys.executable, boot.__file__, boot.namespaces(), str(tmp_path)]
    done = subprocess.run(
        ["unshare", "--fork", *kept, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "namespace is the caller's" in done.stderr
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert not list(tmp_path.iterdir())


def test_it_refuses_to_share_its_cgroup(tmp_path: Path) -> None:
    """Systemd would take over the processes that are in it."""
    command = [sys.executable, boot.__file__, boot.namespaces(), str(tmp_path)]
    done = subprocess.run(
        ["unshare", "--fork", *NAMESPACES, *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "the cgroup is shared" in done.stderr
    assert not list(tmp_path.iterdir())
