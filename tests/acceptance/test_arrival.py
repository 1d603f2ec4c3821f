"""How files arrive: slowly, in any order, under odd names, at odd times (ACCEPTANCE 1 to 15)."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
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
)
from PIL import Image

from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE = 0.4
INCOMPLETE = 1.2
HALF_A_SECOND = "preset: fast\niterations: 50\n"
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
    waiting = daemon.wait_for("scan.waiting", sidecar="late.yaml")
    assert waiting["reason"].startswith("late.jpg can't be read yet: it is ")
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
    with running(tmp_path, incomplete_seconds=600.0) as daemon:
        daemon.wait_for("scan.waiting", sidecar="early.yaml", reason="missing.jpg is not there")
        status = tmp_path / "inbox" / "STATUS.txt"
        until(lambda: status.exists() and "missing.jpg is not there" in status.read_text())
        assert "Incomplete: 1\n  early.yaml: missing.jpg is not there\n" in status.read_text()
        # The time is over when nobody looks at the status any more, however slow the machine.
        config = tmp_path / "config.yaml"
        told = json.loads(config.read_text())
        told["limits"]["incomplete_seconds"] = 0.1
        config.write_text(json.dumps(told))
        daemon.process.send_signal(signal.SIGHUP)
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
