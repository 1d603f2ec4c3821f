"""Since when files are as they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nstd.spool.settle import Inbox

if TYPE_CHECKING:
    from clocks import Clock


@pytest.fixture
def inbox(tmp_path: Path, clock: Clock) -> Inbox:
    """Lend an inbox that ignores backups."""
    return Inbox(tmp_path, ["*.bak.jpg"], clock)


def change_size(path: Path) -> None:
    """Grow by a byte, at the same time to the nanosecond."""
    stamp = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + b"x")
    os.utime(path, ns=(stamp, stamp))


def change_time(path: Path) -> None:
    """Go back a day."""
    stamp = path.stat().st_mtime_ns - 86_400 * 10**9
    os.utime(path, ns=(stamp, stamp))


def change_inode(path: Path) -> None:
    """Become another file of the same size and time."""
    stamp = path.stat().st_mtime_ns
    other = path.with_name(".other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(stamp, stamp))
    other.replace(path)


@pytest.mark.parametrize("change", [change_size, change_time, change_inode])
def test_any_change_begins_anew(tmp_path: Path, inbox: Inbox, clock: Clock, change: object) -> None:
    """1, 13. Size, time and inode, each alone; whichever way the time goes."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"abc")
    inbox.list()
    clock.now += 5.0
    inbox.list()
    assert inbox.age(Path("a.jpg")) == 5.0
    change(path)  # type: ignore[operator]
    inbox.list()
    assert inbox.age(Path("a.jpg")) == 0.0


def test_files_that_were_there_before_settle_like_others(
    tmp_path: Path, inbox: Inbox, clock: Clock
) -> None:
    """3. However old they say they are: a copy may be going on at the start."""
    (tmp_path / "a.jpg").write_bytes(b"abc")
    os.utime(tmp_path / "a.jpg", (0, 0))
    inbox.list()
    assert inbox.age(Path("a.jpg")) == 0.0
    clock.now += 1.5
    assert inbox.age(Path("a.jpg")) == 1.5


def test_a_file_that_was_away_begins_anew(tmp_path: Path, inbox: Inbox, clock: Clock) -> None:
    """Even if it comes back as it was."""
    path, away = tmp_path / "a.jpg", tmp_path / ".away"
    path.write_bytes(b"abc")
    inbox.list()
    path.rename(away)
    inbox.list()
    assert inbox.files == {}
    clock.now += 5.0
    away.rename(path)
    inbox.list()
    assert inbox.age(Path("a.jpg")) == 0.0


@pytest.mark.parametrize(
    "name",
    [
        ".nstd/x.jpg",
        ".x.jpg",
        "~x.jpg",
        "x.jpg~",
        "x.jpg.part",
        "Thumbs.db",
        "@eaDir/x.jpg",
        "x.bak.jpg",
        "STATUS.txt",
        ".nfs0001",
        "._x.jpg",
        "lost+found/x.jpg",
        ".DS_Store",
    ],
)
def test_what_is_never_listed(tmp_path: Path, inbox: Inbox, name: str) -> None:
    """7. Hidden, temporary, the daemon's own, and what the operator ignores."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    inbox.list()
    assert inbox.files == {}


def test_a_status_file_elsewhere_is_somebodys(tmp_path: Path, inbox: Inbox) -> None:
    """Only the one at the top is ours."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/STATUS.txt").write_text("x")
    inbox.list()
    assert list(inbox.files) == [Path("sub/STATUS.txt")]


def test_what_is_no_file_is_told(tmp_path: Path, inbox: Inbox) -> None:
    """22. With an input's name, and what it is; other names are nobody's business."""
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "link.png").symlink_to("nowhere")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    inbox.list()
    assert inbox.files == {}
    assert inbox.oddities == {
        Path("fifo.jpg"): "a FIFO",
        Path("link.png"): "a symbolic link",
        Path("folder.yaml"): "a folder",
    }


def test_linked_folders_are_not_entered(tmp_path: Path, clock: Clock) -> None:
    """21. What lies elsewhere is not in the inbox; a loop has an end."""
    root = tmp_path / "inbox"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.jpg").write_bytes(b"x")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(root)
    inbox = Inbox(root, [], clock)
    inbox.list()
    assert inbox.files == {}


def test_an_inbox_that_can_not_be_listed_is_an_error(tmp_path: Path, clock: Clock) -> None:
    """11. It must not look empty."""
    with pytest.raises(FileNotFoundError):
        Inbox(tmp_path / "absent", [], clock).list()
