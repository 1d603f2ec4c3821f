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
HARDENING = UNIT.partition("---- Hardening.")[2].partition("[Install]")[0]
MUST_STAY_OFF = ("PrivateDevices", "MemoryDenyWriteExecute", "ProcSubset")

needs_tool = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Ask systemd-analyze."""
    command = ["systemd-analyze", "--no-pager", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_tool
@pytest.mark.parametrize("drop_in", ["", "shares.conf"])
def test_systemd_finds_no_fault(tmp_path: Path, drop_in: str) -> None:
    """Neither in the unit nor in the drop-in; the program itself isn't installed here."""
    unit = tmp_path / "nstd.service"
    unit.write_text(UNIT.replace("/opt/nstd/bin/nstd", "/bin/true"))
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
def test_the_service_is_little_exposed() -> None:
    """At most 2.0 of 10, where 9.6 is a service without any hardening."""
    done = analyze("security", "--offline=true", "--threshold=20", FOLDER / "nstd.service")
    assert done.returncode == 0, done.stdout


def test_each_line_of_hardening_says_when_to_relax_it() -> None:
    """A comment stands above every setting, or above the settings of one name."""
    last = ""
    explained = False
    for line in HARDENING.splitlines()[1:]:
        if not line:
            continue
        setting = re.match(r"#?(\w+)=", line)
        if setting is None:
            assert line.startswith("# ")
            explained = True
        else:
            assert explained or setting[1].startswith(last), line
            explained, last = False, setting[1]
    for name in MUST_STAY_OFF:
        before, _, _ = HARDENING.partition(f"#{name}=")
        assert "ust stay off" in before.rstrip().rpartition("\n\n")[2].rpartition("=")[2]
        assert f"\n{name}=" not in HARDENING


def test_the_unit_fits_the_configurations_defaults() -> None:
    """Grace time and what follows it are within TimeoutStopSec."""
    found = re.search(r"^TimeoutStopSec=(\d+)s$", UNIT, re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= Limits().grace_seconds + 25
