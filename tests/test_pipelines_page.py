"""docs/pipelines.md runs, on the real network."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from daemon_process import PATIENCE, DaemonProcess, drop
from doc_pages import DOCS, blocks, environment, shell
from PIL import Image

import nstd

PAGE = "pipelines.md"
LOOP, APART, TOGETHER = blocks(PAGE, "sh")
(MAKEFILE,) = blocks(PAGE, "make")
FRAMES, CONSUMER = blocks(PAGE, "python")
FILMED = 3


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """Lend a folder with a style and two photos."""
    demo = Path(nstd.__file__).parent / "demo"
    shutil.copy(demo / "brushwork.jpg", tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("harbour", "evening"):
        shutil.copy(demo / "harbour.jpg", tmp_path / "photos" / f"{name}.jpg")
    return tmp_path


def test_the_loop_paints_every_photo(studio: Path) -> None:
    """And leaves what was done beside it; a photo that is none, before it, stops nothing."""
    (studio / "photos" / "broken.jpg").write_text("no photo")
    (studio / "photos" / "evening.jpg").unlink()
    shell(LOOP, studio)
    painted = studio / "painted"
    assert {path.name for path in painted.glob("*.png")} == {"harbour.png"}
    told = json.loads((painted / "harbour.json").read_text())
    assert told["parameters"]["preset"] == "draft"
    assert told["output"]["width"] == 128


def test_make_paints_what_is_missing(studio: Path) -> None:
    """Once; then only what is new."""
    (studio / "Makefile").write_text(MAKEFILE)
    (studio / "photos" / "evening.jpg").unlink()
    assert "nstd stylize photos/harbour.jpg brushwork.jpg" in shell("make", studio)
    assert (studio / "painted" / "harbour.png").exists()
    assert "nstd" not in shell("make", studio)
    (studio / "photos" / "later.jpg").write_bytes((studio / "photos" / "harbour.jpg").read_bytes())
    assert "photos/later.jpg" in shell("make --dry-run", studio)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_frames_are_painted_each_from_the_one_before(studio: Path) -> None:
    """A film of a harbour that drifts by, apart, painted, and together again."""
    for number in range(FILMED):
        with Image.open(studio / "photos" / "harbour.jpg") as photo:
            frame = photo.convert("RGB").resize((192, 128)).crop((number, 0, number + 96, 64))
        frame.save(studio / f"shot-{number}.png")
    lossless = "-c:v libx264 -qp 0 -pix_fmt yuv444p"
    shell(f"ffmpeg -loglevel error -framerate 12 -i shot-%d.png {lossless} clip.mp4", studio)
    shell(APART, studio)
    quicker = FRAMES.replace("iterations=60", "iterations=8").replace(
        "iterations=20", "iterations=6"
    )
    script = f"import sys; sys.argv = ['page']\n{quicker}\nassert params is later"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=studio, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (studio / "painted-frames").iterdir())
    assert names == [f"{number:05}.png" for number in range(1, FILMED + 1)]
    painted = [np.asarray(Image.open(studio / "painted-frames" / name), float) for name in names]
    changes = [np.abs(after - before).mean() for before, after in itertools.pairwise(painted)]
    assert min(changes) > 2  # of 255: the film doesn't stand still
    shell(TOGETHER, studio)
    again = "mkdir again && ffmpeg -loglevel error -i painted.mp4 again/%05d.png"
    shell(again, studio)
    with Image.open(studio / "again" / f"{FILMED:05}.png") as last:
        assert last.size == (96, 64)
        assert np.asarray(last).std() > 10
    assert len(list((studio / "again").iterdir())) == FILMED


def test_the_consumer_takes_every_result_once(tmp_path: Path) -> None:
    """What was there before it, what comes while it runs, and in folders."""
    taken = tmp_path / "taken"
    taken.mkdir()
    running = DaemonProcess(tmp_path, copying=True)
    drop(tmp_path / "inbox", "early")
    running.wait_for("job.done")
    consumer = subprocess.Popen(
        [sys.executable, "-c", CONSUMER, tmp_path / "outbox", taken],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert consumer.stdout is not None
    assert consumer.stdout.readline() == "early draft 64\n"
    drop(tmp_path / "inbox", "late")
    drop(tmp_path / "inbox" / "sub", "deep")
    found = {consumer.stdout.readline() for _ in range(2)}
    assert found == {"late draft 64\n", "sub/deep draft 64\n"}
    consumer.terminate()
    consumer.communicate(timeout=PATIENCE)
    assert running.stop() == 0
    assert {path.name for path in taken.iterdir()} == {"early.png", "late.png", "deep.png"}
    assert not list((tmp_path / "outbox").rglob("*.*"))


def test_every_block_is_tried() -> None:
    """One in another language would be none that a test runs."""
    text = (DOCS / PAGE).read_text()
    languages = [line[3:] for line in text.splitlines() if line.startswith("```") and line[3:]]
    assert sorted(languages) == ["make", "python", "python", "sh", "sh", "sh"]
