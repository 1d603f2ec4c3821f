"""What no event tells: overflows, refused watches, an inbox that comes and goes (8 to 11)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from daemon_process import DaemonProcess, drop
from folders import (
    names,
    run_once,
    running,
    visible,
    watched_inodes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


QUEUED_EVENTS = Path("/proc/sys/fs/inotify/max_queued_events")


@contextlib.contextmanager
def few_queued_events() -> Iterator[None]:
    """Give inotify queues that are made meanwhile room for 16 events; skip if that is refused."""
    before = QUEUED_EVENTS.read_text()
    try:
        QUEUED_EVENTS.write_text("16")
    except OSError as error:
        pytest.skip(f"fs.inotify.max_queued_events can't be lowered: {error.strerror}")
    try:
        yield
    finally:
        QUEUED_EVENTS.write_text(before)


def test_an_event_overflow_loses_nothing(tmp_path: Path) -> None:
    """8. 500 files drop on a stopped daemon with room for 16 events: every job is done."""
    picture = save_picture(tmp_path / "a.jpg")
    with contextlib.ExitStack() as stack:
        with few_queued_events():
            daemon = stack.enter_context(running(tmp_path))
        assert watched_inodes(daemon.process.pid), "the watch has its queue"
        os.kill(daemon.process.pid, signal.SIGSTOP)
        try:
            for number in range(50):
                folder = tmp_path / "inbox" / str(number)
                folder.mkdir()
                for name in ("a.jpg", "a.style.jpg", *(f"stray{i}.jpg" for i in range(7))):
                    shutil.copy(picture, folder / name)
                (folder / "a.yaml").write_text("# defaults\n")
        finally:
            os.kill(daemon.process.pid, signal.SIGCONT)
        daemon.wait_for("warning", message="Inotify queue overflowed; filesystem events were lost")
        daemon.wait_for("job.retired", count=50)
        # With more folders than that queue holds, watching would overflow again and again.
        daemon.wait_for("watch.degraded")
        drop(tmp_path / "inbox" / "49", "later")
        daemon.wait_for("job.retired", name="49/later")
        requests = (tmp_path / "state" / "requests").stat().st_ino
        # Each watch has a queue of its own: that on requests goes on.
        assert watched_inodes(daemon.process.pid) == {requests}
        overflows = daemon.count("warning")
        drop(tmp_path / "inbox", "last")
        daemon.wait_for("job.retired", name="last")
        assert daemon.count("warning") == overflows
    assert {Path(path).name for path in visible(tmp_path / "inbox")} == {
        f"stray{i}.jpg" for i in range(7)
    }
    results = [path for path in visible(tmp_path / "outbox") if path.endswith(".png")]
    assert len(results) == 52


def test_a_rescan_finds_what_no_event_tells(tmp_path: Path) -> None:
    """9. Without any watch, jobs are found all the same."""
    with running(tmp_path, settings={"watch": {"mode": "polling"}}) as daemon:
        time.sleep(1.0)
        drop(tmp_path / "inbox" / "deep" / "down", "a")
        daemon.wait_for("job.retired", name="deep/down/a")
        assert watched_inodes(daemon.process.pid) == set()


def few_watches(number: int) -> list[str]:
    """Wrap a command in a user namespace with so many inotify watches; skip if that is refused."""
    script = f'echo {number} > /proc/sys/user/max_inotify_watches && exec "$@"'
    wrapper = ["unshare", "-Ur", "sh", "-c", script, "sh"]
    tried = subprocess.run([*wrapper, "true"], check=False, capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f"no user namespace with fewer watches: {tried.stderr.strip()}")
    return wrapper


def test_a_refused_watch_means_rescans(tmp_path: Path) -> None:
    """10. With three inotify watches in all there is one warning, and jobs are found by rescans."""
    for number in range(4):
        drop(tmp_path / "inbox" / f"{number}", "a")
    with running(tmp_path, wrapper=few_watches(3)) as daemon:
        daemon.wait_for("job.done", count=4)
        drop(tmp_path / "inbox" / "3", "b")
        daemon.wait_for("job.done", name="3/b")
        time.sleep(1.2)  # two rescans more
    (warning,) = (event for event in daemon.events if event["event"] == "watch.degraded")
    assert warning["reason"].endswith("inotify watch limit reached")
    assert "fs.inotify.max_user_watches" in warning["remedy"]


def test_a_watch_refused_later_means_rescans(tmp_path: Path) -> None:
    """10. Folders that come when the watches are used up are found by rescans; one warning."""
    with running(tmp_path, wrapper=few_watches(8)) as daemon:
        for number in range(12):
            drop(tmp_path / "inbox" / f"{number}", "a")
        daemon.wait_for("job.done", count=12)
        drop(tmp_path / "inbox" / "11", "b")
        daemon.wait_for("job.done", name="11/b")
        time.sleep(1.2)
    assert daemon.count("watch.degraded") == 1


class Share:
    """A folder that is mounted as the inbox, in a mount namespace of the daemon's own.

    Args:
        root: of the daemon.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / "share"
        self.point = root / "inbox"
        self.folder.mkdir()
        self.point.mkdir()
        mount = f'mount --bind {self.folder} {self.point} && exec "$@"'
        self.wrapper = ["unshare", "-m", "sh", "-c", mount, "sh"]
        tried = subprocess.run([*self.wrapper, "true"], check=False, capture_output=True, text=True)
        if tried.returncode:
            pytest.skip(f"no mount namespace: {tried.stderr.strip()}")

    def _within(self, daemon: DaemonProcess, *command: str) -> None:
        enter = ["nsenter", "-t", str(daemon.process.pid), "-m"]
        subprocess.run([*enter, *command], check=True)

    def vanish(self, daemon: DaemonProcess) -> None:
        """Unmount it, busy as it is."""
        self._within(daemon, "umount", "-l", str(self.point))

    def come_back(self, daemon: DaemonProcess) -> None:
        """Mount it again."""
        self._within(daemon, "mount", "--bind", str(self.folder), str(self.point))


def test_an_inbox_that_vanishes_for_a_while(tmp_path: Path) -> None:
    """11. An unmounted inbox isn't "all deleted": nothing ends, and all goes on when it's back."""
    share = Share(tmp_path)
    with running(tmp_path, wrapper=share.wrapper) as daemon:
        drop(share.folder, "first", "preset: fast\niterations: 150\n")
        drop(share.folder, "waits", "style: late.png\n")
        daemon.wait_for("job.started", name="first")
        share.vanish(daemon)
        daemon.wait_for("inbox.absent")
        drop(share.folder, "second")
        time.sleep(2.0)  # the first job ends meanwhile
        assert list(share.point.iterdir()) == [], "nothing is written to the empty mount point"
        assert names(share.folder) >= {"first.jpg", "first.style.png", "second.yaml", "waits.yaml"}
        assert names(tmp_path / "failed") == names(tmp_path / "done") == set()
        share.come_back(daemon)
        daemon.wait_for("inbox.back")
        daemon.wait_for("job.retired", name="first")
        daemon.wait_for("job.retired", name="second")
        assert daemon.count("inbox.absent") == daemon.count("inbox.back") == 1
        drop(share.folder, "third")
        daemon.wait_for("job.retired", name="third")
        seen = watched_inodes(daemon.process.pid)
        assert share.folder.stat().st_ino in seen, "events are heard again"


def test_an_absent_inbox_at_the_start(tmp_path: Path) -> None:
    """11. A daemon whose inbox isn't mounted yet waits for it instead of beginning a new one."""
    drop(tmp_path / "inbox", "a")
    assert run_once(tmp_path)[0] == 0
    (tmp_path / "inbox").rename(tmp_path / "elsewhere")
    (tmp_path / "inbox").mkdir()
    assert run_once(tmp_path)[0] == 73
    assert names(tmp_path / "inbox") == set()
    daemon = DaemonProcess(tmp_path, copying=True)
    try:
        daemon.wait_for("inbox.absent")
        (tmp_path / "inbox").rmdir()
        (tmp_path / "elsewhere").rename(tmp_path / "inbox")
        drop(tmp_path / "inbox", "b")
        daemon.wait_for("inbox.back")
        daemon.wait_for("job.retired", name="b")
        assert daemon.stop() == 0
    finally:
        daemon.process.kill()
