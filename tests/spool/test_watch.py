"""Wake-ups."""

from __future__ import annotations

import select
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import structlog
from watchdog.observers.inotify import InotifyEmitter

from nstd import telemetry
from nstd.spool import mounts
from nstd.spool.watch import Waker, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from watchdog.observers.inotify_c import InotifyFD


@pytest.fixture
def waker(tmp_path: Path) -> Iterator[Waker]:
    """Watch a folder that has the daemon's own within it."""
    (tmp_path / ".nstd" / "claimed").mkdir(parents=True)
    waker = Waker()
    watch = Watch(tmp_path, "inotify", waker)
    watch.check()
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
    folder = tmp_path
    for name in ("deep", "er"):
        folder /= name
        folder.mkdir()
        assert is_woken(waker, 5)
        settle(waker)
    (folder / "a.jpg").write_bytes(b"x")
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


def test_a_root_below_a_folder_of_that_name_is_watched(tmp_path: Path) -> None:
    """What lies above it may be called anything."""
    root, waker = tmp_path / ".nstd" / "inbox", Waker()
    (root / ".nstd").mkdir(parents=True)
    watch = Watch(root, "inotify", waker)
    watch.check()
    try:
        (root / ".nstd" / "x").touch()
        assert not is_woken(waker, 0.5)
        (root / "a.yaml").touch()
        assert is_woken(waker, 5)
    finally:
        watch.stop()


def test_the_status_file_does_not_wake(waker: Waker, tmp_path: Path) -> None:
    """It is ours too; one of that name in a folder is somebody's."""
    (tmp_path / ".nstd" / "status.tmp").write_text("x")
    (tmp_path / ".nstd" / "status.tmp").replace(tmp_path / "STATUS.txt")
    assert not is_woken(waker, 0.5)
    (tmp_path / "sub").mkdir()
    settle(waker)
    (tmp_path / "sub" / "STATUS.txt").write_text("x")
    assert is_woken(waker, 5)


def test_a_replaced_root_is_watched_again(tmp_path: Path) -> None:
    """11. Watchdog says nothing of it: the next check finds another inode."""
    root, waker = tmp_path / "inbox", Waker()
    root.mkdir()
    watch = Watch(root, "inotify", waker)
    watch.check()
    root.rename(tmp_path / "away")
    watch.check()
    root.mkdir()
    watch.check()
    settle(waker)
    (root / "a.jpg").write_bytes(b"x")
    assert is_woken(waker, 5)
    watch.stop()
    waker.close()


@pytest.mark.parametrize("dead", ["of a folder", "that reads"])
def test_a_dead_watch_is_begun_anew(tmp_path: Path, dead: str) -> None:
    """8. A thread that ended, for whatever reason."""
    waker = Waker()
    watch = Watch(tmp_path, "inotify", waker)
    watch.check()
    assert watch._observer is not None
    folders, reads = next(iter(watch._observer.emitters)), reader(watch)
    thread = folders if dead == "of a folder" else reads
    thread.stop()
    thread.join()
    watch.check()
    settle(waker)
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert is_woken(waker, 5)
    watch.stop()
    waker.close()


def reader(watch: Watch) -> InotifyFD:
    """Find the thread that all events come through."""
    assert watch._observer is not None
    return watch._observer._inotify


def test_a_living_watch_is_left_alone(tmp_path: Path) -> None:
    """A check costs nothing as a rule."""
    waker = Waker()
    watch = Watch(tmp_path, "inotify", waker)
    watch.check()
    before = watch._observer
    watch.check()
    assert watch._observer is before
    watch.stop()
    waker.close()


def test_a_refusal_is_told_once_and_again_after_a_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10. Rescans go on without events; a watch that can be had later is taken."""
    waker = Waker()
    watch = Watch(tmp_path, "inotify", waker)
    real = watch._start

    def refuse() -> None:
        raise OSError(28, "inotify watch limit reached")

    with structlog.testing.capture_logs() as logged:
        monkeypatch.setattr(watch, "_start", refuse)
        for _ in range(3):
            watch.check()
        assert [line["event"] for line in logged] == [telemetry.WATCH_DEGRADED]
        assert "max_user_watches" in logged[0]["remedy"]
        monkeypatch.setattr(watch, "_start", real)
        for _ in range(2):  # the second finds that all is well
            watch.check()
        assert watch._observer is not None
        watch.stop()
        monkeypatch.setattr(watch, "_start", refuse)
        watch.check()
        assert len(logged) == 2
    waker.close()


@pytest.mark.parametrize(
    ("mode", "remote", "watches"),
    [
        ("auto", False, True),
        ("auto", True, False),
        ("inotify", True, True),
        ("polling", False, False),
    ],
)
def test_what_is_watched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: Literal["auto", "inotify", "polling"],
    remote: bool,  # noqa: FBT001 - a column
    watches: bool,  # noqa: FBT001 - a column
) -> None:
    """9. Events come from this machine only: a share is polled, which is the rescan's work."""
    monkeypatch.setattr(mounts, "is_remote", lambda _: remote)
    waker = Waker()
    watch = Watch(tmp_path, mode, waker)
    watch.check()
    assert (watch._observer is not None) is watches
    watch.stop()
    waker.close()


def settle(waker: Waker) -> None:
    """Wait until the events so far have all been heard."""
    while is_woken(waker, 0.3):
        waker.clear()


def test_a_folder_that_is_met_twice_is_not_remembered(tmp_path: Path) -> None:
    """Watchdog's warning of it names the folder, and Python keeps no list of them."""
    registry: dict[object, object] = {}
    told = "Callback with id '1' already exists for watch /inbox/.nstd/claimed/7. It will be"
    with warnings.catch_warnings():
        warnings.resetwarnings()
        watch = Watch(tmp_path, "inotify", Waker())
        watch.check()
        warnings.warn_explicit(told, RuntimeWarning, "watchdog.py", 1, registry=registry)
        watch.stop()
    assert set(registry) <= {"version"}


def test_a_folder_that_watchdog_lost_stops_nobody(waker: Waker, tmp_path: Path) -> None:
    """8. As after many renames: neither an overflow nor the end stumbles over it."""
    watch = Watch(tmp_path, "inotify", waker)
    watch.check()
    assert watch._observer is not None
    (emitter,) = watch._observer.emitters
    assert isinstance(emitter, InotifyEmitter)
    assert emitter._inotify is not None
    emitter._inotify._active_callbacks_by_path.clear()
    emitter._inotify.on_queue_overflow()
    assert watch._observer.watched() >= {tmp_path.stat().st_ino}
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert is_woken(waker, 5)
    emitter._inotify._active_callbacks_by_path.clear()
    threads = [watch._observer, emitter, reader(watch)]
    watch.stop()
    assert not any(thread.is_alive() for thread in threads)


def test_a_refused_watch_leaves_nothing(tmp_path: Path) -> None:
    """10. It is tried again at every rescan, and a user has few inotify instances."""
    watch = Watch(tmp_path / "absent", "inotify", Waker())
    before = instances()
    with pytest.raises(FileNotFoundError):
        watch._start()
    assert instances() == before


def instances() -> int:
    """Count this process's inotify instances."""
    entries = (entry for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())
    return [str(entry.readlink()) for entry in entries].count("anon_inode:inotify")


def test_a_crowd_is_given_up_by_its_own_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8. Each has a queue of its own; a small folder's watch goes on."""
    short = tmp_path / "max_queued_events"
    short.write_text("4")
    monkeypatch.setattr("nstd.spool.watch._QUEUE", short)
    crowded, quiet = tmp_path / "inbox", tmp_path / "requests"
    quiet.mkdir()
    for number in range(3):
        (crowded / str(number)).mkdir(parents=True)
        (crowded / ".nstd" / str(number)).mkdir(parents=True)
    wakers = {folder: Waker() for folder in (crowded, quiet)}
    watches = {folder: Watch(folder, "inotify", waker) for folder, waker in wakers.items()}
    with structlog.testing.capture_logs() as logged:
        for folder in (crowded, quiet, quiet, crowded):  # the first time, each begins
            watches[folder].check()
    (told,) = (line for line in logged if line["event"] == telemetry.WATCH_DEGRADED)
    assert told["reason"].startswith("8 watches")
    for folder in (crowded, quiet):
        settle(wakers[folder])
        (folder / "new").touch()
    assert is_woken(wakers[quiet], 5)
    assert not is_woken(wakers[crowded], 0.3)
    for folder, waker in wakers.items():
        watches[folder].stop()
        waker.close()
