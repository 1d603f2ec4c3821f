"""A folder of the inbox in which every image becomes a job, with the real daemon."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from daemon_process import DaemonProcess
from folders import manifest, names, reason, run_once, running, until, visible

from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOT = "style: starry.png\npreset: fast\niterations: 3\n"


def heat(folder: Path, text: str = HOT) -> None:
    """Make a hot folder."""
    save_picture(folder / "starry.png", seed=5)
    (folder / "nstd.yaml").write_text(text)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Share one daemon."""
    with running(tmp_path_factory.mktemp("hot")) as process:
        yield process


def test_an_image_is_all_that_it_takes(daemon: DaemonProcess) -> None:
    """Dropped alone it is painted as its folder says; the folder's own files stay."""
    folder = daemon.root / "inbox" / "starry"
    heat(folder)
    for number in range(5):
        save_picture(folder / f"a{number}.jpg", seed=number)
    for number in range(5):
        daemon.wait_for("job.retired", name=f"starry/a{number}")
        told = manifest(daemon.root, f"starry/a{number}")
        assert told["parameters"]["iterations"] == 3
        assert told["styles"][0]["name"] == "starry.png"
    assert names(folder) == {"nstd.yaml", "starry.png"}
    filed = {f"a{number}.{end}" for number in range(5) for end in ("jpg", "yaml")}
    assert names(daemon.root / "done" / "starry") == filed


def test_a_sidecar_there_overrides(daemon: DaemonProcess) -> None:
    """What it says counts, what it leaves out is the folder's."""
    folder = daemon.root / "inbox" / "over"
    heat(folder)
    (folder / "a.yaml").write_text("iterations: 5\n")
    save_picture(folder / "a.jpg")
    daemon.wait_for("job.retired", name="over/a")
    told = manifest(daemon.root, "over/a")["parameters"]
    assert (told["iterations"], told["preset"]) == (5, "fast")


def test_images_of_one_stem_are_two_jobs(daemon: DaemonProcess) -> None:
    """One after the other; the second's result gets a suffix."""
    folder = daemon.root / "inbox" / "twins"
    heat(folder)
    save_picture(folder / "a.jpg", seed=1)
    save_picture(folder / "a.png", seed=2)
    daemon.wait_for("job.retired", count=2, name="twins/a")
    results = [path for path in names(daemon.root / "outbox" / "twins") if path.endswith(".png")]
    assert len(results) == 2


def test_what_can_not_be_painted_fails_with_its_sidecar(daemon: DaemonProcess) -> None:
    """16. The reason names the image; moved back together, they are tried again."""
    folder = daemon.root / "inbox" / "bad"
    heat(folder)
    save_picture(folder / "x.png")
    (folder / "x.png").write_bytes((folder / "x.png").read_bytes()[:300])
    daemon.wait_for("job.failed", name="bad/x")
    assert reason(daemon.root, "bad/x")["code"] == "image"
    until(lambda: {"x.png", "x.yaml"} <= names(daemon.root / "failed" / "bad"))
    assert names(folder) == {"nstd.yaml", "starry.png"}


def test_a_folder_file_with_a_mistake_keeps_everything(tmp_path: Path) -> None:
    """Nothing is begun, nothing lost; it is told, and mended where it is."""
    inbox = tmp_path / "inbox"
    heat(inbox, "sise: 3\n")
    save_picture(inbox / "a.jpg")
    before = visible(inbox)
    code, process = run_once(tmp_path)
    assert code == 75
    assert visible(inbox) == before
    told = process.wait_for("scan.waiting", sidecar="nstd.yaml")
    assert "nstd.yaml: sise: unknown key, did you mean 'size'?" in told["reason"]
    heat(inbox)
    code, process = run_once(tmp_path)
    assert code == 0
    assert process.count("job.retired") == 1
    assert names(inbox) == {"nstd.yaml", "starry.png"}


@pytest.mark.parametrize("point", ["ordered", "admitted", "taken", "published", "set_aside"])
def test_a_kill_at_any_point_paints_an_image_once(tmp_path: Path, point: str) -> None:
    """27. From the moment it has a sidecar until it is filed."""
    inbox = tmp_path / "inbox"
    heat(inbox / "sub")
    digest = files.sha256(save_picture(inbox / "sub" / "a.jpg"))
    killed = DaemonProcess(tmp_path, "once", copying=True, crash=[point])
    assert killed.ended() == -signal.SIGKILL, f"{point} was not passed"
    code, _ = run_once(tmp_path)
    assert code == 0
    assert visible(inbox).keys() == {"sub/nstd.yaml", "sub/starry.png"}
    assert names(tmp_path / "outbox" / "sub") == {"a.png", "a.json"}
    assert visible(tmp_path / "done")["sub/a.jpg"] == digest
    assert not list((inbox / ".nstd").glob("*.tmp"))


def test_a_kept_original_is_not_painted_for_ever(tmp_path: Path) -> None:
    """`originals: keep` keeps nothing where every image is a job."""
    heat(tmp_path / "inbox")
    save_picture(tmp_path / "inbox" / "a.jpg")
    for expected in (1, 0):
        code, process = run_once(tmp_path, settings={"originals": "keep"})
        assert code == 0
        assert process.count("job.done") == expected
    assert names(tmp_path / "inbox") == {"nstd.yaml", "starry.png"}
