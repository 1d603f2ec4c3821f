"""The daemon from outside: a real process and real folders.

With the real network at small sizes where that matters, else with an engine that copies.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import save_picture
from daemon_process import PATIENCE, DaemonProcess, drop
from PIL import Image

from nstd import sidecar
from nstd.engine import weights
from nstd.entry import State
from nstd.params import StyleParams
from nstd.spool import files
from nstd.spool.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = "preset: classic\nsize: 256\niterations: 100000\n"


@pytest.fixture(scope="module", autouse=True)
def _weights() -> None:
    """Fetch the weights once, so that no daemon's patience is spent on it."""
    weights.resolve(None)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Share one running daemon among the tests that leave it as it was."""
    process = DaemonProcess(tmp_path_factory.mktemp("shared"), image_pixels=1_000_000)
    process.wait_for("worker.ready")
    yield process
    assert process.stop() == 0
    assert process.count("internal.error") == 0
    assert process.other_lines == []


@pytest.fixture
def inbox(daemon: DaemonProcess) -> Path:
    """Lend the shared daemon's inbox."""
    return daemon.root / "inbox"


def names(folder: Path) -> set[str]:
    """List the files of a folder."""
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_a_dropped_pair_becomes_a_painting(daemon: DaemonProcess, inbox: Path) -> None:
    """Result and manifest in the outbox, originals in done, nothing left in the inbox."""
    drop(inbox / "sea", "harbour", "preset: fast\niterations: 3\nsize: 48\n", size=(96, 64))
    hashes = {
        name: files.sha256(inbox / "sea" / name) for name in ("harbour.jpg", "harbour.style.png")
    }
    line = daemon.wait_for("job.done", name="sea/harbour")
    daemon.wait_for("job.retired", name="sea/harbour")
    outbox = daemon.root / "outbox" / "sea"
    assert names(outbox) == {"harbour.png", "harbour.json"}
    assert names(daemon.root / "done" / "sea") == {"harbour.yaml", *hashes}
    assert names(inbox / "sea") == set()
    with Image.open(outbox / "harbour.png") as result:
        assert result.size == (48, 32)
        assert np.asarray(result).std() > 10
    manifest = json.loads((outbox / "harbour.json").read_text())
    assert manifest["content"] == {"name": "harbour.jpg", "sha256": hashes["harbour.jpg"]}
    assert manifest["styles"] == [
        {"name": "harbour.style.png", "sha256": hashes["harbour.style.png"], "weight": 1.0}
    ]
    assert manifest["output"]["sha256"] == files.sha256(outbox / "harbour.png")
    assert manifest["network"] == {"id": "normalised", "sha256": weights.NORMALISED.sha256}
    assert manifest["iterations"] == 3
    assert manifest["losses"]["best"]["total"] <= manifest["losses"]["initial"]["total"]
    assert manifest["parameters"]["preset"] == "fast"
    assert {"queued", "load", "draft", "optimise", "encode"} <= manifest["seconds"].keys()
    assert line["job_id"] == manifest["job_id"]
    assert line["attempt"] == 1


def test_sizes_share_one_model_and_its_graphs(daemon: DaemonProcess, inbox: Path) -> None:
    """Six jobs of six sizes: no new worker, and no tracing after the first."""
    drop(inbox, "first")
    daemon.wait_for("job.done", name="first")
    sizes = [(64, 64), (96, 32), (32, 96), (51, 37), (80, 60), (17, 23)]
    for number, size in enumerate(sizes):
        drop(inbox, f"six{number}", size=size, seed=number)
    for number, (width, height) in enumerate(sizes):
        line = daemon.wait_for("job.done", name=f"six{number}")
        assert line["traces"] == 0
        scale = min(1, 64 / max(width, height))
        assert (line["width"], line["height"]) == (round(width * scale), round(height * scale))
    assert daemon.count("worker.ready") == 1


def test_jobs_may_share_their_images(daemon: DaemonProcess, inbox: Path) -> None:
    """Two sidecars, one style: both run, and the style is retired with the last."""
    style = save_picture(inbox / "shared" / "starry.png", seed=4)
    for name in ("one", "two"):
        save_picture(inbox / "shared" / f"{name}.jpg")
    for name in ("one", "two"):
        (inbox / "shared" / f"{name}.yaml").write_text("style: starry.png\n")
    for name in ("one", "two"):
        daemon.wait_for("job.retired", name=f"shared/{name}")
    assert not style.exists()
    done = {"one.jpg", "one.yaml", "two.jpg", "two.yaml", "starry.png"}
    assert names(daemon.root / "done" / "shared") == done


def test_alpha_survives(daemon: DaemonProcess, inbox: Path) -> None:
    """A picture with transparency gives one with the same transparency."""
    drop(inbox, "ghost", "content: ghost.png")
    pixels = np.zeros((48, 64, 4), np.uint8)
    pixels[..., 0] = 200
    pixels[:, 32:, 3] = 255
    (inbox / "ghost.jpg").unlink()
    Image.fromarray(pixels).save(inbox / "ghost.png")
    daemon.wait_for("job.done", name="ghost")
    with Image.open(daemon.root / "outbox" / "ghost.png") as result:
        alpha = np.asarray(result.getchannel("A"))
    assert (alpha[:, :30] == 0).all()
    assert (alpha[:, 34:] == 255).all()


def test_the_same_name_again_never_overwrites(daemon: DaemonProcess, inbox: Path) -> None:
    """The second result has a suffix, and the first is as it was."""
    for count in (1, 2):
        drop(inbox, "again", seed=count)
        daemon.wait_for("job.done", count=count, name="again")
    assert {"again.png", "again.json", "again-2.png", "again-2.json"} <= names(
        daemon.root / "outbox"
    )


HOSTILE = {
    "unknown_key": ("colour: red\n", "colour"),
    "out_of_range": ("size: 3\n", "size"),
    "not_yaml": ("size: [1\n", "not valid YAML"),
    "escaping": ("content: ../../etc/passwd\n", "content"),
    "absent": ("content: nowhere.jpg\n", "nowhere.jpg"),
    "too_small": ("preset: classic\nsize: 16\n", "too_small.jpg: size: is 16x12"),
}


def test_what_cannot_be_done_is_quarantined_with_a_reason(
    daemon: DaemonProcess, inbox: Path
) -> None:
    """Each with file, key and remedy; and the jobs between them run."""
    for name, (text, _) in HOSTILE.items():
        drop(inbox, name, text)
    drop(inbox, "truncated")
    data = (inbox / "truncated.jpg").read_bytes()
    (inbox / "truncated.jpg").write_bytes(data[: len(data) // 2])
    drop(inbox, "no_image")
    (inbox / "no_image.jpg").write_text("this is no picture at all")
    drop(inbox, "oversized")
    Image.new("L", (2000, 600)).save(inbox / "oversized.jpg")
    drop(inbox, "after_all_that")
    clauses = {name: clause for name, (_, clause) in HOSTILE.items()}
    clauses |= {
        "truncated": "truncated.jpg: is damaged",
        "no_image": "no_image.jpg",
        "oversized": "limits.image_pixels",
    }
    daemon.wait_for("job.done", name="after_all_that")
    failed = daemon.root / "failed"
    for name, clause in clauses.items():
        daemon.wait_for("job.retired", name=name)
        text = (failed / f"{name}.reason.txt").read_text()
        assert clause in text
        assert len(text.split(". ")) > 1, f"a remedy follows the problem: {text}"
        facts = json.loads((failed / f"{name}.reason.json").read_text())
        assert facts["message"] in text
        assert {f"{name}.yaml", f"{name}.style.png"} <= names(failed)
    assert not set(names(inbox)) & {f"{name}.yaml" for name in clauses}


def test_a_quarantined_job_can_be_corrected_and_moved_back(
    daemon: DaemonProcess, inbox: Path
) -> None:
    """A resubmission is a new job."""
    drop(inbox, "typo", "sise: 64\n")
    daemon.wait_for("job.retired", name="typo")
    failed = daemon.root / "failed"
    (failed / "typo.yaml").write_text("size: 64\n")
    for name in ("typo.jpg", "typo.style.png", "typo.yaml"):
        (failed / name).rename(inbox / name)
    daemon.wait_for("job.done", name="typo")


def test_every_line_is_json_and_names_its_job(daemon: DaemonProcess, inbox: Path) -> None:
    """Even for a name that isn't UTF-8 and has a line break in it."""
    name = os.fsdecode(b"caf\xe9\nnoir")
    drop(inbox, name)
    line = daemon.wait_for("job.done", name=name)
    assert daemon.other_lines == []
    of_job = [event for event in daemon.events if event.get("job_id") == line["job_id"]]
    told = [event["event"] for event in of_job if event["event"] != "job.duplicate"]
    assert told[:4] == ["job.claimed", "job.started", "job.estimated", "job.done"]
    assert (daemon.root / "outbox" / f"{name}.png").exists()


def test_a_second_daemon_is_refused(daemon: DaemonProcess) -> None:
    """Exit code 75, and the first goes on."""
    second = DaemonProcess(daemon.root)
    assert second.ended() == 75
    (event,) = (event for event in second.events if event["event"] == "daemon.failed")
    assert event["code"] == "locked"
    assert "another nstd holds this lock" in event["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order(tmp_path: Path, number: int) -> None:
    """The running job goes back to the queue when the grace time is over; exit code 0."""
    daemon = DaemonProcess(tmp_path, copying=True, grace_seconds=0.5)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "long", LONG)
    drop(tmp_path / "inbox", "next", LONG)
    daemon.wait_for("job.claimed", name="next")
    daemon.wait_for("job.progress")
    assert daemon.stop(number) == 0
    assert names(tmp_path / "outbox") == set()
    assert daemon.count("daemon.stopped") == 1
    assert "2 jobs will go on when it starts" in (tmp_path / "inbox" / "STATUS.txt").read_text()
    with contextlib.closing(Ledger(tmp_path / "state" / "ledger.sqlite")) as ledger:
        waiting = ledger.unsettled(State.CLAIMED)
    assert [(entry.name, entry.attempts, entry.crashes) for entry in waiting] == [
        ("long", 0, 0),
        ("next", 0, 0),
    ]


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """40. Long before the grace time is over; the running job goes on at the next start."""
    daemon = DaemonProcess(tmp_path, copying=True, grace_seconds=3600.0)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "long", LONG)
    daemon.wait_for("job.progress")
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait_for("daemon.stopping", grace_seconds=3600.0)
    assert daemon.process.poll() is None, "it waits for the job"
    assert daemon.stop() == 0
    assert names(tmp_path / "outbox") == set()
    with contextlib.closing(Ledger(tmp_path / "state" / "ledger.sqlite")) as ledger:
        (entry,) = ledger.unsettled(State.CLAIMED)
    assert (entry.name, entry.attempts, entry.crashes) == ("long", 0, 0)


def test_a_job_within_the_grace_time_is_finished(tmp_path: Path) -> None:
    """A stop does not throw away what is nearly done."""
    daemon = DaemonProcess(tmp_path, copying=True, grace_seconds=50.0)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "short", "preset: classic\nsize: 64\niterations: 20\n")
    daemon.wait_for("job.started")
    assert daemon.stop() == 0
    assert names(tmp_path / "outbox") == {"short.png", "short.json"}


def test_a_killed_worker_is_replaced_and_its_job_repeated(tmp_path: Path) -> None:
    """The death counts as an attempt; the next one succeeds."""
    daemon = DaemonProcess(tmp_path)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "a", "preset: classic\nsize: 64\niterations: 60\n")
    daemon.wait_for("job.progress")
    os.kill(daemon.worker(), signal.SIGKILL)
    assert daemon.wait_for("worker.died")["exit_code"] == -signal.SIGKILL
    assert daemon.wait_for("job.done")["attempt"] == 2
    assert daemon.stop() == 0


def test_a_job_that_keeps_killing_its_worker_is_quarantined(tmp_path: Path) -> None:
    """After `limits.attempts` deaths the queue moves on without it."""
    daemon = DaemonProcess(tmp_path, copying=True, attempts=2)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "poison", f"priority: 9\n{LONG}")
    for attempt in (1, 2):
        daemon.wait_for("job.started", attempt=attempt)
        daemon.wait_for("worker.ready", count=attempt)
        os.kill(daemon.worker(), signal.SIGKILL)
        daemon.wait_for("worker.died", count=attempt)
    assert daemon.wait_for("job.failed", name="poison")["code"] == "worker_died"
    drop(tmp_path / "inbox", "good")
    daemon.wait_for("job.done", name="good")
    assert daemon.stop() == 0


def test_a_killed_daemon_leaves_no_worker_and_loses_nothing(tmp_path: Path) -> None:
    """The orphan ends by itself; the next daemon puts the sidecar back and does the job."""
    daemon = DaemonProcess(tmp_path)
    daemon.wait_for("daemon.started")
    drop(tmp_path / "inbox", "a", "preset: classic\nsize: 64\niterations: 60\n")
    daemon.wait_for("job.progress")
    orphan = Path(f"/proc/{daemon.worker()}")
    daemon.stop(signal.SIGKILL)
    assert not (tmp_path / "inbox" / "a.yaml").exists()
    deadline = time.monotonic() + 20
    while orphan.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not orphan.exists()
    again = DaemonProcess(tmp_path)
    again.wait_for("job.recovered")
    again.wait_for("job.retired", name="a")
    assert again.stop() == 0
    assert names(tmp_path / "outbox") == {"a.png", "a.json"}
    assert names(tmp_path / "done") == {"a.yaml", "a.jpg", "a.style.png"}


def test_a_folder_that_may_not_be_changed_holds_nobody_else(tmp_path: Path) -> None:
    """A colleague's sidecar that can't be moved is complained of once; the next job runs."""
    drop(tmp_path / "inbox" / "theirs", "stuck", "priority: 9\n")
    drop(tmp_path / "inbox", "good")
    for folder in ("inbox", "outbox", "failed", "done", "state"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder).chmod(0o777)
    tmp_path.chmod(0o777)
    (tmp_path / "inbox" / "theirs").chmod(0o555)
    unprivileged = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
    if os.geteuid() == 0 and subprocess.run([*unprivileged, "true"], check=False).returncode:
        pytest.skip("setpriv can't drop root's right to write everywhere")
    daemon = DaemonProcess(
        tmp_path, copying=True, wrapper=unprivileged if os.geteuid() == 0 else []
    )
    daemon.wait_for("job.done", name="good")
    daemon.wait_for("scan.waiting")
    time.sleep(1.2)
    assert daemon.stop() == 0
    complaints = [event for event in daemon.events if event["event"] == "scan.waiting"]
    assert len(complaints) == 1
    assert "stuck.yaml: can't be moved out of its folder" in complaints[0]["reason"]
    assert (tmp_path / "inbox" / "theirs" / "stuck.yaml").exists()


def test_one_outbox_folder_that_refuses_holds_nobody_else(tmp_path: Path) -> None:
    """The blocked result waits, the others are published, and it follows when it can."""
    daemon = DaemonProcess(tmp_path, copying=True)
    daemon.wait_for("daemon.started")
    (tmp_path / "outbox" / "blocked").write_text("a file where a folder should be")
    drop(tmp_path / "inbox" / "blocked", "a", "priority: 9\n")
    drop(tmp_path / "inbox", "good")
    daemon.wait_for("job.done", name="good")
    daemon.wait_for("job.held", name="blocked/a")
    (tmp_path / "outbox" / "blocked").unlink()
    daemon.wait_for("job.done", name="blocked/a")
    assert daemon.stop() == 0


def test_once_does_not_wait_for_a_disk(tmp_path: Path) -> None:
    """Exit code 75 when a result can't be written; the job is done when it can."""
    drop(tmp_path / "inbox" / "blocked", "a")
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "blocked").write_text("a file where a folder should be")
    assert DaemonProcess(tmp_path, "once", copying=True).ended() == 75
    (tmp_path / "outbox" / "blocked").unlink()
    assert DaemonProcess(tmp_path, "once", copying=True).ended() == 0
    assert names(tmp_path / "outbox" / "blocked") == {"a.png", "a.json"}


def test_a_log_that_nobody_reads_stops_nothing(tmp_path: Path) -> None:
    """A full log disk costs the log, not the jobs."""
    drop(tmp_path / "inbox", "a", "preset: draft\n")
    command = [sys.executable, "-m", "nstd", "once", "--root", str(tmp_path)]
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(command, stderr=full, check=False, timeout=PATIENCE, env=environment)
    assert done.returncode == 0
    assert "a.png" in names(tmp_path / "outbox")


def test_a_texture_is_painted_without_content(daemon: DaemonProcess, inbox: Path) -> None:
    """`content: none`: the style alone makes the picture, and snapshots lie beside it."""
    save_picture(inbox / "cloth.style.png", 64, 48, seed=4)
    text = "content: none\npreset: fast\niterations: 4\nsnapshots: 2\n"
    (inbox / "cloth.yaml").write_text(text)
    daemon.wait_for("job.done", name="cloth")
    outbox = daemon.root / "outbox"
    assert names(outbox / "cloth.snapshots") == {"000002.jpg", "000004.jpg"}
    manifest = json.loads((outbox / "cloth.json").read_text())
    assert manifest["content"] is None
    assert manifest["output"]["width"] == 64


def test_a_painting_starts_from_a_sketch(daemon: DaemonProcess, inbox: Path) -> None:
    """`init` names an image beside the sidecar: before the first update, that is the picture."""
    for name, seed in (("house.png", 0), ("house.style.png", 1), ("sketch.png", 4)):
        save_picture(inbox / name, seed=seed)
    (inbox / "house.yaml").write_text("init: sketch.png\npreset: classic\niterations: 1\n")
    daemon.wait_for("job.retired", name="house")
    outbox, done = daemon.root / "outbox", daemon.root / "done"
    with Image.open(outbox / "house.png") as painted, Image.open(done / "sketch.png") as sketch:
        assert np.array_equal(np.asarray(painted), np.asarray(sketch))
    manifest = json.loads((outbox / "house.json").read_text())
    assert manifest["init"]["name"] == "sketch.png"
    assert manifest["parameters"]["init"] == "sketch.png"


def test_deep_pictures_and_their_metadata(daemon: DaemonProcess, inbox: Path) -> None:
    """Sixteen bits when asked for, and the content's EXIF but for its orientation."""
    drop(inbox, "deep", "depth: 16\nkeep_metadata: true\n")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "nstd test camera"
    with Image.open(inbox / "deep.jpg") as image:
        image.save(inbox / "deep.jpg", exif=exif)
    daemon.wait_for("job.done", name="deep")
    data = (daemon.root / "outbox" / "deep.png").read_bytes()
    assert data[24] == 16, "IHDR's bit depth"
    with Image.open(daemon.root / "outbox" / "deep.png") as result:
        assert result.size == (48, 64)
        found = result.getexif()
    assert found.get(0x010F) == "nstd test camera"
    assert 0x0112 not in found


def test_once_drains_and_exits(tmp_path: Path) -> None:
    """Everything that lies there is done, then the exit code is 0."""
    for name in ("a", "b"):
        drop(tmp_path / "inbox", name)
    once = DaemonProcess(tmp_path, "once")
    assert once.ended() == 0
    assert names(tmp_path / "outbox") == {"a.png", "a.json", "b.png", "b.json"}


def test_once_says_that_a_job_failed(tmp_path: Path) -> None:
    """Exit code 1, after the jobs that could be done."""
    drop(tmp_path / "inbox", "good")
    drop(tmp_path / "inbox", "bad", "sise: 3")
    assert DaemonProcess(tmp_path, "once", copying=True).ended() == 1
    assert "good.png" in names(tmp_path / "outbox")


def test_once_says_that_a_job_is_incomplete(tmp_path: Path) -> None:
    """Exit code 75: the sidecar is still in the inbox, waiting for its image."""
    drop(tmp_path / "inbox", "early", "style: late.jpg")
    assert DaemonProcess(tmp_path, "once", copying=True, incomplete_seconds=600).ended() == 75
    assert "early.yaml" in names(tmp_path / "inbox")


def test_settings_and_sidecar_agree() -> None:
    """The sidecar used here for long jobs is one that the program accepts."""
    parsed = sidecar.parse(LONG.encode(), file="long.yaml")
    assert parsed.params == StyleParams(preset="classic", size=256, iterations=100_000)
