"""Wake-ups."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

import pytest

from nstd.spool.watch import Waker, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def waker(tmp_path: Path) -> Iterator[Waker]:
    """Watch a folder that has the daemon's own within it."""
    (tmp_path / ".nstd" / "claimed").mkdir(parents=True)
    waker = Waker()
    watch = Watch(tmp_path, waker)
    watch.start()
    yield waker
    watch.stop()
    waker.close()


def is_woken(waker: Waker, seconds: float) -> bool:
    """Tell whether a wake-up comes in time."""
    return bool(select.select([waker], [], [], seconds)[0])


def test_many_wake_ups_are_one(tmp_path: Path) -> None:
    """However many come, clearing once is enough, and a full pipe never blocks."""
    assert tmp_path.exists()
    waker = Waker()
    for _ in range(100_000):
        waker.wake()
    assert is_woken(waker, 0)
    waker.clear()
    assert not is_woken(waker, 0)
    waker.close()


def test_a_new_file_wakes(waker: Waker, tmp_path: Path) -> None:
    """Creation is enough."""
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert is_woken(waker, 5)


def test_a_renamed_file_wakes(waker: Waker, tmp_path: Path) -> None:
    """Producers that write a .part and rename it are heard."""
    part = tmp_path / "a.part"
    part.write_bytes(b"x")
    assert is_woken(waker, 5)
    settle(waker)
    part.rename(tmp_path / "a.yaml")
    assert is_woken(waker, 5)


def test_a_file_in_a_new_folder_wakes(waker: Waker, tmp_path: Path) -> None:
    """Folders made later are watched too."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    assert is_woken(waker, 5)
    settle(waker)
    (tmp_path / "deep" / "er" / "a.jpg").write_bytes(b"x")
    assert is_woken(waker, 5)


def test_reading_does_not_wake(waker: Waker, tmp_path: Path) -> None:
    """Our own reading emits events too, and would wake the scan for ever."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    assert is_woken(waker, 5)
    settle(waker)
    path.read_bytes()
    assert not is_woken(waker, 0.5)


def test_the_daemons_own_folder_does_not_wake(waker: Waker, tmp_path: Path) -> None:
    """Claiming moves files under .nstd; that is no news."""
    (tmp_path / ".nstd" / "claimed" / "a.yaml").write_text("x")
    assert not is_woken(waker, 0.5)


def settle(waker: Waker) -> None:
    """Wait until the events so far have all been heard."""
    while is_woken(waker, 0.3):
        waker.clear()
