"""Renaming without replacing, with the system call and without."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from jobs import other_disk

from nstd.spool import renaming

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RENAMERS = (renaming.no_replace, renaming.place)


@pytest.fixture(params=["renameat2", "no renameat2", "EINVAL"], autouse=True)
def _system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test with the call, in a C library without it, and on a file system without it."""
    if request.param == "no renameat2":
        monkeypatch.setattr(renaming, "_renameat2", lambda: None)
    elif request.param == "EINVAL":

        def refuse(*_: object) -> int:
            renaming.ctypes.set_errno(errno.EINVAL)
            return -1

        monkeypatch.setattr(renaming, "_renameat2", lambda: refuse)


@pytest.mark.parametrize("rename", RENAMERS)
def test_a_free_name_is_taken(tmp_path: Path, rename: Callable[..., None]) -> None:
    """And the old one is gone."""
    (tmp_path / "a").write_text("a")
    rename(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("rename", RENAMERS)
@pytest.mark.parametrize("kind", ["file", "folder", "dangling link"])
def test_a_taken_name_is_an_error(tmp_path: Path, rename: Callable[..., None], kind: str) -> None:
    """25. Whatever has it; both are as they were."""
    (tmp_path / "a").write_text("a")
    target = tmp_path / "b"
    if kind == "file":
        target.write_text("b")
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    before = target.lstat()
    with pytest.raises(FileExistsError):
        rename(tmp_path / "a", target)
    assert (tmp_path / "a").read_text() == "a"
    assert target.lstat().st_ino == before.st_ino


@pytest.mark.parametrize("rename", RENAMERS)
def test_an_absent_source_is_an_error(tmp_path: Path, rename: Callable[..., None]) -> None:
    """Of the kind that says so."""
    with pytest.raises(FileNotFoundError):
        rename(tmp_path / "a", tmp_path / "b")


def test_the_source_may_be_relative_to_an_open_folder(tmp_path: Path) -> None:
    """So that it can't be swapped on the way there."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a").write_text("a")
    descriptor = os.open(tmp_path / "sub", os.O_RDONLY)
    renaming.no_replace("a", tmp_path / "b", source_folder=descriptor)
    os.close(descriptor)
    assert (tmp_path / "b").read_text() == "a"


def test_another_file_system_says_so(tmp_path: Path) -> None:
    """The caller copies instead."""
    (tmp_path / "a").write_text("a")
    for folder in other_disk(tmp_path):
        with pytest.raises(OSError, match="ross-device") as caught:
            renaming.no_replace(tmp_path / "a", folder / "a")
        assert caught.value.errno == errno.EXDEV
        return
    pytest.skip("no second file system here")


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
    renaming.place(tmp_path / "a", tmp_path / "final")
    with pytest.raises(FileExistsError):
        renaming.place(tmp_path / "b", tmp_path / "final")
    assert (tmp_path / "final").read_text() == "a"


def test_names_of_any_bytes_are_renamed(tmp_path: Path) -> None:
    """12. A name is bytes."""
    source = tmp_path / os.fsdecode(b"caf\xe9\n")
    source.write_text("x")
    renaming.no_replace(source, tmp_path / os.fsdecode(b"\xff"))
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == [b"\xff"]
