"""`nstd check`: can the daemon work here? Each finding says what is so, and what to do about it.

Nothing is changed: folders are looked at, not made. Only the smoke run imports TensorFlow, in a
worker process that ends with it.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Column, Table
from rich.text import Text

from nstd import devices, smoke
from nstd import worker as workers
from nstd.engine import weights
from nstd.errors import DeviceAbsentError, NstdError
from nstd.folders import FOLDERS
from nstd.hooks.faults import faults
from nstd.plugins import loading
from nstd.spool import mounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nstd.config import Config

_MEBIBYTE: Final = 2**20
_INOTIFY: Final = Path("/proc/sys/fs/inotify")
_BOOTED: Final = Path("/run/systemd/system")  # exists where systemd is the init: sd_booted(3)
# Folders that may come below the inbox while the daemon runs.
_SPARE_WATCHES: Final = 1000
_PATIENCE: Final = 20.0


class Verdict(StrEnum):
    """What a finding means."""

    OK = "ok"
    WARN = "warn"  # the daemon will work, less well than it could
    FAIL = "fail"  # it will not


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: its name.
        what: what is so.
        remedy: what to do about it; empty if nothing is to be done.
        exit_code: what the daemon would exit with, or 1; 0 unless it is a failure.
    """

    check: str
    verdict: Verdict
    what: str
    remedy: str = ""
    exit_code: int = 0


def examine(read: Callable[[], Config], main: workers.Main = workers.serve) -> list[Finding]:
    """Look at everything that the daemon needs.

    Args:
        read: gives the configuration, or raises as `config.load` does.
        main: the worker process's main function.
    """
    try:
        config = read()
    except NstdError as error:
        return [_failure("configuration", error)]
    found = [_ok("configuration", "valid, and its folders lie apart")]
    for name in FOLDERS:
        found += _folder(config, name)
    found += _one_file_system(config)
    found += _space(config)
    found.append(_notice(config))
    found += _plugins(config)
    found += _hooks(config)
    found += _engine(config, main)
    found.append(_unit())
    return found


def exit_code(findings: Sequence[Finding]) -> int:
    """0 if nothing failed; else 78 or 69 where the daemon would exit so, else 1."""
    codes = {finding.exit_code for finding in findings}
    return next((code for code in (78, 69, 1) if code in codes), 0)


def plain(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as JSON knows values."""
    rows = []
    for finding in findings:
        row = dataclasses.asdict(finding)
        del row["exit_code"]
        rows.append(row)
    code = exit_code(findings)
    return {"ok": code == 0, "exit_code": code, "findings": rows}


def table(findings: Sequence[Finding]) -> Table:
    """The findings for people."""
    colors = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
    rows = Table("check", "", Column("what is so", overflow="fold"), "what to do")
    for finding in findings:
        # As text, since a path may look like markup.
        words = [Text(word) for word in (finding.check, finding.what, finding.remedy)]
        words.insert(1, Text(finding.verdict, colors[finding.verdict]))
        rows.add_row(*words)
    return rows


def _ok(check: str, what: str) -> Finding:
    return Finding(check, Verdict.OK, what)


def _fail(check: str, what: str, remedy: str) -> Finding:
    return Finding(check, Verdict.FAIL, what, remedy, 1)


def _failure(check: str, error: NstdError) -> Finding:
    """An error as a finding; only those that end the daemon for good keep their own exit code."""
    code = error.exit_code if error.exit_code in {69, 78} else 1
    place = "".join(f"{part}: " for part in (error.file, error.key) if part)
    return Finding(check, Verdict.FAIL, f"{place}{error.what}", error.remedy, code)


def _folder(config: Config, name: Any) -> Iterator[Finding]:  # noqa: ANN401 - one of FOLDERS
    """Whether a folder can be written to, or made; and whether its file system will do."""
    path = config.folder(name)
    present = _nearest(path)
    if not present.is_dir():
        yield _fail(name, f"{present} is not a folder", "move it away, or place this one elsewhere")
        return
    if not os.access(present, os.R_OK | os.W_OK | os.X_OK):
        who = f"the user with the number {os.geteuid()}"
        remedy = f"let {who} read and write there, or run this as the service's user"
        yield _fail(name, f"{present} can't be written", remedy)
        return
    kind = mounts.kind(present)
    if name == "state" and mounts.is_remote(present):
        what = f"{path} is on {kind}, a network file system: the ledger needs a local disk"
        yield _fail(name, what, "set `state:` to a folder on a local disk")
        return
    on = f"on {kind}" if kind else "on a file system of unknown kind"
    if present == path:
        yield _ok(name, f"{path}, {on}")
    else:
        what = f"{path} is not there; the daemon will make it {on}"
        yield Finding(name, Verdict.WARN, what, "mount the share first, if it should be on one")


def _nearest(path: Path) -> Path:
    """The folder itself, or what it would be made in."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def _one_file_system(config: Config) -> Iterator[Finding]:
    """Originals are filed by a rename where they can be, which takes one file system."""
    inbox = config.folder("inbox")
    for name in ("done", "failed"):
        path = config.folder(name)
        if inbox.exists() and path.exists() and inbox.stat().st_dev != path.stat().st_dev:
            what = f"{name} is on another file system than inbox: originals are copied there"
            remedy = "place them on one file system, so that a rename will do"
            yield Finding("file systems", Verdict.WARN, what, remedy)


def _space(config: Config) -> Iterator[Finding]:
    """As the daemon looks at it before each job."""
    least = config.limits.min_free_bytes
    for name in ("state", "outbox"):
        found = os.statvfs(_nearest(config.folder(name)))
        free = found.f_bavail * found.f_frsize
        told = f"{free // _MEBIBYTE:,} MiB are free in {name}"
        if free < least:
            what = f"{told}; limits.min_free_bytes asks for {least // _MEBIBYTE:,}: jobs would wait"
            yield _fail("disk space", what, "free some space")
        else:
            yield _ok("disk space", told)


def _notice(config: Config) -> Finding:
    """How the daemon would hear of new files."""
    inbox, seconds = config.folder("inbox"), config.rescan_seconds
    mode = config.watch.mode
    if mode == "polling" or (mode == "auto" and mounts.is_remote(inbox)):
        return _ok("file events", f"none: the inbox is listed every {seconds:g} s")
    if mounts.is_remote(inbox):
        what = f"the inbox is on {mounts.kind(inbox)}: no event tells of what other machines do"
        return Finding("file events", Verdict.WARN, what, "set watch.mode to auto or polling")
    try:
        limit = int((_INOTIFY / "max_user_watches").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return _ok("file events", f"the kernel tells no limit; else every {seconds:g} s")
    folders = 1 + sum(len(names) for _, names, _ in os.walk(inbox))
    what = f"{folders:,} folders to watch, fs.inotify.max_user_watches is {limit:,}"
    if limit < folders + _SPARE_WATCHES:
        remedy = f"sysctl fs.inotify.max_user_watches={2 * (folders + _SPARE_WATCHES)}"
        return Finding("file events", Verdict.WARN, what, remedy)
    return _ok("file events", what)


def _plugins(config: Config) -> Iterator[Finding]:
    """Whether they are installed; they are loaded by the worker only."""
    try:
        loading.require(config.plugin_names)
    except NstdError as error:
        yield _failure("plugins", error)
        return
    for name in sorted(set(config.plugin_names)):
        yield _ok("plugins", f"{name} {loading.version(name)}")


def _hooks(config: Config) -> Iterator[Finding]:
    """Whether hooks could be told; jobs are done all the same."""
    faulty = dict(faults(config.hooks))
    for label, _ in config.hooks.all.values():
        if label in faulty:
            error = faulty[label]
            place = f"{error.file}: " if error.file else ""
            yield Finding(f"hooks.{label}", Verdict.WARN, f"{place}{error.what}", error.remedy)
        else:
            yield _ok(f"hooks.{label}", "its program is there, or its secret can be read")


def _engine(config: Config, main: workers.Main) -> Iterator[Finding]:
    """Weights, devices, and one tiny job on each device."""
    path = config.weights or weights.cached_path()
    try:
        pins = devices.pins(config.device, devices.inventory())
    except DeviceAbsentError as error:
        yield _failure("devices", error)
        pins = ()
    else:
        told = ", ".join(str(pin.gpu or pin.name) for pin in pins)
        yield _ok("devices", f"{config.device}: {told}")
    try:
        weights.verify(path)
    except NstdError as error:
        remedy = error.remedy or "fetch them with `nstd weights fetch`"
        yield dataclasses.replace(_failure("weights", error), remedy=remedy)
        return
    yield _ok("weights", f"{path}, verified")
    for pin in pins:
        try:
            done = smoke.run(config, path, pin, main)
        except NstdError as error:
            yield dataclasses.replace(
                _failure(f"engine on {pin.name}", error),
                remedy="install TensorFlow anew; for a GPU as nstd[gpu], with a fitting driver",
            )
        else:
            what = f"{done.device}, {done.precision}: ready in {done.loading:.1f} s"
            yield _ok(f"engine on {pin.name}", f"{what}, one iteration in {done.job:.1f} s")


def _unit() -> Finding:
    """Whether systemd, if it is there, would start the daemon."""
    if not _BOOTED.is_dir():
        return _ok("service", "systemd does not run here: start `nstd run` by other means")
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
        return Finding("service", Verdict.WARN, f"systemctl can't be asked: {error}")
    state = done.stdout.strip()
    if state == "enabled":
        return _ok("service", "nstd.service is enabled: it starts with the machine")
    if state:
        remedy = "systemctl enable --now nstd"
        return Finding("service", Verdict.WARN, f"nstd.service is {state}", remedy)
    remedy = "install the unit: docs/service.md says how"
    return Finding("service", Verdict.WARN, "nstd.service is not installed", remedy)
