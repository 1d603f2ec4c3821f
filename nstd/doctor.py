"""`nstd check`: can the daemon work here? Each finding says what is so, and what to do about it.

Nothing is changed: folders are looked at, not made. Only the smoke run imports TensorFlow, in a
worker process that ends with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nstd import devices, smoke
from nstd import worker as workers
from nstd.engine import weights
from nstd.errors import DeviceAbsentError, NstdError
from nstd.findings import Finding, fail, failure, ok, warn
from nstd.folders import FOLDERS
from nstd.hooks.faults import faults
from nstd.metrics import endpoint
from nstd.plugins import loading
from nstd.spool import lock, mounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nstd.config import Config

_MEBIBYTE: Final = 2**20
_INOTIFY: Final = Path("/proc/sys/fs/inotify")
_BOOTED: Final = Path("/run/systemd/system")  # exists where systemd is the init: sd_booted(3)
# Folders that may come below the inbox while the daemon runs.
_SPARE_WATCHES: Final = 1000
_PATIENCE: Final = 20.0


def examine(read: Callable[[], Config], main: workers.Main = workers.serve) -> list[Finding]:
    """Look at everything that the daemon needs.

    Args:
        read: gives the configuration, or raises as `config.load` does.
        main: the worker process's main function.
    """
    try:
        config = read()
    except NstdError as error:
        return [failure("configuration", error)]
    found = [ok("configuration", "valid, and its folders lie apart")]
    found += _daemon(config)
    for name in FOLDERS:
        found += _folder(config, name)
    found += _one_file_system(config)
    found += _library(config)
    found += _space(config)
    found.append(_notice(config))
    found += _plugins(config)
    found += _hooks(config)
    found += _metrics(config)
    found += _engine(config, main)
    found.append(_unit())
    return found


def _daemon(config: Config) -> Iterator[Finding]:
    """Whether one runs already; a second would not start."""
    with contextlib.suppress(NstdError):  # told with the folder
        if lock.is_held(config.folder("state")):
            yield ok("daemon", "nstd runs on these folders")


def _folder(config: Config, name: Any) -> Iterator[Finding]:  # noqa: ANN401 - one of FOLDERS
    """Whether a folder can be written to, or made; and whether its file system will do."""
    path = config.folder(name)
    present = _nearest(path)
    if not present.is_dir():
        yield fail(name, f"{present} is not a folder", "move it away, or place this one elsewhere")
        return
    if not os.access(present, os.R_OK | os.W_OK | os.X_OK):
        who = f"the user with the number {os.geteuid()}"
        remedy = f"let {who} read and write there, or run this as the service's user"
        yield fail(name, f"{present} can't be written", remedy)
        return
    kind = mounts.kind(present)
    if name == "state" and mounts.is_remote(present):
        what = f"{path} is on {kind}, a network file system: the ledger needs a local disk"
        yield fail(name, what, "set `state:` to a folder on a local disk")
        return
    on = f"on {kind}" if kind else "on a file system of unknown kind"
    if present == path:
        yield ok(name, f"{path}, {on}")
    else:
        what = f"{path} is not there; the daemon will make it {on}"
        yield warn(name, what, "mount the share first, if it should be on one")


def _nearest(path: Path) -> Path:
    """The folder itself, or what it would be made in."""
    return next(place for place in (path, *path.absolute().parents) if _is_there(place))


def _is_there(path: Path) -> bool:
    """Whether a path leads anywhere that this user may see."""
    try:
        return path.exists()
    except PermissionError:
        return False


def _one_file_system(config: Config) -> Iterator[Finding]:
    """Originals are filed by a rename where they can be, which takes one file system."""
    inbox = config.folder("inbox")
    for name in ("done", "failed"):
        path = config.folder(name)
        if _is_there(inbox) and _is_there(path) and inbox.stat().st_dev != path.stat().st_dev:
            what = f"{name} is on another file system than inbox: originals are copied there"
            remedy = "place them on one file system, so that a rename will do"
            yield warn("file systems", what, remedy)


def _library(config: Config) -> Iterator[Finding]:
    """Whether styles can be found there; jobs that name one wait until they can."""
    for path in config.styles:
        if not _is_there(path):
            yield warn("styles", f"{path} is not there", "make it, or mount the share it is on")
        elif not os.access(path, os.R_OK | os.X_OK):
            yield warn("styles", f"{path} can't be read", "let the service's user read it")
        else:
            yield ok("styles", str(path))


def _space(config: Config) -> Iterator[Finding]:
    """As the daemon looks at it before each job."""
    least = config.limits.min_free_bytes
    for name in ("state", "outbox"):
        found = os.statvfs(_nearest(config.folder(name)))
        free = found.f_bavail * found.f_frsize
        told = f"{free // _MEBIBYTE:,} MiB are free in {name}"
        if free < least:
            what = f"{told}; limits.min_free_bytes asks for {least // _MEBIBYTE:,}: jobs would wait"
            yield fail("disk space", what, "free some space")
        else:
            yield ok("disk space", told)


def _notice(config: Config) -> Finding:
    """How the daemon would hear of new files."""
    inbox, seconds = config.folder("inbox"), config.rescan_seconds
    mode = config.watch.mode
    if mode == "polling" or (mode == "auto" and mounts.is_remote(inbox)):
        return ok("file events", f"none: the inbox is listed every {seconds:g} s")
    if mounts.is_remote(inbox):
        what = f"the inbox is on {mounts.kind(inbox)}: no event tells of what other machines do"
        return warn("file events", what, "set watch.mode to auto or polling")
    try:
        limit = int((_INOTIFY / "max_user_watches").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return ok("file events", f"the kernel tells no limit; else every {seconds:g} s")
    folders = 1 + sum(len(names) for _, names, _ in os.walk(inbox))
    what = f"{folders:,} folders to watch, fs.inotify.max_user_watches is {limit:,}"
    if limit < folders + _SPARE_WATCHES:
        remedy = f"sysctl fs.inotify.max_user_watches={2 * (folders + _SPARE_WATCHES)}"
        return warn("file events", what, remedy)
    return ok("file events", what)


def _plugins(config: Config) -> Iterator[Finding]:
    """Whether they are installed; they are loaded by the worker only."""
    try:
        loading.require(config.plugin_names)
    except NstdError as error:
        yield failure("plugins", error)
        return
    for name in sorted(set(config.plugin_names)):
        yield ok("plugins", f"{name} {loading.version(name)}")


def _hooks(config: Config) -> Iterator[Finding]:
    """Whether hooks could be told; jobs are done all the same."""
    faulty = dict(faults(config.hooks))
    for label, _ in config.hooks.all.values():
        if label in faulty:
            error = faulty[label]
            place = f"{error.file}: " if error.file else ""
            yield warn(f"hooks.{label}", f"{place}{error.what}", error.remedy)
        else:
            yield ok(f"hooks.{label}", "its program is there, or its secret can be read")


def _metrics(config: Config) -> Iterator[Finding]:
    """Whether Prometheus could ask; a daemon that can't listen doesn't start."""
    if config.metrics.port is None:
        return
    where = f"{config.metrics.address}, port {config.metrics.port}"
    try:
        if lock.is_held(config.folder("state")):
            yield ok("metrics", f"{where}: nstd runs, and has it")
            return
        endpoint.try_listening(config.metrics)
    except NstdError as error:
        yield failure("metrics", error)
    else:
        yield ok("metrics", f"{where} is free")


def _engine(config: Config, main: workers.Main) -> Iterator[Finding]:
    """Weights, devices, and one tiny job on each device."""
    path = config.weights or weights.cached_path()
    try:
        pins = devices.pins(config.device, devices.inventory())
    except DeviceAbsentError as error:
        yield failure("devices", error)
        pins = ()
    else:
        told = ", ".join(str(pin.gpu or pin.name) for pin in pins)
        yield ok("devices", f"{config.device}: {told}")
    try:
        weights.verify(path)
    except NstdError as error:
        remedy = error.remedy or "fetch them with `nstd weights fetch`"
        yield dataclasses.replace(failure("weights", error), remedy=remedy)
        return
    yield ok("weights", f"{path}, verified")
    for pin in pins:
        try:
            done = smoke.run(config, path, pin, main)
        except NstdError as error:
            yield dataclasses.replace(
                failure(f"engine on {pin.name}", error),
                remedy="install TensorFlow anew; for a GPU as nstd[gpu], with a fitting driver",
            )
        else:
            what = f"{done.device}, {done.precision}: ready in {done.loading:.1f} s"
            yield ok(f"engine on {pin.name}", f"{what}, one iteration in {done.job:.1f} s")


def _unit() -> Finding:
    """Whether systemd, if it is there, would start the daemon."""
    if not _BOOTED.is_dir():
        return ok("service", "systemd does not run here: start `nstd run` by other means")
    # From the files alone, for which the service's own user needs no bus.
    try:
        done = subprocess.run(
            ["systemctl", "is-enabled", "nstd.service"],  # noqa: S607 - wherever it is
            env={**os.environ, "SYSTEMD_OFFLINE": "1"},
            check=False,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return warn("service", f"systemctl can't be asked: {error}")
    state = done.stdout.strip()
    if state == "enabled":
        return ok("service", "nstd.service is enabled: it starts with the machine")
    if state:
        remedy = "systemctl enable --now nstd"
        return warn("service", f"nstd.service is {state}", remedy)
    remedy = "install the unit: docs/service.md says how"
    return warn("service", "nstd.service is not installed", remedy)
