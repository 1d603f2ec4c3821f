"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import save_picture
from PIL import Image
from transfers import SHALLOW

import nstd
from nstd.engine import weights

if TYPE_CHECKING:
    from collections.abc import Callable


# Layers near the image, whose graphs are made in half of the time.
SHALLOW_OPTIONS = [
    part for key, layers in SHALLOW.items() for part in ("--set", f"{key}={json.dumps(layers)}")
]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run nstd."""
    return subprocess.run(
        [sys.executable, "-m", "nstd", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "100", **environment},
    )


def test_help_lists_the_commands() -> None:
    """Every command that the README mentions is there."""
    shown = run("--help")
    assert shown.returncode == 0
    for command in ("stylize", "run", "once", "demo", "weights"):
        assert command in shown.stdout


def test_version() -> None:
    """The version is the package's."""
    assert run("--version").stdout == f"nstd {nstd.__version__}\n"


def test_stylize_writes_the_picture(tmp_path: Path) -> None:
    """The output has the size that was asked for; stdout has its path and nothing else."""
    content, style = save_picture(tmp_path / "c.jpg", 96, 64), save_picture(tmp_path / "s.png")
    out = tmp_path / "out.jpg"
    done = run(
        "stylize", content, style, "-o", out, "--preset", "fast", "--size", 48,
        "--set", "iterations=3", "--set", "learning_rate=1e-2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}\n"
    assert done.stderr == ""
    with Image.open(out) as image:
        assert (image.format, image.size) == ("JPEG", (48, 32))
    assert {path.name for path in tmp_path.iterdir()} == {"c.jpg", "s.png", "out.jpg"}


def test_the_shell_completes_commands_and_options() -> None:
    """What `--install-completion` puts into the shell asks the program itself, which answers."""

    def completed(line: str) -> set[str]:
        words = line.split()
        done = subprocess.run(
            [Path(sys.executable).parent / "nstd"],
            capture_output=True,
            text=True,
            check=True,
            env={
                **os.environ,
                "_NSTD_COMPLETE": "complete_bash",
                "COMP_WORDS": line,
                "COMP_CWORD": str(len(words) - 1),
            },
        )
        return set(done.stdout.split())

    assert completed("nstd st") == {"status", "stylize"}
    assert "--watch" in completed("nstd status --w")


def test_the_same_picture_twice_is_the_same_to_the_byte(tmp_path: Path) -> None:
    """Two processes, one seed, every kind of operation: noise, scales, transport, an average."""
    content, style = save_picture(tmp_path / "c.png", 96, 80), save_picture(tmp_path / "s.png")
    hashes = []
    for index in (1, 2):
        done = run(
            "stylize", content, style, "-o", tmp_path / f"{index}.png", "--deterministic",
            "--set", "init=random", "--set", "seed=7", "--set", "iterations=2",
            "--set", "min_scale=48", "--set", "depth=16", "--json", *SHALLOW_OPTIONS,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)
        assert facts["deterministic"]
        hashes.append(facts["output"]["sha256"])
    assert hashes[0] == hashes[1]


def test_stylize_starts_from_a_picture(
    tmp_path: Path, painted: Callable[[list[object]], str]
) -> None:
    """`init` is a path; before the first update the result is that picture."""
    content, start = save_picture(tmp_path / "c.png"), save_picture(tmp_path / "i.png", seed=4)
    out = tmp_path / "o.png"
    painted([
        "stylize", content, content, "-o", out, "--preset", "classic",
        "--set", f"init={start}", "--set", "iterations=1",
    ])  # fmt: skip
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(Image.open(start)))


def test_stylize_tells_what_it_did_as_json(
    tmp_path: Path, painted: Callable[[list[object]], str]
) -> None:
    """Several styles blend by their shares; the facts are those of a manifest."""
    content = save_picture(tmp_path / "c.jpg")
    styles = [save_picture(tmp_path / f"{seed}.png", seed=seed) for seed in (1, 2)]
    told = painted([
        "stylize", content, *styles, "-o", tmp_path / "o.png",
        "--style-weights", "3,1", "--preset", "draft", "--set", "report=true", "--json",
    ])  # fmt: skip
    facts = json.loads(told)
    assert facts["report"] == str(tmp_path / "o.report.html")
    assert "Content: c.jpg" in (tmp_path / "o.report.html").read_text()
    assert facts["styles"] == [str(style) for style in styles]
    assert facts["style_weights"] == [3, 1]
    assert facts["output"]["width"] == 64
    assert facts["parameters"]["preset"] == "draft"
    assert np.asarray(Image.open(tmp_path / "o.png")).std() > 10


@pytest.mark.parametrize(
    ("arguments", "code", "clause"),
    [
        (["-o", "o.gif"], 2, "no picture format has this suffix"),
        (["-o", "o.png", "--set", "size"], 2, "has no ="),
        (["-o", "o.png", "--set", "sise=3"], 2, "did you mean 'size'?"),
        (["-o", "o.png", "--size", "3"], 2, "size: should be from 16 to 32768 pixels"),
        (["-o", "o.png", "--set", "tv_weight=.nan"], 2, "finite number"),
        (["-o", "nowhere/o.png"], 73, "nowhere/o.png: can't be written"),
        ([], 2, "--output"),
    ],
)
def test_what_cannot_be_asked_for(
    tmp_path: Path, arguments: list[str], code: int, clause: str
) -> None:
    """One line that says what and how to mend it, and the exit code of its kind."""
    content = save_picture(tmp_path / "c.png")
    done = run("stylize", content, content, *arguments)
    assert done.returncode == code
    assert clause in done.stderr
    assert "Traceback" not in done.stderr


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    """The message has the path as it was given."""
    (tmp_path / "c.png").write_text("no picture")
    done = run("stylize", tmp_path / "c.png", tmp_path / "c.png", "-o", tmp_path / "o.png")
    assert done.returncode == 1
    assert f"nstd: {tmp_path}/c.png: is not a JPEG" in done.stderr
    assert not (tmp_path / "o.png").exists()


@pytest.mark.parametrize("command", ["run", "once"])
def test_a_wrong_configuration_is_exit_78(tmp_path: Path, command: str) -> None:
    """Every problem is named, nothing is started."""
    config = tmp_path / "c.yaml"
    config.write_text("rot: /x\nthreads: many\n")
    done = run(command, "--config", config)
    assert done.returncode == 78
    assert "rot: unknown key, did you mean 'root'?" in done.stderr
    assert "threads: " in done.stderr


def test_root_and_config_exclude_each_other(tmp_path: Path) -> None:
    """Two answers to one question are none."""
    done = run("run", "--root", tmp_path, "--config", tmp_path / "c.yaml")
    assert done.returncode == 2
    assert "exclude each other" in done.stderr


def test_the_configuration_may_come_from_the_environment(tmp_path: Path) -> None:
    """$NSTD_CONFIG stands in for --config."""
    done = run("once", NSTD_CONFIG=str(tmp_path / "absent.yaml"))
    assert done.returncode == 78
    assert "absent.yaml" in done.stderr


def test_weights_are_located_verified_and_carried(tmp_path: Path) -> None:
    """The cached file taken to a host without a network is accepted there, and verified."""
    carried = weights.resolve(None)
    cache = {"NSTD_CACHE_DIR": str(tmp_path / "cache"), "PIP_INDEX_URL": "http://127.0.0.1:9"}
    missing = run("weights", "verify", **cache)
    assert missing.returncode == 1
    assert "nstd weights fetch" in missing.stderr
    assert run("weights", "fetch", "--from", carried, **cache).returncode == 0
    path = run("weights", "path", **cache).stdout.strip()
    assert path.startswith(str(tmp_path))
    verified = run("weights", "verify", **cache)
    assert verified.returncode == 0
    assert weights.NORMALISED.sha256 in verified.stdout
