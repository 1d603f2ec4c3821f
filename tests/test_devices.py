"""Which devices there are, from recorded words of the driver, and what workers are pinned to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from nstd import devices
from nstd.errors import DeviceAbsentError

if TYPE_CHECKING:
    from pathlib import Path

TWO = """\
0, GPU-8f2c1a3e-0b1c-4c55-9d2e-1a2b3c4d5e6f, NVIDIA H100 80GB HBM3, 81559, 9.0
1, GPU-8f2d77aa-1111-2222-3333-444455556666, NVIDIA GeForce RTX 3060, 12288, 8.6
"""
BUSY = """\
GPU-8f2c1a3e-0b1c-4c55-9d2e-1a2b3c4d5e6f, 61035, 97
GPU-8f2d77aa-1111-2222-3333-444455556666, 512, [N/A]
"""
OLD_DRIVER = "0, GPU-aa, Tesla K80, 11441, [Not Supported]\n"
NO_DEVICES = "No devices were found\n"


def test_the_drivers_words_are_read() -> None:
    """Number, UUID, name, bytes and compute capability of each."""
    first, second = devices.parse(TWO)
    assert (first.index, first.name, first.capability) == (0, "NVIDIA H100 80GB HBM3", "9.0")
    assert first.memory == 81559 * 2**20
    assert second.uuid == "GPU-8f2d77aa-1111-2222-3333-444455556666"
    assert str(second).startswith("gpu:1 NVIDIA GeForce RTX 3060 (12 GiB, compute capability 8.6")


def test_what_an_old_driver_does_not_tell_is_unknown() -> None:
    """No capability is no error."""
    (found,) = devices.parse(OLD_DRIVER)
    assert found.capability == ""
    assert "unknown" in str(found)


def test_words_that_name_no_device_name_none() -> None:
    """The driver says so in a sentence."""
    assert devices.parse(NO_DEVICES) == ()


def test_readings_are_bytes_and_shares() -> None:
    """A GPU that is cut into instances doesn't tell what it is at: unknown, not idle."""
    first, second = devices.parse_readings(BUSY)
    assert first == devices.Reading("GPU-8f2c1a3e-0b1c-4c55-9d2e-1a2b3c4d5e6f", 61035 * 2**20, 0.97)
    assert (second.used, second.utilisation) == (512 * 2**20, None)
    assert devices.parse_readings(NO_DEVICES) == ()


def test_auto_takes_the_first_gpu() -> None:
    """By its UUID, since CUDA numbers devices in an order of its own."""
    (pin,) = devices.pins("auto", devices.parse(TWO))
    assert pin.name == "gpu:0"
    assert dict(pin.environment)["CUDA_VISIBLE_DEVICES"].startswith("GPU-8f2c1a3e")


@pytest.mark.parametrize("wanted", ["auto", "cpu"])
def test_the_cpu_hides_every_gpu(wanted: str) -> None:
    """Where there is none, or on request."""
    found = devices.parse(TWO) if wanted == "cpu" else ()
    (pin,) = devices.pins(wanted, found)
    assert pin == devices.Pin("cpu", (("CUDA_VISIBLE_DEVICES", "-1"),))


def test_several_devices_are_pinned_in_order() -> None:
    """By number, by UUID, by the beginning of a UUID."""
    found = devices.parse(TWO)
    wanted = ["gpu:1", "gpu:GPU-8f2c1a3e-0b1c-4c55-9d2e-1a2b3c4d5e6f", "cpu"]
    pins = devices.pins(wanted, found)
    assert [pin.gpu.index if pin.gpu else None for pin in pins] == [1, 0, None]
    (short,) = devices.pins("gpu:GPU-8f2d", found)
    assert short.gpu == found[1]


@pytest.mark.parametrize(
    ("wanted", "clause"),
    [("gpu:2", "is not there"), ("gpu:GPU-77", "is not there"), ("gpu:GPU-8f2", "one device only")],
)
def test_an_absent_device_is_named_with_what_there_is(wanted: str, clause: str) -> None:
    """38. Exit code 69, and the operator reads what could be named instead."""
    with pytest.raises(DeviceAbsentError, match=clause) as caught:
        devices.pins(wanted, devices.parse(TWO))
    assert "gpu:1 NVIDIA GeForce RTX 3060" in str(caught.value)
    assert caught.value.exit_code == 69


def test_the_driver_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own program, found on the path."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<END\n{TWO}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert devices.inventory() == devices.parse(TWO)


def test_without_a_driver_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent, or broken: no GPU can be used either way."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert devices.inventory() == ()
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert devices.inventory() == ()
