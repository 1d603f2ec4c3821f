"""Which file systems other machines write to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jobs import SHM

from nstd.spool import mounts

if TYPE_CHECKING:
    from pathlib import Path

LINE = "36 35 98:0 / {point} rw,noatime shared:1 - {kind} source rw\n"


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Lend a table of mounts to fill in: (mount point, type)."""
    table: list[tuple[str, str]] = []

    class Table:
        def read_text(self, **_: object) -> str:
            return "".join(LINE.format(point=point, kind=kind) for point, kind in table)

    monkeypatch.setattr(mounts, "_MOUNTS", Table())
    table.append(("/", "ext4"))
    assert tmp_path.exists()
    return table


def test_the_nearest_mount_counts(mounted: list[tuple[str, str]], tmp_path: Path) -> None:
    """Of those above the folder the deepest; of several on one point the last."""
    (tmp_path / "in/deep").mkdir(parents=True)
    mounted += [(f"{tmp_path}/in", "nfs4"), (str(tmp_path), "xfs"), (f"{tmp_path}/inside", "cifs")]
    assert mounts.kind(tmp_path / "in" / "deep") == "nfs4"
    assert mounts.kind(tmp_path) == "xfs"
    mounted.append((str(tmp_path), "btrfs"))
    assert mounts.kind(tmp_path) == "btrfs"


def test_escaped_names_are_understood(mounted: list[tuple[str, str]], tmp_path: Path) -> None:
    """The kernel writes a space as an octal number."""
    (tmp_path / "a b").mkdir()
    mounted.append((f"{tmp_path}/a\\040b", "cifs"))
    assert mounts.kind(tmp_path / "a b") == "cifs"


def test_links_are_followed(mounted: list[tuple[str, str]], tmp_path: Path) -> None:
    """A folder is where it really is."""
    (tmp_path / "share").mkdir()
    (tmp_path / "link").symlink_to("share")
    mounted.append((f"{tmp_path}/share", "nfs"))
    assert mounts.is_remote(tmp_path / "link")


@pytest.mark.parametrize(
    ("kind", "remote"),
    [
        ("nfs", True),
        ("nfs4", True),
        ("cifs", True),
        ("smb3", True),
        ("fuse.sshfs", True),
        ("fuseblk", True),
        ("9p", True),
        ("virtiofs", True),
        ("ext4", False),
        ("tmpfs", False),
        ("overlay", False),
        ("fusectl", False),
        ("xfs", False),
    ],
)
def test_kinds(mounted: list[tuple[str, str]], tmp_path: Path, kind: str, remote: bool) -> None:  # noqa: FBT001
    """Where the kernel here hears nothing of what other machines write."""
    mounted.append((str(tmp_path), kind))
    assert mounts.is_remote(tmp_path) is remote


def test_the_systems_own_table_is_read() -> None:
    """`/dev/shm` is a tmpfs wherever it is mounted."""
    if not SHM.is_mount():
        pytest.skip("no second file system here")
    assert mounts.kind(SHM) == "tmpfs"
    assert not mounts.is_remote(SHM)


def test_without_a_table_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is watched like any folder."""
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "absent")
    assert mounts.kind(tmp_path) == ""
    assert not mounts.is_remote(tmp_path)
