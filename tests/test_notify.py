"""What systemd would hear, on a real datagram socket."""

from __future__ import annotations

import math
import os
import re
import time
from typing import TYPE_CHECKING

import pytest
from notify_listener import Listener

from nstd import notify
from nstd.notify import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["path", "abstract"])
def listener(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Listener]:
    """Listen on a socket in the file system, and on one that has no file."""
    is_path = request.param == "path"
    made = Listener(str(tmp_path / "s") if is_path else f"@nstd-test-{os.getpid()}")
    yield made
    made.close()


def test_nothing_is_said_without_a_socket(tmp_path: Path) -> None:
    """Nor where the socket has no listener; the program runs the same under no systemd."""
    for address in ("", "relative", str(tmp_path / "absent")):
        service = Service({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "junk"})
        assert service.wants_status == address.startswith("/")
        service.feed()
        service.ready()
        service.status("idle")
        service.reloading()
        service.reloaded()
        service.stopping(1.0)
        assert service.wakes_at == math.inf


def test_ready_is_said_once(listener: Listener) -> None:
    """The main loop may ask for it at every turn."""
    service = Service(listener.environment)
    service.ready()
    service.ready()
    assert listener.heard() == ["READY=1"]


def test_a_slow_start_gets_more_time(listener: Listener) -> None:
    """Each sign of life before READY moves the limit on, but not at every turn; none after."""
    service = Service(listener.environment)
    service.feed()
    service.feed()
    assert listener.heard() == [f"EXTEND_TIMEOUT_USEC={int(notify.STARTING_SECONDS * 1e6)}"]
    service.ready()
    service.feed()
    assert listener.heard() == ["READY=1"]


def test_the_watchdog_is_fed_at_half_its_interval(listener: Listener) -> None:
    """Not more often, however often the loop turns, and the loop is told when to be awake."""
    service = Service({**listener.environment, "WATCHDOG_USEC": "200000"})
    service.ready()
    began = time.monotonic()
    service.feed()
    service.feed()
    assert listener.heard() == ["READY=1", "WATCHDOG=1"]
    assert began + 0.1 <= service.wakes_at <= time.monotonic() + 0.1
    time.sleep(max(0.0, service.wakes_at - time.monotonic()))
    service.feed()
    assert listener.heard() == ["WATCHDOG=1"]


@pytest.mark.parametrize(("pid", "fed"), [(os.getpid(), True), (1, False)], ids=["own", "other"])
def test_the_watchdog_of_another_process_is_not_fed(
    listener: Listener, pid: int, *, fed: bool
) -> None:
    """$WATCHDOG_PID says whose it is."""
    environment = {**listener.environment, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(pid)}
    service = Service(environment)
    service.ready()
    service.feed()
    assert ("WATCHDOG=1" in listener.heard()) == fed
    assert math.isfinite(service.wakes_at) == fed


def test_a_status_is_one_line_and_new(listener: Listener) -> None:
    """Line breaks would begin another assignment; an old status isn't repeated."""
    service = Service(listener.environment)
    assert service.wants_status
    service.status("2 jobs waiting\nREADY=1")
    assert not service.wants_status
    service.status("2 jobs waiting\nREADY=1")
    service.status("a name that is not UTF-8: \udcff")
    assert listener.heard() == [
        "STATUS=2 jobs waiting READY=1",
        r"STATUS=a name that is not UTF-8: \udcff",
    ]


def test_a_reload_is_bracketed(listener: Listener) -> None:
    """RELOADING=1 has the monotonic clock's time in microseconds; READY=1 ends it."""
    service = Service(listener.environment)
    service.ready()
    before = time.monotonic_ns() // 1000
    service.reloading()
    service.reloaded()
    first, reloading, last = listener.heard()
    assert (first, last) == ("READY=1", "READY=1")
    found = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading)
    assert found is not None
    assert before <= int(found[1]) <= time.monotonic_ns() // 1000


def test_a_reload_during_the_start_is_not_told(listener: Listener) -> None:
    """Its end would count as the end of the start."""
    service = Service(listener.environment)
    service.reloading()
    service.reloaded()
    assert listener.heard() == []


def test_stopping_asks_for_its_time(listener: Listener) -> None:
    """And the limit is not moved by the turns of the loop that follow."""
    service = Service(listener.environment)
    service.stopping(1.5)
    service.feed()
    assert listener.heard() == ["STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000"]
