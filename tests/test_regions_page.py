"""docs/regions.md does what it says."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import save_picture
from doc_pages import blocks
from folders import manifest, run_once
from PIL import Image

import nstd

if TYPE_CHECKING:
    from collections.abc import Callable

DEMO = Path(nstd.__file__).parent / "demo"


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """Lend a folder with the pictures that the page names; skies are above, water below."""
    for name in ("harbour.jpg", "brushwork.jpg"):
        shutil.copy(DEMO / name, tmp_path)
    save_picture(tmp_path / "night.jpg", 96, 80, seed=2)
    upper = np.zeros((60, 90), np.uint8)
    upper[:30] = 255
    for name, mask in (("sky", upper), ("water", 255 - upper)):
        Image.fromarray(mask).save(tmp_path / f"harbour.{name}.png")
    Image.fromarray(255 - upper).save(tmp_path / "night.water.png")
    colours = np.stack([upper, 0 * upper, 255 - upper], -1)
    for name in ("harbour", "night"):
        Image.fromarray(colours).save(tmp_path / f"{name}.labels.png")
    return tmp_path


@pytest.mark.parametrize("number", [0, 1], ids=["grey", "labels"])
def test_the_sidecars_are_jobs(studio: Path, number: int) -> None:
    """Masks are inputs like others, in the manifest and among the originals."""
    root = studio / "root"
    inbox = root / "inbox"
    inbox.mkdir(parents=True)
    text = blocks("regions.md", "yaml")[number]
    (inbox / "harbour.yaml").write_text(text)
    named = set(re.findall(r"[\w.]+\.(?:png|jpg)", text))
    for name in named:
        shutil.copy(studio / name, inbox)
    assert run_once(root)[0] == 0
    facts = manifest(root, "harbour")
    masks = {name for name in named if name.endswith(".png")}
    assert {mask["name"] for mask in facts["masks"]} == masks
    assert {path.name for path in (root / "done").iterdir()} == {*named, "harbour.yaml"}


def test_the_command_paints_the_sky_alone(
    studio: Path, painted: Callable[[list[str]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below it, the picture is the content's."""
    monkeypatch.chdir(studio)
    (line,) = blocks("regions.md", "console")[0].splitlines()
    painted(shlex.split(line.removeprefix("$ nstd ")))
    sky = np.asarray(Image.open(studio / "sky.png"), np.float32)
    content = Image.open(studio / "harbour.jpg").resize(sky.shape[1::-1], Image.Resampling.LANCZOS)
    change = np.abs(sky - np.asarray(content, np.float32)).mean(2)
    assert change[:38].mean() > 20
    assert change[48:].mean() < 2


@pytest.mark.usefixtures("shared_engine")
def test_the_python_block_runs(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays for masks, and a style for each."""
    monkeypatch.chdir(studio)
    names: dict[str, object] = {}
    exec(compile("\n".join(blocks("regions.md", "python")), "regions.md", "exec"), names)  # noqa: S102 - our own documentation
    result = names["result"]
    assert isinstance(result, nstd.StyleResult)
    assert result.recipe["init"] == "adain"
    assert result.image.shape == (85, 128, 3)
