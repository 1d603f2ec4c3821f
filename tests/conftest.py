"""Fixtures that several test files share: pictures, the real engine, folders."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

# Several test processes share the cores, each with daemons and workers of its own. With a thread
# for every core in each, most of them would only wait for one another. Before TensorFlow.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"

import numpy as np
import pytest
from clocks import Clock
from PIL import Image

import nstd.engine  # before TensorFlow, which it sets up
from nstd import images
from nstd.cli import app
from nstd.config import Config, Limits
from nstd.spool import layout, marker
from nstd.spool.desk import Desk
from nstd.spool.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nstd.engine.engine import Engine

pytest_plugins = [
    "scanning",
    "weights_fixtures",
]  # pytest takes plugins from the topmost conftest only


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Make float32 RGB [height, width, 3] with edges and gradients, different for each seed."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / 16
    waves = [np.sin(x * (1 + seed % 3) + y * k + seed) for k in (0.3, 1.1, 2.3)]
    blocks = np.where((x.astype(int) + y.astype(int) + seed) % 2, 0.2, -0.2)
    return np.clip(0.5 + 0.3 * np.stack(waves, -1) + blocks[..., None], 0, 1).astype(np.float32)


def harbour(side: int) -> np.ndarray:
    """Read the demonstration's content image, reduced: a picture with natural statistics."""
    path = Path(nstd.__file__).parent / "demo" / "harbour.jpg"
    return images.load(path, limits=images.ImageLimits(), max_side=side).rgb


def save_picture(path: Path, width: int = 64, height: int = 48, seed: int = 0) -> Path:
    """Write such a picture in the format that the path ends in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((picture(width, height, seed) * 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="session")
def weights_file() -> Path:
    """Have the network's weights in the cache, where a program that a test runs looks for them."""
    from nstd.engine import weights  # noqa: PLC0415 - for the tests that need it

    return weights.resolve(None)


@pytest.fixture(scope="session")
def build_engine(weights_file: Path) -> Callable[[str], Engine]:
    """Build an engine on the real network for a precision."""
    from nstd.engine.build import build  # noqa: PLC0415 - only for the tests that need it

    return lambda precision: build(weights_file, precision)


@pytest.fixture(scope="session")
def engine(build_engine: Callable[[str], Engine]) -> Engine:
    """Share one engine in float32, whose numbers do not depend on the processor."""
    return build_engine("float32")


@pytest.fixture
def shared_engine(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """Have the API, and commands run in this process, use that engine and not build another."""

    def at_hand(*, deterministic: bool = False) -> Engine:
        assert not deterministic, "TensorFlow would be it for all tests that follow"
        return engine

    monkeypatch.setattr("nstd.api.engine", at_hand)
    handler = signal.getsignal(signal.SIGTERM)  # `nstd stylize` sets its own
    yield engine
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def painted(
    shared_engine: Engine, capfd: pytest.CaptureFixture[str]
) -> Callable[[Sequence[object]], str]:
    """Run nstd's commands in this process, which has imported TensorFlow; returns their stdout."""
    del shared_engine  # only needed in place

    def run(arguments: Sequence[object]) -> str:
        app([str(argument) for argument in arguments], standalone_mode=False)
        return capfd.readouterr().out

    return run


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Configure a daemon of the test's own, whose files settle at once."""
    return Config(
        root=tmp_path,
        settle_seconds=0.0,
        rescan_seconds=0.5,
        retire_grace_seconds=0.0,
        limits=Limits(incomplete_seconds=0.0, min_free_bytes=0),
    )


@pytest.fixture
def desk(config: Config) -> Iterator[Desk]:
    """Lend a daemon's folders and ledger without the daemon."""
    layout.create(config)
    ledger = Ledger(layout.ledger(config))
    marker.adopt(config, ledger)
    yield Desk(config, ledger)
    ledger.close()


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    """Name a file for a ledger."""
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(ledger_path: Path) -> Iterator[Ledger]:
    """Open a new one."""
    ledger = Ledger(ledger_path)
    yield ledger
    ledger.close()


@pytest.fixture
def clock() -> Clock:
    """Lend a clock that moves when told."""
    return Clock()
