"""The README's code runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from daemon_process import DaemonProcess
from typer.testing import CliRunner
from web_process import served

import nstd
from nstd import sidecar
from nstd.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """Collect the README's blocks in a language."""
    return [text for found, text in BLOCKS if found == language]


def commands() -> list[str]:
    """Collect the README's shell commands."""
    lines = [line for text in blocks("console") for line in text.splitlines()]
    assert all(line.startswith("$ ") for line in lines)
    return [line.removeprefix("$ ").split("  #")[0].strip() for line in lines]


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """Lend a folder with the demonstration's pictures."""
    for name in ("harbour.jpg", "brushwork.jpg"):
        shutil.copy(ROOT / "nstd" / "demo" / name, tmp_path)
    return tmp_path


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with this environment's nstd on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", [line for line in commands() if " -o " in line])
def test_commands_for_one_picture_run(
    command: str,
    studio: Path,
    painted: Callable[[list[str]], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each writes the picture that it names."""
    monkeypatch.chdir(studio)
    program, *arguments = shlex.split(command)
    assert program == "nstd"
    painted(arguments)
    output = re.search(r"-o (\S+)", command)
    assert output is not None
    assert (studio / output[1]).exists()


def test_the_weights_command_runs(studio: Path) -> None:
    """Fetching what is cached already is quick, and prints where it is."""
    done = shell("nstd weights fetch", studio)
    assert "nstd weights fetch" in commands()
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).exists()


def test_the_commands_for_a_daemon_run(studio: Path) -> None:
    """From top to bottom, against one that runs; some are given the time to take effect."""
    shown = [line for line in commands() if line.startswith("nstd ") and "--root studio" in line]
    shown = [line for line in shown if line.split()[1] not in {"run", "once", "web"}]
    named = [line.split()[1] for line in shown]
    assert {"submit", "status", "cancel", "retry", "pause", "resume", "history", "prune"} <= {
        *named
    }
    root = studio / "studio"
    root.mkdir()
    daemon = DaemonProcess(root, copying=True)
    daemon.wait_for("daemon.started")
    before = {"cancel": ("job.claimed", "again"), "retry": ("job.retired", "again")}
    for line, word in zip(shown, named, strict=True):
        if word in before:
            event, name = before[word]
            daemon.wait_for(event, name=name)
        done = shell(line, studio)
        assert done.returncode == 0, (line, done.stderr)
        if "--wait" in line:
            assert done.stdout.endswith("studio/outbox/harbour.png\n")
    daemon.wait_for("job.done", name="again")
    assert daemon.stop() == 0


def test_the_pages_command_runs(studio: Path) -> None:
    """It serves the root that it names, before any daemon has run there."""
    assert "nstd web --root studio" in commands()
    (studio / "studio").mkdir()
    with served(studio / "studio") as web:
        assert httpx.get(web.url, trust_env=False).status_code == 503


def test_the_schema_command_runs(studio: Path) -> None:
    """Its file is the one that the editor's line names."""
    (line,) = [line for line in commands() if line.startswith("nstd schema")]
    assert shell(line, studio).returncode == 0
    (comment,) = re.findall(r"^# yaml-language-server: \$schema=(\S+)", README, re.MULTILINE)
    assert json.loads((studio / comment).read_text())["title"] == "A sidecar of nstd"


def test_the_daemons_command_does_the_sidecars_job(studio: Path) -> None:
    """The sidecar as the README shows it, but smaller, in the inbox of the root that it names."""
    assert "nstd run --root studio" in commands()
    inbox = studio / "studio" / "inbox"
    inbox.mkdir(parents=True)
    for name in ("harbour.jpg", "brushwork.jpg"):
        shutil.copy(studio / name, inbox)
    text = blocks("yaml")[0].replace("size: 512", "size: 64\niterations: 5")
    (inbox / "harbour.yaml").write_text(text)
    done = shell("nstd once --root studio", studio)
    assert done.returncode == 0, done.stderr
    outbox = studio / "studio" / "outbox"
    assert {path.name for path in outbox.iterdir()} == {
        "harbour-painted.png",
        "harbour-painted.json",
    }


def test_the_hot_folder_takes_an_image_alone(studio: Path) -> None:
    """With the `nstd.yaml` that the README shows, but for size and preset; pixels are copied."""
    hot = studio / "studio" / "inbox" / "hot"
    hot.mkdir(parents=True)
    shutil.copy(studio / "brushwork.jpg", hot / "starry.jpg")
    shutil.copy(studio / "harbour.jpg", hot)
    text = blocks("yaml")[1].replace("preset: quality", "preset: draft\nsize: 64")
    (hot / "nstd.yaml").write_text(text)
    once = DaemonProcess(studio / "studio", "once", copying=True)
    assert once.ended() == 0
    assert (studio / "studio" / "outbox" / "hot" / "harbour.json").exists()
    assert {path.name for path in hot.iterdir()} == {"nstd.yaml", "starry.jpg"}


def test_every_yaml_block_is_read() -> None:
    """What the README shows, the program accepts."""
    one, folder = (text.encode() for text in blocks("yaml"))
    assert sidecar.parse(one, file="README").content == "harbour.jpg"
    assert sidecar.parse_folder(folder, file="README").images == {"starry.jpg"}


def test_the_python_block_runs(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And its comments are true."""
    monkeypatch.chdir(studio)
    (code,) = blocks("python")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own documentation
    result = names["result"]
    assert isinstance(result, nstd.StyleResult)
    assert result.image.shape == (171, 256, 3)
    assert result.best_iteration is None


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_are_targets(target: str) -> None:
    """`make` knows what the README promises; a dry run shows the steps."""
    assert f"make {target}" in commands()
    done = shell(f"make --dry-run --always-make {target}", ROOT)
    assert done.returncode == 0, done.stderr
    assert ("nstd demo" in done.stdout) == (target == "demo")
    assert ("pytest" in done.stdout) == (target == "test")


def test_documented_commands_exist() -> None:
    """Every `nstd COMMAND` in the README is one that the program has."""
    named = set(re.findall(r"`nstd (\w+)", README))
    named |= {line.split()[1] for line in commands() if line.startswith("nstd ")}
    shown = CliRunner().invoke(app, ["--help"]).output
    assert {"run", "stylize", "weights"} <= named
    assert all(name in shown for name in named)


def test_the_api_page_runs(studio: Path) -> None:
    """From top to bottom, each block going on where the last one ended.

    In a process of its own: the page makes TensorFlow deterministic, which is for good.
    """
    page = (ROOT / "docs" / "api.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    proof = [
        "assert len(result.trace) == 6, result",
        "assert texture.image.shape == (51, 64, 3), texture.image.shape",
        "assert continued.recipe['init'] == 'image', continued.recipe",
        "assert exact.device.deterministic",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*blocks, *proof])],
        cwd=studio,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_linked_files_exist() -> None:
    """No link of the README leads nowhere."""
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


@pytest.mark.parametrize("page", ["parameters", "metrics"])
def test_generated_pages_are_up_to_date(page: str) -> None:
    """They are what their generators write."""
    script = ROOT / "docs" / f"write_{page}.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / f"{page}.md").read_text() == done.stdout
