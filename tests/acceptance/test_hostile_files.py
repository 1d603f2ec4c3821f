"""Files that strangers drop: damaged, explosive, odd, hard to read (ACCEPTANCE 16, 17, 22, 26b)."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import picture, save_picture
from daemon_process import DaemonProcess, drop
from folders import blocks, names, peak, reason, running
from hostile_images import BOMBS, HARD, LATE_BOMBS, scene
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

MEBIBYTE = 2**20
# What either process may grow by over a bomb; each would take more, most of them far more.
GROWTH = 100 * MEBIBYTE


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Share one daemon that copies among the tests that leave it as it was."""
    with running(tmp_path_factory.mktemp("files")) as process:
        drop(process.root / "inbox", "first")  # codecs are loaded once
        process.wait_for("job.retired", name="first")
        yield process


@pytest.fixture(scope="module")
def painter(
    tmp_path_factory: pytest.TempPathFactory, weights_file: Path
) -> Iterator[DaemonProcess]:
    """Share one daemon with the real network, whose weights are there."""
    del weights_file
    with running(tmp_path_factory.mktemp("hard"), copying=False) as process:
        yield process


@pytest.fixture
def inbox(daemon: DaemonProcess) -> Path:
    """Lend the copying daemon's inbox."""
    return daemon.root / "inbox"


CUTS = list(itertools.product(["content", "style"], ["jpg", "png", "webp", "tif"], [0.3, 0.9]))


@pytest.fixture(scope="module")
def _truncated(daemon: DaemonProcess) -> None:
    """Drop all of them at once: one of two pictures is cut off."""
    noise = np.random.default_rng(1).integers(0, 256, (120, 160, 3), np.uint8)
    for number, (role, suffix, share) in enumerate(CUTS):
        folder = daemon.root / "inbox" / f"cut{number}"
        folder.mkdir()
        pictures = {"content": "a.jpg", "style": "b.jpg"} | {role: f"cut.{suffix}"}
        for name in pictures.values():
            Image.fromarray(noise).save(folder / name)
        data = (folder / pictures[role]).read_bytes()
        (folder / pictures[role]).write_bytes(data[: int(len(data) * share)])
        named = "".join(f"{role}: {name}\n" for role, name in pictures.items())
        (folder / "job.yaml").write_text(named)


@pytest.mark.usefixtures("_truncated")
@pytest.mark.parametrize("number", range(len(CUTS)), ids=[f"{r}-{s}-{c}" for r, s, c in CUTS])
def test_a_truncated_picture_is_quarantined(
    daemon: DaemonProcess, inbox: Path, number: int
) -> None:
    """16. Its file is named, nothing is tried again, and the whole set is in failed/."""
    role, suffix, _ = CUTS[number]
    name = f"cut{number}"
    failed = daemon.wait_for("job.failed", name=f"{name}/job")
    daemon.wait_for("job.retired", name=f"{name}/job")
    told = reason(daemon.root, f"{name}/job")
    assert (told["code"], told["file"]) == ("image", f"cut.{suffix}")
    assert failed["attempt"] <= 1
    assert not [e for e in daemon.events if e["event"] == "job.deferred"]
    whole = {"job.yaml", f"cut.{suffix}", "b.jpg" if role == "content" else "a.jpg"}
    assert names(daemon.root / "failed" / name) == whole | {"job.reason.txt", "job.reason.json"}
    assert names(inbox / name) == set()


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("role", ["content", "style"])
def test_a_decompression_bomb_is_refused_from_its_header(
    daemon: DaemonProcess, inbox: Path, role: str, kind: str
) -> None:
    """17. Neither process takes memory for it; the limit's key is named."""
    suffix, make = BOMBS[kind]
    name = f"{role} {kind}"
    bomb, other = f"{name}.{suffix}", f"{name}.other.jpg"
    (inbox / bomb).write_bytes(make())
    assert (inbox / bomb).stat().st_size < MEBIBYTE
    save_picture(inbox / other)
    processes = daemon.process.pid, daemon.worker()
    idle = [peak(pid) for pid in processes]
    pair = (bomb, other) if role == "content" else (other, bomb)
    (inbox / f"{name}.yaml").write_text(f"content: {pair[0]}\nstyle: {pair[1]}\n")
    daemon.wait_for("job.retired", name=name)
    told = reason(daemon.root, name)
    assert (told["code"], told["file"]) == ("image_too_large", bomb)
    assert "limits.image_" in told["message"]
    assert (daemon.process.pid, daemon.worker()) == processes
    grown = [peak(pid) - before for pid, before in zip(processes, idle, strict=True)]
    assert max(grown) < GROWTH, grown


@pytest.mark.parametrize("kind", LATE_BOMBS)
def test_a_bomb_behind_an_innocent_header_is_bounded(
    daemon: DaemonProcess, inbox: Path, kind: str
) -> None:
    """17. What a small picture carries along is refused or left out, and never unpacked."""
    suffix, make = LATE_BOMBS[kind]
    name = kind.replace(" ", "-")
    save_picture(inbox / f"{name}.style.png")
    (inbox / f"{name}.{suffix}").write_bytes(make())
    processes = daemon.process.pid, daemon.worker()
    idle = [peak(pid) for pid in processes]
    (inbox / f"{name}.yaml").write_text("# defaults\n")
    state = daemon.wait_for("job.retired", name=name)["state"]
    assert (daemon.process.pid, daemon.worker()) == processes
    grown = [peak(pid) - before for pid, before in zip(processes, idle, strict=True)]
    assert max(grown) < GROWTH, grown
    if state == "failed":
        assert reason(daemon.root, name)["file"] == f"{name}.{suffix}"
    else:
        ramp = blocks(daemon.root / "outbox" / f"{name}.png")
        assert np.abs(ramp[0, :, 0] - [32, 95, 158]).max() < 8


def make_device(path: Path) -> None:
    """Make a second /dev/zero, which never ends when it is read."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except OSError as error:
        pytest.skip(f"no device can be made here: {error.strerror}")


def make_socket(path: Path) -> None:
    """Make a socket that nobody answers."""
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(path.parent)  # a socket's path may have a hundred bytes
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


ODDITIES = {
    "a FIFO": os.mkfifo,
    "a socket": make_socket,
    "a device": make_device,
    "a folder": os.mkdir,
}


@pytest.mark.parametrize("what", ["content", "style", "sidecar"])
@pytest.mark.parametrize("kind", ODDITIES)
def test_what_is_no_file_is_skipped(
    daemon: DaemonProcess, inbox: Path, kind: str, what: str
) -> None:
    """22. It is said what it is, nothing blocks, and a job that needs it fails over that."""
    name = f"{what}-{kind.split()[1]}"
    drop(inbox, name, f"content: {name}.jpg\nstyle: {name}.style.png\n")
    odd = inbox / {"content": f"{name}.jpg", "style": f"{name}.style.png"}.get(what, f"{name}.yaml")
    odd.unlink()
    try:
        ODDITIES[kind](odd)
        skipped = daemon.wait_for("inbox.skipped", file=odd.name)
        assert skipped["reason"] == f"is {kind}, not a file"
        drop(inbox, f"{name}-after")
        daemon.wait_for("job.retired", name=f"{name}-after")
        if what == "sidecar":
            assert os.path.lexists(odd)
        else:
            daemon.wait_for("job.retired", name=name)
            told = reason(daemon.root, name)
            assert (told["code"], told["key"]) == ("missing_input", what)
            assert f"which is {kind}, not a file" in told["message"]
    finally:
        if odd.is_dir():
            odd.rmdir()
        elif os.path.lexists(odd):
            odd.unlink()


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """22. A file that the service's user may not read fails its own job, and no other."""
    unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    unprivileged += ["--inh-caps=-dac_override,-dac_read_search"]
    wrapper = unprivileged if os.geteuid() == 0 else []
    if wrapper and subprocess.run([*wrapper, "true"], check=False).returncode:
        pytest.skip("setpriv can't drop root's right to read everything")
    inbox = tmp_path / "inbox"
    with running(tmp_path, wrapper=wrapper) as daemon:
        for name, closed in {"image": "image.jpg", "sidecar": "sidecar.yaml"}.items():
            save_picture(inbox / f"{name}.style.png")
            save_picture(inbox / f"{name}.jpg")
            (tmp_path / f"{name}.yaml").write_text("# defaults\n")
            (tmp_path / f"{name}.yaml").rename(inbox / f"{name}.yaml")
            (inbox / closed).chmod(0)
        drop(inbox, "good")
        daemon.wait_for("job.retired", name="good")
        for name, closed in {"image": "image.jpg", "sidecar": "sidecar.yaml"}.items():
            daemon.wait_for("job.retired", name=name)
            told = reason(tmp_path, name)
            assert told["file"] == closed
            assert "can't be read: Permission denied" in told["message"]
            assert "may read" in told["remedy"] or "read it" in told["remedy"]
            assert {f"{name}.yaml", f"{name}.jpg"} <= names(tmp_path / "failed")
    assert shutil.which("setpriv") or not wrapper


@pytest.fixture(scope="module")
def _hard(painter: DaemonProcess) -> None:
    """Drop all of them at once, each as content and as style, and beside it its plain likeness."""
    for (kind, (suffix, save)), role in itertools.product(HARD.items(), ["content", "style"]):
        folder = painter.root / "inbox" / f"{kind}-{role}"
        folder.mkdir(parents=True)
        expected = save(folder / f"hard.{suffix}")
        Image.fromarray(expected).save(folder / "plain.png")
        hard, plain = f"hard.{suffix}", "plain.png"
        content, style = (hard, plain) if role == "content" else (plain, hard)
        # The draft of a picture in its own style is that picture, as far as the decoder can.
        (folder / "a.yaml").write_text(f"content: {content}\nstyle: {style}\nsize: 96\n")
        (folder / "plain.yaml").write_text(f"content: {plain}\nstyle: {plain}\nsize: 96\n")


@pytest.mark.usefixtures("_hard")
@pytest.mark.parametrize("role", ["content", "style"])
@pytest.mark.parametrize("kind", HARD)
def test_a_picture_that_is_hard_to_read_comes_out_right(
    painter: DaemonProcess, kind: str, role: str
) -> None:
    """26b. Whatever its file is like, content and style are seen in their right colours."""
    name = f"{kind}-{role}"
    for job in ("a", "plain"):
        painter.wait_for("job.retired", name=f"{name}/{job}", state="retired")
    outbox = painter.root / "outbox" / name
    seen, wanted = blocks(outbox / "a.png"), blocks(outbox / "plain.png")
    tolerance = 20.0
    if kind == "alpha":  # the last block hides its colour, and is filled from its neighbours
        with Image.open(outbox / "a.png") as result:
            assert (result.mode == "RGBA") == (role == "content")
        seen, wanted, tolerance = seen[:1], wanted[:1], 35.0
    assert np.abs(seen - wanted).max() < tolerance
    assert wanted[0, 0].argmax() == 0 or kind in {"grey", "deep-grey"}


def test_the_reference_is_itself(painter: DaemonProcess) -> None:
    """26b. What the others are compared with resembles the scene, block by block."""
    folder = painter.root / "inbox" / "reference"
    folder.mkdir()
    Image.fromarray(scene()).save(folder / "a.png")
    shutil.copy(folder / "a.png", folder / "a.style.png")
    (folder / "a.yaml").write_text("size: 96\n")
    painter.wait_for("job.retired", name="reference/a")
    result = blocks(painter.root / "outbox" / "reference" / "a.png")
    source = blocks_of(scene())
    assert np.abs(result - source).mean() < 30


def blocks_of(pixels: np.ndarray) -> np.ndarray:
    """Mean colours of the scene's own blocks."""
    return np.array([[pixels[y, x] for x in (16, 48, 80)] for y in (16, 48)], np.float32)


@pytest.mark.parametrize("size", [(1, 1), (2000, 1), (20_000, 10)])
def test_a_picture_of_an_extreme_shape_is_painted_or_refused(
    painter: DaemonProcess, size: tuple[int, int]
) -> None:
    """26b. With a reason that names it; beside it the next job is painted."""
    name = f"{size[0]}x{size[1]}"
    pairs = {"content": ("extreme.png", "plain.jpg"), "style": ("plain.jpg", "extreme.png")}
    for job, (content, style) in pairs.items():
        folder = painter.root / "inbox" / name / job
        folder.mkdir(parents=True)
        Image.new("RGB", size, (200, 60, 50)).save(folder / "extreme.png")
        save_picture(folder / "plain.jpg")
        (folder / "a.yaml").write_text(f"content: {content}\nstyle: {style}\n")
    for job in pairs:
        state = painter.wait_for("job.retired", name=f"{name}/{job}/a")["state"]
        if state == "failed":
            told = reason(painter.root, f"{name}/{job}/a")
            assert told["file"] == "extreme.png"
            assert told["code"] in {"image", "image_too_small"}
            assert told["remedy"]
        else:
            with Image.open(painter.root / "outbox" / name / job / "a.png") as result:
                assert max(result.size) == 64
                assert np.isfinite(np.asarray(result)).all()


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_another_format_under_a_pictures_name_is_refused(
    painter: DaemonProcess, suffix: str
) -> None:
    """26b. A GIF that is called a PNG or JPEG: what it is not is said, and what to do."""
    folder = painter.root / "inbox" / f"gif-{suffix}"
    folder.mkdir()
    save_picture(folder / "a.style.png")
    pixels = (picture(64, 48) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(folder / f"a.{suffix}", "GIF", save_all=True)
    (folder / "a.yaml").write_text("# defaults\n")
    painter.wait_for("job.retired", name=f"gif-{suffix}/a", state="failed")
    told = reason(painter.root, f"gif-{suffix}/a")
    assert told["message"].startswith(f"a.{suffix}: is not a JPEG, PNG, WebP or TIFF picture. ")
