"""The daemon from outside: a real process and real folders.

With the real network at small sizes where that matters, else with an engine that copies.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import save_picture
from daemon_process import DaemonProcess, drop
from folders import names
from PIL import Image

from nstd.engine import weights
from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Fetched before, so that no daemon's patience is spent on it.
pytestmark = pytest.mark.usefixtures("weights_file")


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
