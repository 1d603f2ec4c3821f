"""Become the first process of a throw-away machine: a copy of this one that nothing leaks out of.

    unshare --fork --pid --mount --cgroup --uts --ipc python boot.py OUTSIDE SCRATCH [HERE=THERE...]

OUTSIDE are the caller's namespaces, as `namespaces` names them; SCRATCH is an empty folder; each
further argument is a folder to be seen, read-only, at another place. Every change to the machine's
files ends in a tmpfs that dies with this process. systemd sets clocks, kernel variables and
devices, and cleans /tmp: so nothing is started before it is certain that these are not the real
ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

SYSTEMD = "/lib/systemd/systemd"
PYTHON = "/usr/local/python"  # where this one's own is to be seen
KINDS = ("mnt", "pid", "cgroup", "uts", "ipc")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# What would start or mount things of the real machine.
NOT_OURS = (
    "etc/systemd/system",
    "lib/systemd/system-generators",
    "usr/local/lib/systemd",
    "etc/fstab",
)


def namespaces() -> str:
    """Name those that this process is in and that must not be the caller's."""
    return ",".join(str(Path("/proc/self/ns", name).readlink()) for name in KINDS)


def mount(*arguments: object) -> None:
    """Mount, with the arguments of the command."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


def build(scratch: Path, seen: dict[str, str]) -> Path:
    """Mount the new root; returns where."""
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "-o", "mode=0755,size=2g", "nstd-scratch", scratch)
    upper, work, root = (scratch / name for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir()
    mount("-t", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", "overlay", root)
    for name in ("run", "tmp", "dev"):
        mount("-t", "tmpfs", "-o", f"mode={'1777' if name == 'tmp' else '0755'}", name, root / name)
    mount("-t", "proc", "proc", root / "proc")
    mount("--bind", root / "proc/sys", root / "proc/sys")
    mount("-o", "remount,bind,ro", root / "proc/sys")  # kernel variables have no namespace
    mount("--bind", "/sys", root / "sys")
    mount("-o", "remount,bind,ro", root / "sys")
    mount("-t", "cgroup2", "cgroup2", root / "sys/fs/cgroup")
    for name in DEVICES:
        (root / "dev" / name).touch()
        mount("--bind", f"/dev/{name}", root / "dev" / name)
    for name, kind, options in (
        ("shm", "tmpfs", "mode=1777"),
        ("pts", "devpts", "newinstance,ptmxmode=0666"),
    ):
        (root / "dev" / name).mkdir()
        mount("-t", kind, "-o", options, name, root / "dev" / name)
    (root / "dev/ptmx").symlink_to("pts/ptmx")
    for here, there in seen.items():
        (root / there.lstrip("/")).mkdir(parents=True)
        mount("--bind", here, f"{root}{there}")
        mount("-o", "remount,bind,ro", f"{root}{there}")
    return root


def require(condition: object, what: str) -> None:
    """Refuse to go on; not by `assert`, which an option of Python's turns off."""
    if not condition:
        sys.exit(f"refused: {what}")


def require_own_namespaces(outside: str) -> None:
    """Refuse the caller's own namespaces, before anything is mounted."""
    theirs = outside.split(",")
    require(len(theirs) == len(KINDS), "the caller's namespaces are not named")
    for kind, name, other in zip(KINDS, namespaces().split(","), theirs, strict=True):
        require(name != other, f"the {kind} namespace is the caller's")
    require(os.getpid() == 1, "another process is the first one")


def require_own_root(root: Path) -> None:
    """Refuse a root, a /tmp, a /run or a /dev that isn't this machine's own."""
    kinds = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kinds[before.split()[4]] = (after.split()[0], "shared:" in before)
    require(kinds.get(str(root)) == ("overlay", False), "the root is no private overlay")
    for name in ("tmp", "run", "dev"):
        place, real = root / name, Path("/", name)
        require(kinds.get(str(place)) == ("tmpfs", False), f"/{name} is no private tmpfs")
        require(place.stat().st_dev != real.stat().st_dev, f"/{name} is the real one")
    require(not list((root / "tmp").iterdir()), "the temporary folder is not empty")
    # Whose number is 0 is in no namespace of ours: none but the one that waits for us.
    members = (root / "sys/fs/cgroup/cgroup.procs").read_text().split()
    require(members.count("0") <= 1, "the cgroup is shared")
    probe = f".nstd-{uuid.uuid4().hex}"
    (root / "etc" / probe).touch()
    require(not Path("/etc", probe).exists(), "writes reach the real machine")
    (root / "etc" / probe).unlink()


def furnish(root: Path) -> None:
    """Leave systemd nothing to start but what is asked for."""
    for name in NOT_OURS:
        path = root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for pattern in ("*.wants", "*.requires"):
        for folder in (root / "lib/systemd/system").glob(pattern):
            shutil.rmtree(folder)
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    # A Python whose library isn't the system's own finds it, with its folder in another place.
    settings = root / "etc/systemd/system.conf.d/python.conf"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(f"[Manager]\nDefaultEnvironment=LD_LIBRARY_PATH={PYTHON}/lib\n")
    wanted = root / "etc/systemd/system/basic.target.wants"
    wanted.mkdir()
    (wanted / "systemd-journald.service").symlink_to("/lib/systemd/system/systemd-journald.service")


def enter(root: Path) -> None:
    """Make it the root, and let go of the real one, whose files are then out of reach."""
    os.chdir(root)
    subprocess.run(["pivot_root", ".", "mnt"], check=True)
    os.chdir("/")
    subprocess.run(["umount", "--lazy", "/mnt"], check=True)


def main(outside: str, scratch: str, *seen: str) -> None:
    """Build, verify, enter, and become systemd."""
    require_own_namespaces(outside)
    root = build(Path(scratch), dict(pair.split("=") for pair in seen))
    require_own_root(root)
    furnish(root)
    enter(root)
    # `container` keeps systemd from setting up what has no namespace.
    environment = {"container": "nstd-test", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    os.execve(SYSTEMD, [SYSTEMD, "--system", "--unit=multi-user.target"], environment)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
