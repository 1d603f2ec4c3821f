"""The doctor, in folders with one fault each."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import copying_engine
import pytest

from nstd import doctor, worker
from nstd.config import Config, Limits, Metrics
from nstd.config import load as load_config
from nstd.findings import Finding, Verdict, exit_code
from nstd.hook_settings import Command, Hooks, Webhook
from nstd.spool import layout, lock

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

# No device is examined without them, and nothing else may have fetched them yet.
pytestmark = pytest.mark.usefixtures("weights_file")

COPYING = functools.partial(worker.serve, build=copying_engine.build)


def dying(connection: Connection, options: worker.Options) -> None:
    """Stand in for a worker whose libraries crash."""
    del connection
    Path(options.log).write_text("loading\nIllegal instruction\n")
    os._exit(3)


def found(config: Config, check: str, main: worker.Main = dying) -> Finding:
    """Examine, and take the finding of one check."""
    findings = doctor.examine(lambda: config, main)
    (finding,) = [one for one in findings if one.check == check]
    return finding


def test_a_sound_place_is_sound(config: Config) -> None:
    """Every check is ok where the folders are there, and one iteration runs on each device."""
    layout.create(config)
    findings = doctor.examine(lambda: config.model_copy(update={"device": "cpu"}), COPYING)
    besides = [finding for finding in findings if finding.check != "service"]
    assert {finding.verdict for finding in besides} == {Verdict.OK}
    names = {finding.check for finding in findings}
    assert names >= {"configuration", "inbox", "state", "disk space", "weights", "engine on cpu"}
    assert exit_code(findings) == 0


def test_nothing_is_made(config: Config, tmp_path: Path) -> None:
    """A folder that the daemon would make is only mentioned."""
    assert found(config, "inbox").verdict is Verdict.WARN
    assert not list(tmp_path.iterdir())


def test_a_wrong_configuration_ends_the_examination(tmp_path: Path) -> None:
    """With the daemon's own exit code, the key and the remedy."""
    path = tmp_path / "c.yaml"
    path.write_text("rot: /x\n")
    (finding,) = doctor.examine(lambda: load_config(path))
    assert (finding.verdict, finding.exit_code) == (Verdict.FAIL, 78)
    assert "did you mean 'root'" in finding.what
    assert finding.remedy


def test_a_style_library_that_is_not_there(config: Config, tmp_path: Path) -> None:
    """The daemon works without, and jobs wait for its styles."""
    there, absent = tmp_path / "styles", tmp_path / "none"
    there.mkdir()
    settings = config.model_copy(update={"styles": [there, absent]})
    findings = doctor.examine(lambda: settings, dying)
    verdicts = {one.what: one.verdict for one in findings if one.check == "styles"}
    assert verdicts == {str(there): Verdict.OK, f"{absent} is not there": Verdict.WARN}


def test_a_daemon_that_runs_is_seen(config: Config) -> None:
    """A second one would not start."""
    layout.create(config)
    with lock.held(config.folder("state")):
        assert found(config, "daemon").what == "nstd runs on these folders"
    assert "daemon" not in {one.check for one in doctor.examine(lambda: config, dying)}


def test_an_absent_device_is_exit_69(config: Config) -> None:
    """As `nstd run` would exit; the other checks are made all the same."""
    pinned = config.model_copy(update={"device": "gpu:77"})
    findings = doctor.examine(lambda: pinned, dying)
    assert exit_code(findings) == 69
    assert "gpu:77 is not there" in found(pinned, "devices").what
    assert any(finding.check == "weights" for finding in findings)


def test_a_file_in_a_folders_place_is_named(config: Config, tmp_path: Path) -> None:
    """With the path that is in the way."""
    (tmp_path / "outbox").write_text("")
    finding = found(config, "outbox")
    assert finding.verdict is Verdict.FAIL
    assert str(tmp_path / "outbox") in finding.what


def test_a_full_disk_is_a_failure(config: Config) -> None:
    """Jobs would wait: the daemon could do nothing."""
    greedy = config.model_copy(update={"limits": Limits(min_free_bytes=2**62)})
    findings = doctor.examine(lambda: greedy, dying)
    told = [finding for finding in findings if finding.check == "disk space"]
    assert {finding.verdict for finding in told} == {Verdict.FAIL}
    assert exit_code(findings) == 1


def test_folders_on_two_file_systems_are_a_warning(config: Config, tmp_path: Path) -> None:
    """Originals are copied then; /dev/shm is another file system than the test's folder."""
    away = Path("/dev/shm")  # noqa: S108 - only looked at
    if not away.is_dir() or away.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system")
    (tmp_path / "inbox").mkdir()
    finding = found(config.model_copy(update={"done": away}), "file systems")
    assert finding.verdict is Verdict.WARN
    assert "done" in finding.what


def test_absent_weights_come_with_their_remedy(config: Config, tmp_path: Path) -> None:
    """And no device is tried without them."""
    bare = config.model_copy(update={"weights": tmp_path / "absent.npz"})
    findings = doctor.examine(lambda: bare, dying)
    (finding,) = [one for one in findings if one.check == "weights"]
    assert finding.verdict is Verdict.FAIL
    assert "nstd weights fetch" in finding.remedy
    assert not [one for one in findings if one.check.startswith("engine")]


def test_a_worker_that_dies_is_quoted(config: Config) -> None:
    """With its exit code and its last words."""
    finding = found(config.model_copy(update={"device": "cpu"}), "engine on cpu")
    assert finding.verdict is Verdict.FAIL
    assert "exit code 3" in finding.what
    assert "Illegal instruction" in finding.what


def test_the_command_examines_the_real_engine(config: Config, tmp_path: Path) -> None:
    """As JSON, with the exit code of the findings, under a user who may not write to the inbox."""
    layout.create(config)
    (tmp_path / "inbox").chmod(0o500)
    command = [sys.executable, "-m", "nstd", "check", "--root", str(tmp_path), "--json"]
    unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = subprocess.run(
        [*unprivileged, *command] if os.geteuid() == 0 else command,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    by_name = {finding["check"]: finding for finding in report["findings"]}
    assert by_name["inbox"]["verdict"] == "fail"
    assert "can't be written" in by_name["inbox"]["what"]
    engines = [finding for name, finding in by_name.items() if name.startswith("engine on ")]
    assert [finding["verdict"] for finding in engines] == ["ok"]
    assert (done.returncode, report["exit_code"], report["ok"]) == (1, 1, False)


def test_a_taken_port_is_a_failure(config: Config) -> None:
    """The daemon would not start; unless it is the one that has it."""
    layout.create(config)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        wanted = config.model_copy(update={"metrics": Metrics(port=port)})
        taken = found(wanted, "metrics")
        assert taken.verdict is Verdict.FAIL
        assert str(port) in taken.what
        with lock.held(config.folder("state")):
            assert found(wanted, "metrics").verdict is Verdict.OK
    assert found(wanted, "metrics").verdict is Verdict.OK


def test_hooks_that_could_not_be_told_are_named(config: Config, tmp_path: Path) -> None:
    """As warnings, for jobs are done all the same; no secret is shown."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    secret.chmod(0o600)
    hooks = Hooks(
        commands=[Command(argv=["/bin/true"]), Command(argv=["no-such-program"])],
        webhooks=[Webhook(url="https://example.org/T0KEN", secret_file=secret)],
    )
    told = config.model_copy(update={"hooks": hooks})
    findings = [one for one in doctor.examine(lambda: told, dying) if "hooks" in one.check]
    assert [one.verdict for one in findings] == [Verdict.OK, Verdict.WARN, Verdict.WARN]
    assert "no-such-program" in findings[1].what
    assert "whole path" in findings[1].remedy
    assert findings[2].what == f"{secret}: what is in it is no secret"
    assert "hunter2" not in repr(findings)
    assert "T0KEN" not in repr(findings)
