"""The files in systemd/, as systemd's own tools see them; nothing is booted."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nstd.config import Limits

FOLDER = Path(__file__).parent.parent / "systemd"
UNIT = (FOLDER / "nstd.service").read_text()
UNITS = ("nstd.service", "nstd-web.service")
MUST_STAY_OFF = ("PrivateDevices", "MemoryDenyWriteExecute", "ProcSubset")

needs_tool = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze."""
    command = ["systemd-analyze", "--no-pager", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_tool
@pytest.mark.parametrize(
    ("name", "drop_in"),
    [("nstd.service", ""), ("nstd.service", "shares.conf"), ("nstd-web.service", "")],
)
def test_systemd_finds_no_fault(tmp_path: Path, name: str, drop_in: str) -> None:
    """Neither in a unit nor in the drop-in; the program itself isn't installed here."""
    unit = tmp_path / name
    unit.write_text((FOLDER / name).read_text().replace("/opt/nstd/bin/nstd", "/bin/true"))
    if drop_in:
        (tmp_path / "nstd.service.d").mkdir()
        shutil.copy(FOLDER / drop_in, tmp_path / "nstd.service.d")
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


@needs_tool
def test_systemd_finds_a_fault_if_there_is_one(tmp_path: Path) -> None:
    """The test above can fail."""
    unit = tmp_path / "nstd.service"
    unit.write_text(UNIT.replace("/opt/nstd/bin/nstd", "/bin/true").replace("KillMode", "KilMode"))
    assert "KilMode" in analyze("verify", "--man=no", unit).stderr


@needs_tool
@pytest.mark.parametrize(("name", "threshold"), [("nstd.service", 20), ("nstd-web.service", 12)])
def test_the_services_are_little_exposed(name: str, threshold: int) -> None:
    """At most 2.0 and 1.2 of 10, where 9.6 is a service without any hardening."""
    done = analyze("security", "--offline=true", f"--threshold={threshold}", FOLDER / name)
    assert done.returncode == 0, done.stdout


def hardening(name: str) -> str:
    """Cut the settings out of a unit that take rights from it."""
    text = (FOLDER / name).read_text()
    return text.partition("---- Hardening.")[2].partition("[Install]")[0]


@pytest.mark.parametrize("name", UNITS)
def test_each_line_of_hardening_says_when_to_relax_it(name: str) -> None:
    """A comment stands above every setting, or above the settings of one name."""
    last = ""
    explained = False
    for line in hardening(name).splitlines()[1:]:
        if not line:
            continue
        setting = re.match(r"#?(\w+)=", line)
        if setting is None:
            assert line.startswith("# ")
            explained = True
        else:
            assert explained or setting[1].startswith(last), line
            explained, last = False, setting[1]


def test_what_a_gpu_needs_stays_off() -> None:
    """And the unit says so on the spot."""
    settings = hardening("nstd.service")
    for name in MUST_STAY_OFF:
        before, _, _ = settings.partition(f"#{name}=")
        assert "ust stay off" in before.rstrip().rpartition("\n\n")[2].rpartition("=")[2]
        assert f"\n{name}=" not in settings


def test_the_page_may_write_nothing_but_its_cache() -> None:
    """Nor use a device, nor any network but this machine's."""
    settings = (FOLDER / "nstd-web.service").read_text()
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "PrivateDevices=yes"):
        assert f"\n{line}\n" in settings
    assert "\nIPAddressDeny=any\n" in settings
    assert "ReadWritePaths=" not in settings
    assert "StateDirectory=" not in settings


def test_the_unit_fits_the_configurations_defaults() -> None:
    """Grace time and what follows it are within TimeoutStopSec."""
    found = re.search(r"^TimeoutStopSec=(\d+)s$", UNIT, re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= Limits().grace_seconds + 25
