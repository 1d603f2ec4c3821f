"""Plugins of the real daemon: one really installed, and some that misbehave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from daemon_process import DaemonProcess, drop
from installed_plugin import install
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = Path(__file__).parent.parent.parent / "docs" / "watermark"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example with pip, without a network, into a folder of its own."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("target")
    for name in ("pyproject.toml", "nstd_watermark.py"):
        (source / name).write_bytes((EXAMPLE / name).read_bytes())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([*command, "--target", target, source], check=True)
    return target


def daemon(root: Path, path: Path, plugins: Sequence[str], **settings: Any) -> DaemonProcess:
    """Start a daemon with plugins from a folder."""
    wrapper = ["env", f"PYTHONPATH={path}:{Path(__file__).parents[2]}"]
    told = {"plugins": list(plugins), **settings}
    return DaemonProcess(root, copying=True, wrapper=wrapper, settings=told)


def daemon_with(root: Path, name: str, code: str) -> DaemonProcess:
    """Start a daemon with a plugin of this code."""
    (root / "plugins").mkdir()
    install(root / "plugins", name, code)
    return daemon(root, root / "plugins", [name])


def pixels(path: Path) -> np.ndarray:
    """Read a picture."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.int16)


def test_the_example_signs_pictures(tmp_path: Path, installed: Path) -> None:
    """In a corner, and nowhere else; the manifest says so, and the plugin is told."""
    hooks = {"plugins": [{"plugin": "watermark", "events": ["published"]}]}
    text = "preset: fast\nsize: 96\niterations: 1\n"
    plain = DaemonProcess(tmp_path, copying=True)
    drop(tmp_path / "inbox", "plain", text, size=(96, 64))
    plain.wait_for("job.retired")
    assert plain.stop() == 0
    running = daemon(tmp_path, installed, ["watermark"], hooks=hooks)
    drop(tmp_path / "inbox", "signed", text, size=(96, 64))
    told = running.wait_for("hook.done")
    assert told["output"] == "signed is published, signed"
    assert told["hook"] == "plugins.0 (watermark)"
    assert running.count("plugin.failed") == 0
    assert running.stop() == 0
    outbox = tmp_path / "outbox"
    before, after = pixels(outbox / "plain.png"), pixels(outbox / "signed.png")
    rows, columns = np.nonzero(np.abs(after - before).max(-1) > 8)
    assert len(rows) > 20
    assert rows.min() > 40
    assert columns.min() > 50
    plugins = json.loads((outbox / "signed.json").read_text())["plugins"]
    assert plugins == [{"name": "watermark", "version": "1.0", "failures": []}]


def test_a_plugin_that_fails_is_logged_and_the_job_is_done(tmp_path: Path) -> None:
    """With the picture as it was, and the failure in the manifest too."""
    code = "@hookimpl\ndef nstd_process_result(image):\n    raise OSError('no font')\n"
    running = daemon_with(tmp_path, "broken", code)
    drop(tmp_path / "inbox", "a")
    failed = running.wait_for("plugin.failed")
    assert (failed["plugin"], failed["reason"]) == ("broken", "OSError: no font")
    assert failed["name"] == "a"
    running.wait_for("job.retired", state="retired")
    assert running.stop() == 0
    manifest = json.loads((tmp_path / "outbox" / "a.json").read_text())
    assert manifest["plugins"][0]["failures"] == ["OSError: no font"]


def test_a_plugin_changes_what_the_transfer_is_asked_for(tmp_path: Path) -> None:
    """Format and size of the result, for one; the manifest has what was used."""
    code = "@hookimpl\ndef nstd_change_params():\n    return {'format': 'jpeg', 'size': 32}\n"
    running = daemon_with(tmp_path, "small", code)
    drop(tmp_path / "inbox", "a")
    running.wait_for("job.retired", state="retired")
    assert running.stop() == 0
    assert pixels(tmp_path / "outbox" / "a.jpg").shape == (24, 32, 3)
    manifest = json.loads((tmp_path / "outbox" / "a.json").read_text())
    assert manifest["parameters"]["size"] == 32


def test_a_picture_that_grows_keeps_its_transparency(tmp_path: Path) -> None:
    """The alpha channel grows with it."""
    code = (
        "@hookimpl\ndef nstd_process_result(image):\n    return image.repeat(2, 0).repeat(2, 1)\n"
    )
    running = daemon_with(tmp_path, "larger", code)
    inbox = tmp_path / "inbox"
    inbox.mkdir(exist_ok=True)
    rgba = np.full((48, 64, 4), 200, np.uint8)
    rgba[:, :32, 3] = 0
    Image.fromarray(rgba).save(inbox / "a.png")
    Image.fromarray(rgba[..., :3]).save(inbox / "a.style.png")
    (inbox / "a.yaml").write_text("# defaults\n")
    running.wait_for("job.retired", state="retired")
    assert running.stop() == 0
    with Image.open(tmp_path / "outbox" / "a.png") as image:
        assert image.size == (128, 96)
        assert image.getpixel((10, 50))[3] == 0  # type: ignore[index]
        assert image.getpixel((120, 50))[3] == 200  # type: ignore[index]
    manifest = json.loads((tmp_path / "outbox" / "a.json").read_text())
    assert (manifest["output"]["width"], manifest["output"]["height"]) == (128, 96)


def test_a_plugin_that_kills_its_worker_is_an_attempt(tmp_path: Path) -> None:
    """No worker can live on with it: the job is tried again, and fails as poison in the end."""
    code = "import os\n@hookimpl\ndef nstd_process_result(image):\n    os.abort()\n"
    running = daemon_with(tmp_path, "deadly", code)
    drop(tmp_path / "inbox", "a")
    running.wait_for("job.retired", state="failed")
    assert running.count("worker.died") == 3
    assert running.stop() == 0


def test_a_plugin_that_is_not_installed_ends_the_start(tmp_path: Path) -> None:
    """Exit code 78: a picture without its watermark would be worse than none."""
    running = daemon(tmp_path, tmp_path, ["watermrk"])
    assert running.ended() == 78
    assert running.events[-1]["event"] == "daemon.failed"
    assert "no installed package provides watermrk" in running.events[-1]["message"]
