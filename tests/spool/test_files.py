"""File operations: what survives, what is refused."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nstd.errors import CannotWriteError, InputChangedError, MissingInputError
from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """Lend a folder on another file system."""
    memory = Path("/dev/shm")  # noqa: S108 - a fresh folder below it
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_identity_changes_with_the_content(tmp_path: Path) -> None:
    """Size, time and inode tell one version of a file from the next."""
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = files.identity(path)
    assert before == files.identity(path)
    path.write_bytes(b"three")
    assert before != files.identity(path)


def test_links_folders_and_pipes_have_no_identity(tmp_path: Path) -> None:
    """Only regular files are inputs."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "absent", "."):
        assert files.identity(tmp_path / name) is None


def test_read_bounded_stops_at_the_limit(tmp_path: Path) -> None:
    """A file at the limit is read; one byte more is not."""
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert files.read_bounded(path, 5) == b"12345"
    assert files.read_bounded(path, 4) is None


@pytest.mark.timeout(10)
def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    """Opening a FIFO for reading would block until somebody writes."""
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(OSError, match="not a regular file"):
        files.read_bounded(tmp_path / "a.yaml", 10)


def test_copy_private_hashes_what_it_copied(tmp_path: Path) -> None:
    """The hash is of the copy's bytes."""
    (tmp_path / "a").write_bytes(b"content")
    identity, digest = files.copy_private(tmp_path / "a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert digest == hashlib.sha256(b"content").hexdigest()
    assert identity == files.identity(tmp_path / "a")


def test_copy_private_follows_no_link(tmp_path: Path) -> None:
    """A link to a file that is none of the user's business is refused."""
    (tmp_path / "secret").write_text("x")
    (tmp_path / "a.jpg").symlink_to(tmp_path / "secret")
    with pytest.raises(MissingInputError, match=r"a\.jpg: can't be read"):
        files.copy_private(tmp_path / "a.jpg", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_copy_private_notices_a_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is replaced while it is read is not taken for what it was."""
    source, other = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"old")
    other.write_bytes(b"new")
    real_read = os.read

    def read_and_replace(descriptor: int, count: int) -> bytes:
        if other.exists():
            other.rename(source)
        return real_read(descriptor, count)

    monkeypatch.setattr(os, "read", read_and_replace)
    with pytest.raises(InputChangedError):
        files.copy_private(source, tmp_path / "copy")


def test_place_never_replaces(tmp_path: Path) -> None:
    """A taken name is an error, and both files are as they were."""
    (tmp_path / "new").write_text("new")
    (tmp_path / "taken").write_text("old")
    with pytest.raises(FileExistsError):
        files.place(tmp_path / "new", tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "old"
    assert (tmp_path / "new").read_text() == "new"


def test_place_leaves_one_name(tmp_path: Path) -> None:
    """The temporary name is gone afterwards."""
    (tmp_path / "temporary").write_text("x")
    files.place(tmp_path / "temporary", tmp_path / "final")
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_place_works_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """File systems that have no links get a check and a rename, and still nothing is replaced."""

    def no_links(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    files.place(tmp_path / "a", tmp_path / "final")
    with pytest.raises(FileExistsError):
        files.place(tmp_path / "b", tmp_path / "final")
    assert (tmp_path / "final").read_text() == "a"


def test_move_crosses_file_systems(tmp_path: Path, other_disk: Path) -> None:
    """Where rename can't, the file is copied with its times and then removed."""
    source, target = tmp_path / "a", other_disk / "a"
    source.write_bytes(b"x" * 100)
    os.utime(source, ns=(10**18, 10**18))
    files.move(source, target)
    assert target.read_bytes() == b"x" * 100
    assert target.stat().st_mtime_ns == 10**18
    assert not source.exists()
    assert [path.name for path in other_disk.iterdir()] == ["a"]


def test_writing_names_the_folder_and_the_remedy(tmp_path: Path) -> None:
    """The system's refusal becomes an error that says where and what to do."""
    (tmp_path / "file").write_text("x")
    below = tmp_path / "file" / "below"
    with (
        pytest.raises(CannotWriteError, match=r"Not a directory\. Free some space"),
        files.writing(below),
    ):
        below.mkdir()
