"""One daemon per inbox and per state folder."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from nstd.errors import CannotWriteError, LockedError
from nstd.spool import lock

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from nstd.spool import lock
with lock.held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    """39. The message names the lock and what to do."""
    with (
        lock.held(tmp_path),
        pytest.raises(LockedError, match="lock: another nstd holds this lock") as caught,
        lock.held(tmp_path),
    ):
        pass
    assert caught.value.exit_code == 75


def test_other_folders_have_locks_of_their_own(tmp_path: Path) -> None:
    """Inbox and state are held each by itself."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with lock.held(tmp_path / "one"), lock.held(tmp_path / "two"):
        pass


def test_a_killed_daemon_leaves_no_lock(tmp_path: Path) -> None:
    """The system lets go of the lock with the process; no file has to be removed by hand."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError), lock.held(tmp_path):
            pass
        holder.kill()
    with lock.held(tmp_path):
        pass


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """21. Whoever writes to the inbox can't have a file of ours made elsewhere."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotWriteError), lock.held(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_refuses_is_named(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(CannotWriteError, match=r"absent/lock: can't be written"):
        lock.held(tmp_path / "absent").__enter__()


def test_others_can_ask_whether_it_is_held(tmp_path: Path) -> None:
    """A folder that no daemon has ever had isn't, and asking makes no file."""
    assert not lock.is_held(tmp_path)
    assert not list(tmp_path.iterdir())
    with lock.held(tmp_path):
        assert lock.is_held(tmp_path)
    assert not lock.is_held(tmp_path)


def test_who_only_asks_keeps_no_daemon_from_starting(tmp_path: Path) -> None:
    """The question takes the lock for a moment: the daemon waits that moment."""
    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.1, asking.close).start()
        with lock.held(tmp_path):
            assert lock.is_held(tmp_path)


def test_a_lock_that_can_not_be_looked_at(tmp_path: Path) -> None:
    """A link, or no right to read: it is said which file."""
    (tmp_path / "lock").symlink_to("elsewhere")
    with pytest.raises(CannotWriteError, match="lock: can't be looked at"):
        lock.is_held(tmp_path)
