"""One machine for the tests that need no fresh one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from machine import Machine, why_not
from service import Service, install, wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel."""
    return wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def machine(built: Path) -> Iterator[Machine]:
    """Boot a machine with nstd installed."""
    if reason := why_not():
        pytest.skip(reason)
    booted = Machine()
    try:
        install(booted, built)
        yield booted
    finally:
        booted.close()


@pytest.fixture
def serve(machine: Machine) -> Iterator[Callable[..., Service]]:
    """Make the service as a test wants it; afterwards it is stopped and its folders are empty."""
    made: list[Service] = []

    def make(**options: object) -> Service:
        made.append(Service(machine, **options))
        return made[-1]

    yield make
    for service in made:
        service.remove()
