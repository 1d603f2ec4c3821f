"""File operations: what survives, what is refused."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import jobs
import pytest

from nstd.entry import Source
from nstd.errors import CannotWriteError, InputChangedError, MissingInputError
from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Iterator


def source(root: Path, name: str) -> Source:
    """Make up an input."""
    return Source("content", root, Path(name))


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    """Lend a folder on another file system."""
    for folder in jobs.other_disk(tmp_path):
        yield folder
        return
    pytest.skip("no second file system here")


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
    assert files.read_bounded(tmp_path, Path("a"), 5) == b"12345"
    assert files.read_bounded(tmp_path, Path("a"), 4) is None


@pytest.mark.timeout(10)
def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    """Opening a FIFO for reading would block until somebody writes."""
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(OSError, match="not a regular file"):
        files.read_bounded(tmp_path, Path("a.yaml"), 10)


def test_copy_private_hashes_what_it_copied(tmp_path: Path) -> None:
    """The hash is of the copy's bytes."""
    (tmp_path / "a").write_bytes(b"content")
    identity, digest = files.copy_private(source(tmp_path, "a"), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert digest == hashlib.sha256(b"content").hexdigest()
    assert identity == files.identity(tmp_path / "a")


def test_copy_private_follows_no_link(tmp_path: Path) -> None:
    """A link to a file that is none of the user's business is refused."""
    (tmp_path / "secret").write_text("x")
    (tmp_path / "a.jpg").symlink_to(tmp_path / "secret")
    with pytest.raises(MissingInputError, match=r"a\.jpg: can't be read"):
        files.copy_private(source(tmp_path, "a.jpg"), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_copy_private_notices_a_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is replaced while it is read is not taken for what it was."""
    old, other = tmp_path / "a", tmp_path / "b"
    old.write_bytes(b"old")
    other.write_bytes(b"new")
    real_read = os.readv

    def read_and_replace(descriptor: int, buffers: list[memoryview]) -> int:
        if other.exists():
            other.rename(old)
        return real_read(descriptor, buffers)

    monkeypatch.setattr(os, "readv", read_and_replace)
    with pytest.raises(InputChangedError):
        files.copy_private(source(tmp_path, "a"), tmp_path / "copy")


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


def test_move_crosses_file_systems(tmp_path: Path, other_disk: Path) -> None:
    """Where rename can't, the file is copied with its times and mode and then removed."""
    old, target = tmp_path / "a", other_disk / "a"
    old.write_bytes(b"x" * 100)
    old.chmod(0o640)
    os.utime(old, ns=(10**18, 10**18))
    assert files.move(old, target, "tag") == target
    assert target.read_bytes() == b"x" * 100
    assert target.stat().st_mtime_ns == 10**18
    assert target.stat().st_mode & 0o777 == 0o640
    assert not old.exists()
    assert [path.name for path in other_disk.iterdir()] == ["a"]


@pytest.mark.parametrize("across", [False, True])
def test_move_takes_a_free_name(tmp_path: Path, other_disk: Path, across: bool) -> None:  # noqa: FBT001
    """25. The tag is worked into a name that is taken; a name that both are taken is an error."""
    target = (other_disk if across else tmp_path) / "b.jpg"
    target.write_text("mine")
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    found = files.move(tmp_path / "one", target, "tag")
    assert found == target.with_name("b.tag.jpg")
    assert (target.read_text(), found.read_text()) == ("mine", "one")
    with pytest.raises(FileExistsError):
        files.move(tmp_path / "two", target, "tag")
    assert (tmp_path / "two").read_text() == "two"


def test_a_long_name_has_room_for_the_tag(tmp_path: Path) -> None:
    """12. 255 bytes, and taken."""
    (tmp_path / ("n" * 251 + ".jpg")).write_text("mine")
    (tmp_path / "a").write_text("a")
    found = files.move(tmp_path / "a", tmp_path / ("n" * 251 + ".jpg"), "20260101T000000-01234567")
    assert found.read_text() == "a"


def test_an_interrupted_move_across_is_completed(tmp_path: Path, other_disk: Path) -> None:
    """27. The copy has its name, the original is still there: they are the same."""
    for folder in (tmp_path, other_disk):
        (folder / "a").write_bytes(b"same")
    (other_disk / ".tag.tmp").write_bytes(b"sa")
    assert files.move(tmp_path / "a", other_disk / "a", "tag") == other_disk / "a"
    assert not (tmp_path / "a").exists()


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """31. Neither a temporary file nor half of one."""
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "to").mkdir()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.copy(tmp_path / "a", tmp_path / "to/a", "tag")
    assert list((tmp_path / "to").iterdir()) == []
    assert (tmp_path / "a").exists()


def test_copy_into_tells_what_is_on_the_disk(tmp_path: Path) -> None:
    """The hash is of the target, and the mode is the one asked for."""
    (tmp_path / "a").write_bytes(b"content")
    digest = files.copy_into(tmp_path / "a", tmp_path / "b", 0o604)
    assert digest == hashlib.sha256(b"content").hexdigest()
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o604


def test_new_folders_alone_have_the_mode(tmp_path: Path) -> None:
    """Those that were there are their owners'; the umask doesn't matter."""
    (tmp_path / "old").mkdir(mode=0o755)
    files.make_folder(tmp_path / "old/new/newer", 0o2775)
    modes = [(tmp_path / p).stat().st_mode & 0o7777 for p in ("old", "old/new", "old/new/newer")]
    assert modes == [0o755, 0o2775, 0o2775]
    files.make_folder(tmp_path / "old/new/newer", 0o700)


def test_writing_names_the_folder_and_the_remedy(tmp_path: Path) -> None:
    """The system's refusal becomes an error that says where and what to do."""
    (tmp_path / "file").write_text("x")
    below = tmp_path / "file" / "below"
    with (
        pytest.raises(CannotWriteError, match=r"Not a directory\. Move away the file"),
        files.writing(below),
    ):
        below.mkdir()
    with (
        pytest.raises(CannotWriteError, match=r"a: can't be written: .*\. Make its folder first"),
        files.writing(tmp_path / "none" / "a"),
    ):
        (tmp_path / "none" / "a").touch()
