"""One daemon per inbox and per state folder."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nstd.config import Config
from nstd.errors import LockedError
from nstd.spool import layout, lock

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from nstd.config import Config
from nstd.spool import layout, lock
config = Config(root=Path(sys.argv[1]))
layout.create(config)
with lock.held(config):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_daemon_is_refused(config: Config) -> None:
    """The message names the lock and what to do."""
    layout.create(config)
    with (
        lock.held(config),
        pytest.raises(LockedError, match="another nstd holds this lock"),
        lock.held(config),
    ):
        pass


@pytest.mark.parametrize("shared", ["inbox", "state"])
def test_sharing_one_folder_is_enough(tmp_path: Path, shared: str) -> None:
    """Two daemons with one inbox, or with one state folder, are one too many."""
    folder = {shared: tmp_path / "shared"}
    first = Config(root=tmp_path / "one").model_copy(update=folder)
    second = Config(root=tmp_path / "two").model_copy(update=folder)
    layout.create(first)
    layout.create(second)
    with lock.held(first), pytest.raises(LockedError), lock.held(second):
        pass


def test_a_killed_daemon_leaves_no_lock(config: Config) -> None:
    """The system lets go of the lock with the process; no file has to be removed by hand."""
    command = [sys.executable, "-c", HOLD, str(config.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError), lock.held(config):
            pass
        holder.kill()
    with lock.held(config):
        pass
