"""Request files: complete or not there, in order, and readable for the daemon."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from nstd.entry import State
from nstd.errors import CannotWriteError
from nstd.spool import requests
from nstd.spool.requests import Cancel, Pause, Prune, Resume, Retry

EVERY = [
    Cancel(job_id="one"),
    Retry(job_ids=("one", "two")),
    Pause(),
    Resume(),
    Prune(before=1.5e9, states=(State.RETIRED, State.FAILED)),
]


@pytest.mark.parametrize("request_", EVERY, ids=lambda found: found.kind)
def test_what_is_left_is_read(tmp_path: Path, request_: requests.Request) -> None:
    """Each kind, as it was asked; nothing temporary is left beside it."""
    path = requests.leave(tmp_path, request_)
    assert requests.pending(tmp_path) == [path]
    assert requests.read(path) == request_
    assert len(list(tmp_path.iterdir())) == 1


def test_they_are_done_in_the_order_in_which_they_were_asked(tmp_path: Path) -> None:
    """The last word counts."""
    for _ in range(3):
        requests.leave(tmp_path, Pause())
        requests.leave(tmp_path, Resume())
    kinds = [requests.read(path).kind for path in requests.pending(tmp_path)]
    assert kinds == ["pause", "resume"] * 3


def test_the_group_may_read_them_whatever_the_umask(tmp_path: Path) -> None:
    """The daemon is another user, in the same group."""
    before = os.umask(0o077)
    try:
        path = requests.leave(tmp_path, Pause())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away takes root")
def test_roots_requests_are_the_folders_owners() -> None:
    """Or a daemon that isn't root could not read them."""
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        found = requests.leave(Path(folder), Pause()).stat()
        assert (found.st_uid, found.st_gid) == (65534, 65534)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With what to do about it."""
    with pytest.raises(CannotWriteError, match=r"absent: can't be written.*start nstd once"):
        requests.leave(tmp_path / "absent", Pause())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"pause"',
        "{}",
        '{"kind": "dance"}',
        '{"kind": "cancel"}',
        '{"kind": "cancel", "job_id": 3}',
        '{"kind": "pause", "until": 3}',
        '{"kind": "prune", "before": NaN, "states": []}',
        '{"kind": "prune", "before": 1, "states": ["tired"]}',
        '{"kind": "cancel", "job_id": "\\udce9"}',
        "[" * 100_000,
        "x" * (2**22 + 1),
    ],
    ids=range(15),
)
def test_what_asks_for_nothing_is_refused(tmp_path: Path, text: str) -> None:
    """Half a file, an unknown kind, a wrong type, too much."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's or ours, whatever it says
        requests.read(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nor is a folder read."""
    (tmp_path / "real").write_text('{"kind": "pause"}')
    (tmp_path / "x.json").symlink_to("real")
    (tmp_path / "y.json").mkdir()
    for path in requests.pending(tmp_path):
        with pytest.raises(OSError, match=r"."):
            requests.read(path)


def test_what_is_set_aside_is_not_seen_again(tmp_path: Path) -> None:
    """It stays, for whoever wants to know."""
    path = requests.leave(tmp_path, Pause())
    requests.set_aside(path)
    (tmp_path / ".half.json.tmp").touch()
    (tmp_path / "README").touch()
    assert requests.pending(tmp_path) == []
    assert path.with_name(f"{path.name}.refused").exists()
