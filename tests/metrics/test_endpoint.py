"""Where metrics are asked for."""

from __future__ import annotations

import socket
import struct
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
import structlog
from ports import free_port

from nstd import devices, telemetry
from nstd.config import Log, Metrics
from nstd.errors import CannotListenError
from nstd.metrics import endpoint
from nstd.metrics.catalogue import CATALOGUE
from nstd.metrics.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.config import Config
    from nstd.spool.desk import Desk

CPU = devices.pins("cpu", ())


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Leave logging as it was."""
    yield
    structlog.reset_defaults()


def at(config: Config, port: int | None, address: str = "127.0.0.1") -> Config:
    """Put a port into the configuration."""
    return config.model_copy(update={"metrics": Metrics(port=port, address=address)})


def scrape(port: int, address: str = "127.0.0.1") -> str:
    """Ask as Prometheus does."""
    host = f"[{address}]" if ":" in address else address
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture
def opened(desk: Desk) -> Iterator[tuple[Endpoint, Config]]:
    """Open an endpoint on a free port."""
    config = at(desk.config, free_port())
    found = Endpoint(config, CPU)
    found.open()
    yield found, config
    found.end()


def port_of(config: Config) -> int:
    """Read the port."""
    assert config.metrics.port is not None
    return config.metrics.port


def test_every_metric_of_the_catalogue_is_told(opened: tuple[Endpoint, Config]) -> None:
    """With its help and its kind, and no other of nstd's; a GPU's need a GPU."""
    text = scrape(port_of(opened[1]))
    told = {line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE nstd_")}
    expected = {one.name for one in CATALOGUE if not one.name.startswith("nstd_device_")}
    assert told == expected
    assert "\nprocess_resident_memory_bytes " in text


def test_events_are_counted_however_quiet_the_log(opened: tuple[Endpoint, Config]) -> None:
    """The endpoint listens to telemetry, which tells of more than it writes."""
    telemetry.set_up(Log(level="error"))
    structlog.get_logger().info(telemetry.JOB_CLAIMED, job_id="1", name="sea")
    assert "\nnstd_jobs_claimed_total 1.0\n" in scrape(port_of(opened[1]))


def test_without_a_port_nothing_listens(config: Config) -> None:
    """Which is the default."""
    found = Endpoint(config, CPU)
    found.open()
    assert found._listening is None
    found.end()


def test_a_taken_port_is_named_with_a_remedy(config: Config) -> None:
    """Key, address and reason."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        found = Endpoint(at(config, port), CPU)
        with pytest.raises(CannotListenError, match=f"127.0.0.1 port {port}: Address al") as caught:
            found.open()
    found.end()
    assert caught.value.key == "metrics.port"
    assert "Name another port" in str(caught.value)
    assert caught.value.exit_code == 69


def test_an_address_of_another_machine_is_named(config: Config) -> None:
    """It can't be listened at."""
    found = Endpoint(at(config, free_port(), "192.0.2.1"), CPU)
    with pytest.raises(CannotListenError) as caught:
        found.open()
    found.end()
    assert caught.value.key == "metrics.address"


def test_a_new_configuration_moves_it_and_counters_go_on(opened: tuple[Endpoint, Config]) -> None:
    """From one port to another, to another address with the same port, and to none."""
    found, config = opened
    telemetry.set_up(Log(level="error"))
    structlog.get_logger().info(telemetry.JOB_CLAIMED)
    old, new = port_of(config), free_port()
    for address in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - that it works is under test
        found.follow(at(config, new, address), CPU)
        assert "\nnstd_jobs_claimed_total 1.0\n" in scrape(new)
    with pytest.raises(urllib.error.URLError):
        scrape(old)
    found.follow(at(config, None), CPU)
    with pytest.raises(urllib.error.URLError):
        scrape(new)


def test_a_refused_configuration_leaves_the_old_address(opened: tuple[Endpoint, Config]) -> None:
    """Whoever asks there goes on getting answers."""
    found, config = opened
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(CannotListenError):
            found.follow(at(config, other.getsockname()[1]), CPU)
        assert "nstd_build_info" in scrape(port_of(config))


def test_ipv6_is_an_address_too(config: Config) -> None:
    """Where the machine has it."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as probe:
            port = probe.getsockname()[1]
    except OSError as error:
        pytest.skip(f"no IPv6: {error}")
    found = Endpoint(at(config, port, "::1"), CPU)
    found.open()
    assert "nstd_build_info" in scrape(port, "::1")
    found.end()


def test_who_asks_and_says_nothing_is_let_go(
    opened: tuple[Endpoint, Config],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A silent connection holds no thread for ever, and no other one; it is no news either."""
    monkeypatch.setattr(endpoint._Handler, "timeout", 0.3)
    port = port_of(opened[1])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as silent:
        assert "nstd_build_info" in scrape(port)
        assert silent.recv(1) == b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as rude:
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert "nstd_build_info" in scrape(port)
    assert capfd.readouterr().err == ""
