"""Old files in done/ and failed/ are deleted; nobody else's are."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from jobs import PAIR, configure, end, failed, published, tree

from nstd.config import Retention
from nstd.spool import layout, retention

if TYPE_CHECKING:
    from nstd.spool.desk import Desk

DAY = 86_400.0


def age(desk: Desk, days: float) -> None:
    """Let time pass for all that was filed."""
    with contextlib.closing(sqlite3.connect(layout.ledger(desk.config))) as writer, writer:
        writer.execute("UPDATE filed SET at = at - ?", [days * DAY])


@pytest.fixture
def done(desk: Desk) -> Path:
    """Have a job's originals filed two days ago, to be kept for one."""
    configure(desk, retain_days=Retention(done=1.0))
    end(desk, published(desk, folder="sub/deep"))
    age(desk, 2.0)
    return desk.config.folder("done")


def test_what_is_old_enough_goes_with_its_folders(desk: Desk, done: Path) -> None:
    """The folder itself stays."""
    assert retention.prune(desk) == 3
    assert list(done.iterdir()) == []
    assert retention.prune(desk) == 0


def test_what_is_younger_stays(desk: Desk, done: Path) -> None:
    """Until its own time has come."""
    end(desk, published(desk, "b"))
    assert retention.prune(desk) == 3
    assert tree(done) == {"b.yaml", "b.jpg", "b.style.png"}


def test_without_a_limit_everything_stays(desk: Desk) -> None:
    """The default; and each of the two folders has its own."""
    end(desk, published(desk))
    end(desk, failed(desk, "b"))
    age(desk, 10_000.0)
    assert retention.prune(desk) == 0
    configure(desk, retain_days=Retention(failed=1.0))
    assert retention.prune(desk) == 5
    assert tree(desk.config.folder("done")) == PAIR
    assert tree(desk.config.folder("failed")) == set()


def test_what_others_put_there_stays(desk: Desk, done: Path) -> None:
    """However old, and the folder that it lies in too."""
    (done / "sub/mine.txt").write_text("mine")
    retention.prune(desk)
    assert tree(done) == {"sub/mine.txt"}


def test_a_file_that_was_replaced_stays(desk: Desk, done: Path) -> None:
    """Under the same name, another file: it is recognised by its inode, now and later."""
    path = done / "sub/deep/a.jpg"
    (done / "new").write_text("mine")
    (done / "new").replace(path)
    assert retention.prune(desk) == 2
    assert retention.prune(desk) == 0
    assert path.read_text() == "mine"


def test_a_file_that_was_moved_away_stays(desk: Desk, done: Path) -> None:
    """Whoever keeps something elsewhere keeps it."""
    kept = done / "kept.jpg"
    (done / "sub/deep/a.jpg").rename(kept)
    retention.prune(desk)
    assert tree(done) == {"kept.jpg"}


def test_a_link_in_its_place_stays(desk: Desk, done: Path) -> None:
    """Nothing is deleted through one."""
    path = done / "sub/deep/a.jpg"
    path.rename(done / "kept.jpg")
    path.symlink_to(done / "kept.jpg")
    retention.prune(desk)
    assert path.is_symlink()
    assert (done / "kept.jpg").exists()


def test_what_can_not_be_deleted_keeps_nothing_else(
    desk: Desk, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told, and tried again the next time."""
    stuck, unlink = done / "sub/deep/a.jpg", Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == stuck:
            raise OSError(errno.EROFS, "Read-only file system")
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as logged:
        patched.setattr(Path, "unlink", refuse)
        assert retention.prune(desk) == 2
    assert [line["event"] for line in logged] == ["prune.refused"]
    assert tree(done) == {"sub/deep/a.jpg"}
    assert retention.prune(desk) == 1


def test_many_files_are_deleted_by_and_by(
    desk: Desk, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main loop has other things to do."""
    monkeypatch.setattr(retention, "_AT_ONCE", 2)
    assert [retention.prune(desk) for _ in range(3)] == [2, 1, 0]
    assert tree(done) == set()
