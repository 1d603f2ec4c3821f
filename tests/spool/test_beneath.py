"""Files below a folder, reached without leaving it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from nstd.spool import beneath


def test_a_file_is_found_below_its_folder(tmp_path: Path) -> None:
    """Through any number of real folders."""
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/a").write_bytes(b"x")
    found = beneath.identity(tmp_path, Path("deep/er/a"))
    assert found is not None
    assert found.size == 1
    with os.fdopen(beneath.open_file(tmp_path, Path("deep/er/a"))) as file:
        assert file.read() == "x"


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    """An operator may place folders as he likes; what users make below is not trusted."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a").write_bytes(b"x")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert beneath.identity(tmp_path / "root", Path("a")) is not None


@pytest.mark.parametrize("relative", ["link/secret", "alias", "../secret", "deep/../../secret"])
def test_nothing_outside_is_reached(tmp_path: Path, relative: str) -> None:
    """21. Neither a linked folder, nor a linked file, nor the way up."""
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (tmp_path / "secret").write_text("s")
    (root / "link").symlink_to(tmp_path)
    (root / "alias").symlink_to(tmp_path / "secret")
    assert beneath.identity(root, Path(relative)) is None
    with pytest.raises(OSError, match=r"levels of symbolic links|Not a directory|leads out"):
        beneath.open_file(root, Path(relative))


def test_a_link_to_a_neighbour_counts_as_absent(tmp_path: Path) -> None:
    """Where it leads doesn't matter."""
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to("a")
    assert beneath.identity(tmp_path, Path("b")) is None


@pytest.mark.timeout(10)
@pytest.mark.parametrize("kind", ["fifo", "socket", "folder"])
def test_only_regular_files_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """22. A FIFO doesn't block, and nothing else is taken for a file."""
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    if kind == "fifo":
        os.mkfifo("a")
    elif kind == "folder":
        Path("a").mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("a")
    assert beneath.identity(tmp_path, Path("a")) is None
    with pytest.raises(OSError, match=r"not a regular file|No such device"):
        beneath.open_file(tmp_path, Path("a"))


def test_hard_links_are_ordinary_files(tmp_path: Path) -> None:
    """21. They can't be told from one."""
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert beneath.identity(tmp_path, Path("b")) == beneath.identity(tmp_path, Path("a"))


def test_missing_folders_are_made_on_request(tmp_path: Path) -> None:
    """Without it their absence is an error."""
    with pytest.raises(FileNotFoundError), beneath.folder(tmp_path, Path("new/deep")):
        pass
    with beneath.folder(tmp_path, Path("new/deep"), create=True) as descriptor:
        assert os.path.sameopenfile(descriptor, descriptor)
        beneath.through(descriptor, "a").write_text("x")
    assert (tmp_path / "new/deep/a").read_text() == "x"


def test_an_open_folder_stays_where_it_is(tmp_path: Path) -> None:
    """21. A folder that is swapped for a link after it was opened leads nowhere else."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    with beneath.folder(tmp_path, Path("in")) as descriptor:
        (tmp_path / "in").rename(tmp_path / "moved")
        (tmp_path / "in").symlink_to(tmp_path / "out")
        beneath.through(descriptor, "a").write_text("x")
    assert (tmp_path / "moved/a").exists()
    assert not (tmp_path / "out/a").exists()


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Neither after success nor after a refusal."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a").write_text("x")
    (tmp_path / "deep/link").symlink_to("a")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        assert beneath.identity(tmp_path, Path("deep/a")) is not None
        assert beneath.identity(tmp_path, Path("deep/link/x")) is None
        with pytest.raises(OSError, match="levels of symbolic links"):
            beneath.open_file(tmp_path, Path("deep/link"))
        with pytest.raises(OSError, match="not a regular file"):
            beneath.open_file(tmp_path, Path("deep"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
