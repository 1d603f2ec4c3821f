"""How files arrive: slowly, in any order, under odd names, unseen (ACCEPTANCE 1 to 15)."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import save_picture
from daemon_process import DaemonProcess, drop
from folders import (
    blocks,
    logged_at,
    manifest,
    names,
    reason,
    run_once,
    running,
    until,
    visible,
    watched_inodes,
)
from PIL import Image

from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE = 0.4
INCOMPLETE = 1.2
HALF_A_SECOND = "preset: fast\niterations: 50\n"
QUEUED_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")
DAY = 86_400.0
CLOCK = Path(__file__).parent.parent / "doubles" / "jumping_clock.py"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Share one daemon among the tests that leave it as it was."""
    settings = {"settle_seconds": SETTLE, "ignore": ["*.bak.yaml", "draft-*"]}
    root = tmp_path_factory.mktemp("arrival")
    with running(root, settings=settings, incomplete_seconds=INCOMPLETE) as process:
        yield process


@pytest.fixture
def inbox(daemon: DaemonProcess) -> Path:
    """Lend the shared daemon's inbox."""
    return daemon.root / "inbox"


def large_picture(path: Path) -> bytes:
    """Make a picture of 20 MB: noise, which no format can make smaller."""
    pixels = np.random.default_rng(0).integers(0, 256, (2240, 3000, 3), np.uint8)
    Image.fromarray(pixels).save(path, compress_level=0)
    data = path.read_bytes()
    path.unlink()
    return data


def write_slowly(path: Path, data: bytes, pieces: int = 24, pause: float = 0.1) -> None:
    """Write a file as a copy over a slow line does."""
    size = -(-len(data) // pieces)
    with path.open("wb") as file:
        for start in range(0, len(data), size):
            file.write(data[start : start + size])
            file.flush()
            time.sleep(pause)


def test_a_slow_copy_is_waited_for(daemon: DaemonProcess, inbox: Path, tmp_path: Path) -> None:
    """1. While 20 MB trickle in nothing is claimed; when they have settled the job is done."""
    data = large_picture(tmp_path / "large.png")
    assert len(data) > 20_000_000
    save_picture(inbox / "slow.style.png")
    (inbox / "slow.yaml").write_text("content: slow.png\n")
    write_slowly(inbox / "slow.png", data)
    written = time.time()
    claimed = daemon.wait_for("job.claimed", name="slow")
    assert logged_at(claimed) > written + SETTLE - 0.15  # the last pause came after the last byte
    daemon.wait_for("job.done", name="slow")


def test_a_preallocated_file_is_waited_for(daemon: DaemonProcess, inbox: Path) -> None:
    """2. Zeros of the full size, the content later: one job, and it has the content."""
    save_picture(inbox / "late.style.png")
    data = save_picture(daemon.root / "late.jpg", seed=3).read_bytes()
    (inbox / "late.jpg").write_bytes(bytes(len(data)))
    (inbox / "late.yaml").write_text("# defaults\n")
    daemon.wait_for("scan.waiting", sidecar="late.yaml", reason="late.jpg can't be read yet")
    with (inbox / "late.jpg").open("r+b") as file:
        file.write(data)
    assert daemon.wait_for("job.done", name="late")["attempt"] == 1
    assert manifest(daemon.root, "late")["content"]["sha256"] == files.sha256(
        daemon.root / "late.jpg"
    )


def test_a_file_that_stays_unreadable_is_quarantined(daemon: DaemonProcess, inbox: Path) -> None:
    """2. `incomplete_seconds` after its last change it fails, and no attempt was used."""
    save_picture(inbox / "never.style.png")
    (inbox / "never.yaml").write_text("# defaults\n")
    (inbox / "never.jpg").write_bytes(bytes(9000))
    time.sleep(INCOMPLETE * 0.75)
    (inbox / "never.jpg").write_bytes(bytes(9500))
    changed = time.time()
    failed = daemon.wait_for("job.failed", name="never")
    assert logged_at(failed) > changed + INCOMPLETE - 0.1
    assert failed["attempt"] == 0
    assert reason(daemon.root, "never")["code"] == "image"
    assert not [e for e in daemon.events if e["event"] == "job.started" and e["name"] == "never"]


def test_a_copy_in_progress_at_the_start_is_waited_for(tmp_path: Path) -> None:
    """3. What lies there when the daemon starts is no more settled than what comes later."""
    drop(tmp_path / "inbox", "a")
    data = (tmp_path / "inbox" / "a.jpg").read_bytes()
    is_over = threading.Event()

    def copy() -> None:
        with (tmp_path / "inbox" / "a.jpg").open("wb") as file:
            for start in range(len(data)):
                file.write(data[start : start + 1])
                file.flush()
                if not is_over.is_set():
                    time.sleep(0.05)

    writer = threading.Thread(target=copy)
    writer.start()
    try:
        with running(tmp_path, incomplete_seconds=60) as daemon:
            time.sleep(1.0)
            assert (tmp_path / "inbox" / "a.yaml").exists()
            is_over.set()
            daemon.wait_for("job.retired", name="a")
            assert daemon.count("job.started") == 1
    finally:
        is_over.set()
        writer.join()
    digest = manifest(tmp_path, "a")["content"]["sha256"]
    assert digest == files.sha256(tmp_path / "done" / "a.jpg")
    assert (tmp_path / "done" / "a.jpg").read_bytes() == data


@pytest.mark.parametrize("empty", ["grows.yaml", "grows.jpg", "grows.style.png"])
def test_an_empty_file_is_waited_for(daemon: DaemonProcess, inbox: Path, empty: str) -> None:
    """4. A file of no bytes is ignored, however long it takes until it grows."""
    folder = inbox / empty
    drop(folder, "grows")
    (folder / empty).rename(folder / ".full")
    (folder / empty).touch()
    time.sleep(INCOMPLETE * 1.5)
    assert (folder / "grows.yaml").exists(), "neither claimed nor quarantined"
    (folder / empty).write_bytes((folder / ".full").read_bytes())
    daemon.wait_for("job.done", name=f"{empty}/grows")


def test_the_order_of_arrival_is_free(daemon: DaemonProcess, inbox: Path) -> None:
    """5. Whichever comes first waits for the others; there is one job of each three."""
    orders = list(itertools.permutations(["o.yaml", "o.jpg", "o.style.png"]))
    for number in range(len(orders)):
        drop(daemon.root / "outside" / f"order{number}", "o")
        (inbox / f"order{number}").mkdir()
    for names_now in zip(*orders, strict=True):
        for number, name in enumerate(names_now):
            (daemon.root / "outside" / f"order{number}" / name).rename(
                inbox / f"order{number}" / name
            )
        time.sleep(SETTLE * 1.5)
    for number in range(len(orders)):
        daemon.wait_for("job.retired", name=f"order{number}/o")
        assert names(daemon.root / "outbox" / f"order{number}") == {"o.png", "o.json"}


def test_an_incomplete_pair_is_reported_and_then_named(tmp_path: Path) -> None:
    """5. Log and STATUS.txt say at once what is missing; after a time the job fails over it."""
    drop(tmp_path / "inbox", "early", "content: missing.jpg\n")
    with running(tmp_path, incomplete_seconds=3.0) as daemon:
        daemon.wait_for("scan.waiting", sidecar="early.yaml", reason="missing.jpg is not there")
        status = tmp_path / "inbox" / "STATUS.txt"
        until(lambda: status.exists() and "missing.jpg is not there" in status.read_text())
        assert "Incomplete: 1\n  early.yaml: missing.jpg is not there\n" in status.read_text()
        daemon.wait_for("job.retired", name="early")
        until(lambda: "Failed: 1\n  early: early.yaml: content: waited" in status.read_text())
    told = reason(tmp_path, "early")
    assert (told["code"], told["file"], told["key"]) == ("missing_input", "early.yaml", "content")
    assert "limits.incomplete_seconds" in told["message"]


def test_a_rename_from_part_is_one_job(daemon: DaemonProcess, inbox: Path) -> None:
    """6. What a browser or rsync completes by renaming is taken once, under its last name."""
    drop(daemon.root / "outside", "whole")
    for name in ("whole.yaml", "whole.jpg", "whole.style.png"):
        (daemon.root / "outside" / name).rename(inbox / f"{name}.part")
    time.sleep(SETTLE * 2.5)
    assert names(inbox) >= {"whole.yaml.part", "whole.jpg.part", "whole.style.png.part"}
    for name in ("whole.jpg", "whole.yaml", "whole.style.png"):
        (inbox / f"{name}.part").rename(inbox / name)
    daemon.wait_for("job.retired", name="whole")
    time.sleep(1.0)
    daemon.wait_for("job.claimed", name="whole")
    assert names(daemon.root / "outbox") >= {"whole.png", "whole.json"}
    assert "whole-2.png" not in names(daemon.root / "outbox")


NOT_INPUTS = [
    ".hidden.yaml",
    "~opened.yaml",
    "saved.yaml~",
    "copied.yaml.tmp",
    "fetched.yaml.part",
    "fetched.yaml.crdownload",
    ".nfs000001.yaml",
    "._mac.yaml",
    "Thumbs.db",
    "desktop.ini",
    ".DS_Store",
    "@eaDir/synology.yaml",
    "lost+found/found.yaml",
    ".Trash/thrown.yaml",
    "old.bak.yaml",
    "draft-1.yaml",
]


def test_what_other_programs_leave_is_never_a_job(daemon: DaemonProcess, inbox: Path) -> None:
    """7. Hidden, temporary and system files, and the configured patterns, stay where they are."""
    folder = inbox / "left"
    for name in NOT_INPUTS:
        drop(folder / Path(name).parent, Path(name).stem.removeprefix("."))
        (folder / name).write_text("size: [a mistake that would be complained of\n")
        beside = folder / Path(name).parent / f"{Path(name).stem.removeprefix('.')}.yaml"
        if beside.name != Path(name).name:
            beside.unlink()
    before = visible(folder)
    drop(inbox, "after")
    daemon.wait_for("job.done", name="after")
    time.sleep(2 * SETTLE + INCOMPLETE)
    assert visible(folder) == before
    told = json.dumps(daemon.events)
    assert not [name for name in NOT_INPUTS if Path(name).name in told]


@pytest.fixture
def few_queued_events() -> Iterator[None]:
    """Let inotify's queue overflow after 16 events; the watch takes the number when it starts."""
    before = QUEUED_EVENTS.read_text()
    try:
        QUEUED_EVENTS.write_text("16")
    except OSError as error:
        pytest.skip(f"fs.inotify.max_queued_events can't be lowered: {error.strerror}")
    try:
        yield
    finally:
        QUEUED_EVENTS.write_text(before)


@pytest.mark.usefixtures("few_queued_events")
def test_an_event_overflow_loses_nothing(tmp_path: Path) -> None:
    """8. 500 files drop on a stopped daemon with room for 16 events: every job is done."""
    picture = save_picture(tmp_path / "a.jpg")
    with running(tmp_path) as daemon:
        os.kill(daemon.process.pid, signal.SIGSTOP)
        try:
            for number in range(50):
                folder = tmp_path / "inbox" / str(number)
                folder.mkdir()
                for name in ("a.jpg", "a.style.jpg", *(f"stray{i}.jpg" for i in range(7))):
                    shutil.copy(picture, folder / name)
                (folder / "a.yaml").write_text("# defaults\n")
        finally:
            os.kill(daemon.process.pid, signal.SIGCONT)
        daemon.wait_for("warning", message="Inotify queue overflowed; filesystem events were lost")
        daemon.wait_for("job.retired", count=50)
        # With more folders than that queue holds, watching would overflow again and again.
        daemon.wait_for("watch.degraded")
        drop(tmp_path / "inbox" / "49", "later")
        daemon.wait_for("job.retired", name="49/later")
        assert watched_inodes(daemon.process.pid) == set()
        overflows = daemon.count("warning")
        drop(tmp_path / "inbox", "last")
        daemon.wait_for("job.retired", name="last")
        assert daemon.count("warning") == overflows
    assert {Path(path).name for path in visible(tmp_path / "inbox")} == {
        f"stray{i}.jpg" for i in range(7)
    }
    results = [path for path in visible(tmp_path / "outbox") if path.endswith(".png")]
    assert len(results) == 52


def test_a_rescan_finds_what_no_event_tells(tmp_path: Path) -> None:
    """9. Without any watch, jobs are found all the same."""
    with running(tmp_path, settings={"watch": {"mode": "polling"}}) as daemon:
        time.sleep(1.0)
        drop(tmp_path / "inbox" / "deep" / "down", "a")
        daemon.wait_for("job.retired", name="deep/down/a")
        assert watched_inodes(daemon.process.pid) == set()


def few_watches(number: int) -> list[str]:
    """Wrap a command in a user namespace with so many inotify watches; skip if that is refused."""
    script = f'echo {number} > /proc/sys/user/max_inotify_watches && exec "$@"'
    wrapper = ["unshare", "-Ur", "sh", "-c", script, "sh"]
    tried = subprocess.run([*wrapper, "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no user namespace with fewer watches: {tried.stderr.strip()}")
    return wrapper


def test_a_refused_watch_means_rescans(tmp_path: Path) -> None:
    """10. With three inotify watches in all there is one warning, and jobs are found by rescans."""
    for number in range(4):
        drop(tmp_path / "inbox" / f"{number}", "a")
    with running(tmp_path, wrapper=few_watches(3)) as daemon:
        daemon.wait_for("job.done", count=4)
        drop(tmp_path / "inbox" / "3", "b")
        daemon.wait_for("job.done", name="3/b")
        time.sleep(1.2)  # two rescans more
    (warning,) = (event for event in daemon.events if event["event"] == "watch.degraded")
    assert warning["reason"].endswith("inotify watch limit reached")
    assert "fs.inotify.max_user_watches" in warning["remedy"]


def test_a_watch_refused_later_means_rescans(tmp_path: Path) -> None:
    """10. Folders that come when the watches are used up are found by rescans; one warning."""
    with running(tmp_path, wrapper=few_watches(8)) as daemon:
        for number in range(12):
            drop(tmp_path / "inbox" / f"{number}", "a")
        daemon.wait_for("job.done", count=12)
        drop(tmp_path / "inbox" / "11", "b")
        daemon.wait_for("job.done", name="11/b")
        time.sleep(1.2)
    assert daemon.count("watch.degraded") == 1


class Share:
    """A folder that is mounted as the inbox, in a mount namespace of the daemon's own.

    Args:
        root: of the daemon.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / "share"
        self.point = root / "inbox"
        self.folder.mkdir()
        self.point.mkdir()
        mount = f'mount --bind {self.folder} {self.point} && exec "$@"'
        self.wrapper = ["unshare", "-m", "sh", "-c", mount, "sh"]
        tried = subprocess.run([*self.wrapper, "true"], check=False, capture_output=True, text=True)
        if tried.returncode:
            pytest.skip(f"no mount namespace: {tried.stderr.strip()}")

    def _within(self, daemon: DaemonProcess, *command: str) -> None:
        enter = ["nsenter", "-t", str(daemon.process.pid), "-m"]
        subprocess.run([*enter, *command], check=True)

    def vanish(self, daemon: DaemonProcess) -> None:
        """Unmount it, busy as it is."""
        self._within(daemon, "umount", "-l", str(self.point))

    def come_back(self, daemon: DaemonProcess) -> None:
        """Mount it again."""
        self._within(daemon, "mount", "--bind", str(self.folder), str(self.point))


def test_an_inbox_that_vanishes_for_a_while(tmp_path: Path) -> None:
    """11. An unmounted inbox isn't "all deleted": nothing ends, and all goes on when it's back."""
    share = Share(tmp_path)
    with running(tmp_path, wrapper=share.wrapper) as daemon:
        drop(share.folder, "first", "preset: fast\niterations: 150\n")
        drop(share.folder, "waits", "style: late.png\n")
        daemon.wait_for("job.started", name="first")
        share.vanish(daemon)
        daemon.wait_for("inbox.absent")
        drop(share.folder, "second")
        time.sleep(2.0)  # the first job ends meanwhile
        assert list(share.point.iterdir()) == [], "nothing is written to the empty mount point"
        assert names(share.folder) >= {"first.jpg", "first.style.png", "second.yaml", "waits.yaml"}
        assert names(tmp_path / "failed") == names(tmp_path / "done") == set()
        share.come_back(daemon)
        daemon.wait_for("inbox.back")
        daemon.wait_for("job.retired", name="first")
        daemon.wait_for("job.retired", name="second")
        assert daemon.count("inbox.absent") == daemon.count("inbox.back") == 1
        drop(share.folder, "third")
        daemon.wait_for("job.retired", name="third")
        seen = watched_inodes(daemon.process.pid)
        assert share.folder.stat().st_ino in seen, "events are heard again"


def test_an_absent_inbox_at_the_start(tmp_path: Path) -> None:
    """11. A daemon whose inbox isn't mounted yet waits for it instead of beginning a new one."""
    drop(tmp_path / "inbox", "a")
    assert run_once(tmp_path)[0] == 0
    (tmp_path / "inbox").rename(tmp_path / "elsewhere")
    (tmp_path / "inbox").mkdir()
    assert run_once(tmp_path)[0] == 73
    assert names(tmp_path / "inbox") == set()
    daemon = DaemonProcess(tmp_path, copying=True)
    try:
        daemon.wait_for("inbox.absent")
        (tmp_path / "inbox").rmdir()
        (tmp_path / "elsewhere").rename(tmp_path / "inbox")
        drop(tmp_path / "inbox", "b")
        daemon.wait_for("inbox.back")
        daemon.wait_for("job.retired", name="b")
        assert daemon.stop() == 0
    finally:
        daemon.process.kill()


ODD_NAMES = {
    "not UTF-8": b"caf\xe9 \xff\xfe",
    "with line breaks": b"two\nlines\r\nand \x1b[31mred",
    "with quotes": b"\"'`$(touch x)\\",
    "with blanks": b" - leading dash and blanks ",
    "of 250 bytes": b"x" * 250,
    "of 250 bytes in UTF-8": "€".encode() * 83 + b"z",
    "right to left": "\u202egpj.evil".encode(),
}


@pytest.fixture(scope="module")
def _oddly_named(daemon: DaemonProcess) -> None:
    """Drop a good and a bad job under each odd name, all at once."""
    for place, wrong in {"good": "", "bad": "sise: 3\n"}.items():
        for number, name in enumerate(ODD_NAMES.values()):
            stem, folder = os.fsdecode(name), daemon.root / "inbox" / place
            save_picture(folder / f"{stem}.jpg")
            save_picture(folder / f"style{number}.png", seed=1)
            (folder / f"{stem}.yaml").write_text(f"style: style{number}.png\n{wrong}")


@pytest.mark.usefixtures("_oddly_named")
@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=list(ODD_NAMES))
def test_odd_names_are_processed_or_quarantined(
    daemon: DaemonProcess,
    inbox: Path,
    name: bytes,
    bad: bool,  # noqa: FBT001
) -> None:
    """12. Names are bytes; whatever they are, results and reasons appear and the log is JSON."""
    stem, place = os.fsdecode(name), "bad" if bad else "good"
    line = daemon.wait_for("job.retired", name=f"{place}/{stem}")
    home = daemon.root / ("failed" if bad else "done") / place
    assert {f"{stem}.yaml", f"{stem}.jpg"} <= names(home)
    assert not {f"{stem}.yaml", f"{stem}.jpg"} & names(inbox / place)
    if bad:
        text = Path(daemon.wait_for("job.failed", name=f"{place}/{stem}")["reason"])
        words = text.read_text("utf-8").removesuffix("\n")
        assert words.isprintable(), "no name can forge a line or move a terminal's cursor"
        facts = json.loads(text.with_suffix(".json").read_bytes())
        assert facts["job_id"] == line["job_id"]
        assert facts["name"] == f"{place}/{stem}"
    else:
        done = daemon.wait_for("job.done", name=f"{place}/{stem}")
        assert json.loads(Path(done["manifest"]).read_bytes())["job_id"] == line["job_id"]
    assert daemon.other_lines == []


def test_a_long_name_that_is_taken_finds_another(tmp_path: Path) -> None:
    """12. A claimed sidecar of 255 bytes that no ledger knows returns beside one of its name."""
    stem = "€" * 83 + "z"
    drop(tmp_path / "outside", "a")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "outside" / "a.jpg").rename(tmp_path / "inbox" / f"{stem}.jpg")
    (tmp_path / "outside" / "a.style.png").rename(tmp_path / "inbox" / "s.png")
    (tmp_path / "inbox" / f"{stem}.yaml").write_text("style: s.png\n")
    assert run_once(tmp_path, crash=["claimed"])[0] == -9
    (tmp_path / "inbox" / f"{stem}.yaml").write_text("style: s.png\noutput: second\n")
    shutil.rmtree(tmp_path / "state")
    code, _ = run_once(tmp_path)
    assert "second.png" in names(tmp_path / "outbox")
    assert code == 1, "the one that returned has no content image of its new name"
    assert visible(tmp_path / "inbox") == {}


@pytest.mark.parametrize("days", [-1.0, 1.0], ids=["yesterday", "tomorrow"])
def test_modification_times_tell_nothing(daemon: DaemonProcess, inbox: Path, days: float) -> None:
    """13. A producer's clock a day off neither hastens nor delays a file, nor does a new time."""
    name = f"clock{days:+g}"
    then = time.time() + days * DAY
    drop(inbox, name)
    for end in (".jpg", ".style.png", ".yaml"):
        os.utime(inbox / f"{name}{end}", (then, then))
    for number in range(4):  # still being written, as far as anybody can tell
        time.sleep(SETTLE / 2)
        os.utime(inbox / f"{name}.jpg", (then + number, then + number))
    touched = time.time()
    claimed = daemon.wait_for("job.claimed", name=name)
    assert logged_at(claimed) > touched + SETTLE - 0.15
    daemon.wait_for("job.done", name=name)


def jumping_clock() -> list[str]:
    """Wrap a command in a wall clock that jumps: libfaketime's if it is there, else a double."""
    if faketime := next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None):
        return [
            "env",
            f"LD_PRELOAD={faketime}",
            "DONT_FAKE_MONOTONIC=1",
            "FAKETIME=+0 x1000000",  # eleven days in a second
        ]
    return [sys.executable, str(CLOCK)]


def seconds_in_ledger(root: Path) -> float:
    """How far apart the earliest and the latest thing lie that the ledger tells of."""
    with contextlib.closing(sqlite3.connect(root / "state" / "ledger.sqlite")) as ledger:
        (spread,) = ledger.execute("SELECT max(at) - min(at) FROM transitions").fetchone()
    return float(spread)


def test_a_jumping_wall_clock_changes_nothing(tmp_path: Path) -> None:
    """13. Days pass within seconds, or come again; only the monotonic clock settles files."""
    wrapper = jumping_clock()
    settings = {"settle_seconds": 1.0}
    with running(tmp_path, wrapper=wrapper, settings=settings, incomplete_seconds=60) as daemon:
        drop(tmp_path / "inbox", "a")
        for _ in range(4):
            time.sleep(0.5)
            with (tmp_path / "inbox" / "a.yaml").open("a") as file:
                file.write("# still writing\n")
        written = time.monotonic()
        drop(tmp_path / "inbox", "waits", "style: never.png\n")
        until(lambda: not (tmp_path / "inbox" / "a.yaml").exists())
        assert time.monotonic() - written > 0.8
        daemon.wait_for("job.retired", name="a")
        for number in range(20):  # until the clock was seen to jump
            if seconds_in_ledger(tmp_path) > DAY / 2:
                break
            drop(tmp_path / "inbox", f"more{number}")
            daemon.wait_for("job.retired", name=f"more{number}")
        assert seconds_in_ledger(tmp_path) > DAY / 2
        assert (tmp_path / "inbox" / "waits.yaml").exists(), "days are not what it waits for"


@pytest.mark.parametrize("how", ["renamed over", "written over"])
def test_an_input_replaced_after_the_claim(daemon: DaemonProcess, inbox: Path, how: str) -> None:
    """14. The result is the claimed version's; the new file stays and is a new job in its turn."""
    name = how.replace(" ", "-")
    drop(inbox, name, HALF_A_SECOND)
    content = inbox / f"{name}.jpg"
    before, claimed = blocks(content), files.sha256(content)
    daemon.wait_for("job.started", name=name)
    new = save_picture(daemon.root / f"new-{name}.jpg", seed=7).read_bytes()
    if how == "renamed over":
        (daemon.root / f"new-{name}.jpg").replace(content)
    else:
        content.write_bytes(new)
    daemon.wait_for("job.retired", name=name)
    assert manifest(daemon.root, name)["content"]["sha256"] == claimed
    assert np.abs(blocks(daemon.root / "outbox" / f"{name}.png") - before).max() < 2
    assert content.read_bytes() == new
    assert names(daemon.root / "done") >= {f"{name}.yaml", f"{name}.style.png"}
    assert f"{name}.jpg" not in names(daemon.root / "done")
    save_picture(inbox / f"{name}.style.png")
    (inbox / f"{name}.yaml").write_text("# once more\n")
    daemon.wait_for("job.retired", count=2, name=name)
    after = manifest(daemon.root, f"{name}-2")
    home = daemon.root / "done" / after["job_id"]  # the first one's sidecar has the name in done/
    assert after["content"]["sha256"] == files.sha256(home / f"{name}.jpg")
    assert after["content"]["sha256"] != claimed


@pytest.mark.parametrize("how", ["renamed", "deleted"])
def test_an_input_that_goes_while_the_job_runs(
    daemon: DaemonProcess, inbox: Path, how: str
) -> None:
    """15. The job ends from its own copy; what was renamed stays under its new name."""
    drop(inbox / how, "a", HALF_A_SECOND)
    before = blocks(inbox / how / "a.jpg")
    daemon.wait_for("job.started", name=f"{how}/a")
    if how == "renamed":
        (inbox / how / "a.jpg").rename(inbox / how / "mine.jpg")
    else:
        (inbox / how / "a.jpg").unlink()
        (inbox / how / "a.style.png").unlink()
    daemon.wait_for("job.retired", name=f"{how}/a")
    assert np.abs(blocks(daemon.root / "outbox" / how / "a.png") - before).max() < 2
    assert names(inbox / how) == ({"mine.jpg"} if how == "renamed" else set())
    filed = {"a.yaml", "a.style.png"} if how == "renamed" else {"a.yaml"}
    assert names(daemon.root / "done" / how) == filed
