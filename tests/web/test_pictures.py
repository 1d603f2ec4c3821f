"""Which file a picture is, and what becomes of those that are gone, foreign or hostile."""

from __future__ import annotations

import io
import shutil
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from asking import ask
from conftest import save_picture
from jobs import again, claimed, configure, drop, end, failed, published, rendered, scan
from PIL import Image

from nstd.config import Limits
from nstd.entry import State
from nstd.spool import claim, layout

if TYPE_CHECKING:
    from pathlib import Path

    from asking import Answer

    from nstd.entry import Entry
    from nstd.spool.desk import Desk

PLACEHOLDER = "image/svg+xml"
ROLES = ("content", "style-1", "result")


def picture(desk: Desk, entry: Entry, role: str, size: str = "small") -> Answer:
    """Ask for a job's picture."""
    return ask(desk.config, f"/jobs/{entry.job_id}/{role}/{size}.jpg")


def is_gone(desk: Desk, entry: Entry, role: str) -> bool:
    """Whether the answer is the placeholder, which nobody is to keep."""
    answer = picture(desk, entry, role)
    assert answer.status == 200
    if answer.headers["content-type"] != PLACEHOLDER:
        assert answer.headers["content-type"] == "image/jpeg"
        return False
    assert answer.headers["cache-control"] == "no-store"
    return True


def is_like(answer: Answer, path: Path) -> bool:
    """Whether a picture shows what a file does."""
    with Image.open(io.BytesIO(answer.body)) as shown, Image.open(path) as meant:
        pixels = [np.asarray(one.convert("RGB").resize((8, 8)), float) for one in (shown, meant)]
    return bool(np.abs(pixels[0] - pixels[1]).mean() < 4)


def running(desk: Desk) -> Entry:
    """Bring a job into a worker's hands."""
    return desk.ledger.advance(claimed(desk), state=State.RUNNING)


def test_pictures_are_found_wherever_the_job_is(desk: Desk) -> None:
    """While it runs, when its result is out, and when its originals are filed."""
    entry = rendered(desk)
    assert not is_gone(desk, entry, "content")
    assert not is_gone(desk, entry, "style-1")
    assert is_gone(desk, entry, "result")
    entry = published(desk, "b", "album")
    end(desk, entry)
    entry = again(desk, entry)
    assert entry.state is State.RETIRED
    done, out = desk.config.folder("done") / "album", desk.config.folder("outbox") / "album"
    assert is_like(picture(desk, entry, "content"), done / "b.jpg")
    assert is_like(picture(desk, entry, "style-1"), done / "b.style.png")
    assert is_like(picture(desk, entry, "result"), out / "b.png")


def test_a_failed_jobs_images_are_found_in_failed(desk: Desk) -> None:
    """They may be looked at there."""
    entry = failed(desk)
    end(desk, entry)
    assert entry.inputs[0].identity is not None or is_gone(desk, entry, "content")


def test_originals_that_stay_are_found_in_the_inbox(desk: Desk) -> None:
    """Under `originals: keep`."""
    configure(desk, originals="keep")
    entry = published(desk)
    end(desk, entry)
    assert not is_gone(desk, entry, "content")


def test_large_pictures_are_bounded_too(desk: Desk) -> None:
    """An original's own bytes are never passed on, nor its metadata."""
    entry = published(desk)
    final = desk.config.folder("outbox") / "a.png"
    save_picture(final, 3000, 1500)
    status = final.stat()
    assert entry.target is not None
    assert entry.target.identity is not None
    shape = type(entry.target.identity)(0, status.st_ino, status.st_size, status.st_mtime_ns)
    target = type(entry.target)(entry.target.staged, shape, final, entry.target.manifest)
    desk.ledger.advance(entry, target=target)
    for size, expected in (("small", (480, 240)), ("large", (2048, 1024))):
        with Image.open(io.BytesIO(picture(desk, entry, "result", size).body)) as image:
            assert image.size == expected
            assert image.format == "JPEG"
            assert not image.getexif()


def test_a_texture_has_no_content(desk: Desk) -> None:
    """And so no picture of one."""
    entry = published(desk, text="content: none\npreset: draft\n")
    assert is_gone(desk, entry, "content")
    assert not is_gone(desk, entry, "style-1")


def test_a_style_of_the_library_is_found_there(desk: Desk) -> None:
    """Only below a folder that the configuration names."""
    library = desk.config.root / "library"
    save_picture(library / "oil.png")
    configure(desk, styles=[library])
    path = drop(desk, text="style: oil.png\npreset: draft\n")
    path.with_name("a.style.png").unlink()
    (found,) = scan(desk).values()
    entry = claim.take(desk, claim.admit(desk, found))
    assert entry is not None
    entry = claim.copy(desk, entry)
    shutil.rmtree(layout.work(desk.config) / entry.job_id)
    assert not is_gone(desk, entry, "style-1")
    configure(desk, styles=[])
    assert is_gone(desk, entry, "style-1")


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/20200101T000000-00000000/result/small.jpg",
        "/jobs/../result/small.jpg",
        "/jobs/..%2f..%2fstate/result/small.jpg",
        "/jobs/{id}/../../../etc/passwd",
        "/jobs/{id}/result/../../small.jpg",
        "/jobs/{id}/..%2f/small.jpg",
        "/jobs/{id}/result\0/small.jpg",
        "/jobs/{id}\0/result/small.jpg",
        "/jobs/{id}//etc/passwd.jpg",
        "/jobs/{id}/result/huge.jpg",
        "/jobs/{id}/result/small.png",
        "/jobs/{id}/style-0/small.jpg",
        "/jobs/{id}/style-01/small.jpg",
        "/jobs/{id}/style-\N{ARABIC-INDIC DIGIT ONE}/small.jpg",
        "/jobs/{id}/style-99999/small.jpg",
        "/jobs/{id}/a.yaml/small.jpg",
        "/jobs/{id}%' OR 1=1 --/result/small.jpg",
        "/jobs/{short}/result/small.jpg",
        "/jobs/caf\udce9/result/small.jpg",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/\0live.js",
        "/static/LIVE.JS",
        "//etc/passwd",
        "/static",
        "/jobs/",
    ],
)
def test_nothing_else_can_be_asked_for(desk: Desk, path: str) -> None:
    """Neither paths, nor what isn't spelt as it is; nothing of it comes back."""
    entry = published(desk)
    asked = path.replace("{id}", entry.job_id).replace("{short}", entry.job_id[:-1])
    answer = ask(desk.config, asked)
    assert answer.status == 404
    assert answer.text == "Not Found"


@pytest.mark.parametrize("role", ROLES)
def test_what_was_taken_away_is_a_placeholder(desk: Desk, role: str) -> None:
    """A consumer may take results, a person originals; that is no error."""
    entry = published(desk)
    end(desk, entry)
    assert not is_gone(desk, entry, role)
    for name in ("outbox", "done"):
        shutil.rmtree(desk.config.folder(name))
    assert is_gone(desk, entry, role)


@pytest.mark.parametrize("role", ROLES)
def test_a_file_that_has_taken_the_name_is_not_the_jobs(desk: Desk, role: str) -> None:
    """It may be another job's, or another version."""
    entry = published(desk)
    end(desk, entry)
    for path in (*desk.config.folder("outbox").iterdir(), *desk.config.folder("done").iterdir()):
        if path.suffix in {".png", ".jpg"}:
            path.unlink()
            save_picture(path, 80, 60, seed=9)
    assert is_gone(desk, entry, role)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", ["file", "folder", "fifo"])
def test_links_are_not_followed(desk: Desk, tmp_path: Path, role: str, kind: str) -> None:
    """Whoever may write to a share can put one there; it may lead anywhere, or block."""
    entry = published(desk, folder="album")
    end(desk, entry)
    for name in ("outbox", "done"):
        folder = desk.config.folder(name) / "album"
        if kind == "folder":
            elsewhere = tmp_path / f"elsewhere-{name}"
            folder.rename(elsewhere)
            folder.symlink_to(elsewhere)
            continue
        for path in folder.iterdir():
            elsewhere = tmp_path / f"elsewhere-{path.name}"
            path.rename(elsewhere)
            if kind == "file":
                path.symlink_to(elsewhere)
            else:
                import os  # noqa: PLC0415

                os.mkfifo(path)
    assert is_gone(desk, entry, role)


def bomb(path: Path) -> None:
    """Write a PNG that promises more pixels than anybody may ask for."""
    header = (100_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    chunk = b"IHDR" + header
    data = len(header).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def cut(path: Path) -> None:
    """Cut a picture in half."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def disguise(path: Path) -> None:
    """Write a page of HTML under a picture's name."""
    path.write_bytes(b"<script>alert(1)</script>")


@pytest.mark.parametrize("spoil", [bomb, cut, disguise])
def test_a_hostile_picture_is_a_placeholder(desk: Desk, spoil: object) -> None:
    """It is decoded within the limits of the configuration, or not at all."""
    assert callable(spoil)
    entry = running(desk)
    copy = layout.work(desk.config) / entry.job_id / entry.inputs[0].copy
    save_picture(copy.with_suffix(".png")).rename(copy)
    spoil(copy)
    assert is_gone(desk, entry, "content")


def test_the_configurations_limits_hold_here_too(desk: Desk) -> None:
    """The page decodes nothing that the daemon wouldn't."""
    configure(desk, limits=Limits(image_pixels=10))
    assert is_gone(desk, running(desk), "content")


def test_a_picture_that_is_known_is_not_sent_again(desk: Desk) -> None:
    """But for one that has changed."""
    entry = running(desk)
    path = f"/jobs/{entry.job_id}/content/small.jpg"
    first = ask(desk.config, path)
    tag = first.headers["etag"].encode()
    again_ = ask(desk.config, path, (b"if-none-match", tag))
    assert (again_.status, again_.body) == (304, b"")
    save_picture(layout.work(desk.config) / entry.job_id / entry.inputs[0].copy, seed=7)
    changed = ask(desk.config, path, (b"if-none-match", tag))
    assert (changed.status, changed.headers["etag"].encode() == tag) == (200, False)


def leave_snapshot(desk: Desk, entry: Entry, attempt: int, number: int, seed: int) -> Path:
    """Leave a snapshot as a worker does."""
    folder = layout.work(desk.config) / entry.job_id / str(attempt) / "snapshots"
    return save_picture(folder / f"{number:06}.jpg", seed=seed)


def leave_checkpoint(desk: Desk, entry: Entry, value: float) -> Path:
    """Leave what a checkpoint holds first."""
    path = layout.work(desk.config) / entry.job_id / "checkpoint" / "checkpoint.npz"
    path.parent.mkdir(exist_ok=True)
    image = np.full((1, 30, 40, 3), value, np.float32)
    np.savez(path, mark=np.array("x"), state_0=image, state_1=np.zeros(3, np.float32))
    return path


def test_the_latest_snapshot_of_a_running_job_is_shown(desk: Desk) -> None:
    """Of the latest attempt, by when it was written."""
    entry = running(desk)
    assert is_gone(desk, entry, "snapshot")
    leave_snapshot(desk, entry, 1, 100, 1)
    leave_snapshot(desk, entry, 2, 10, 2)
    last = leave_snapshot(desk, entry, 2, 20, 3)
    assert is_like(picture(desk, entry, "snapshot"), last)


def test_a_checkpoint_is_a_picture_too(desk: Desk) -> None:
    """Of a job that leaves no snapshots, and where it is newer than those."""
    entry = running(desk)
    leave_snapshot(desk, entry, 1, 100, 1)
    leave_checkpoint(desk, entry, 0.5)
    with Image.open(io.BytesIO(picture(desk, entry, "snapshot").body)) as image:
        assert image.size == (40, 30)
        assert abs(image.getpixel((5, 5))[0] - 128) <= 2


def test_a_checkpoint_that_is_none_is_a_placeholder(desk: Desk) -> None:
    """Whatever lies there."""
    entry = running(desk)
    leave_checkpoint(desk, entry, 0.5).write_bytes(b"PK no checkpoint")
    assert is_gone(desk, entry, "snapshot")


def test_only_a_running_job_has_a_snapshot(desk: Desk) -> None:
    """When it has ended, there is a result."""
    entry = running(desk)
    leave_checkpoint(desk, entry, 0.5)
    desk.ledger.advance(entry, state=State.CLAIMED)
    assert is_gone(desk, entry, "snapshot")
