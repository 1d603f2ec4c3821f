"""A transfer that survives its process."""

from __future__ import annotations

import dataclasses
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import picture
from transfers import SHALLOW

from nstd.domain import Checkpoint, StyleImage, StyleRequest
from nstd.errors import CannotWriteError
from nstd.params import StyleParams
from nstd.recipes import PRESETS

if TYPE_CHECKING:
    from nstd.engine.engine import Engine


def request(**params: Any) -> StyleRequest:
    """Ask for a small transfer over two scales."""
    settings = {"preset": "quality", "iterations": 4, "min_scale": 34, **SHALLOW, **params}
    style = StyleImage(picture(48, 48, 1))
    return StyleRequest(picture(48, 48), (style,), StyleParams(**settings))


@pytest.mark.parametrize("stop_after", [1, 3, 5, 7])
def test_resumed_equals_uninterrupted(engine: Engine, tmp_path: Path, stop_after: int) -> None:
    """Wherever it is cut off, in whichever scale, the result and its trace are the same."""
    wanted = request()
    whole = engine.transfer(wanted).result()
    assert [scale.iterations for scale in whole.scales] == [4, 4]
    saving = Checkpoint(tmp_path, every_seconds=0.0)
    for iterate in engine.transfer(wanted, saving):
        if iterate.iteration + 1 == stop_after:
            break
    resumed = engine.transfer(wanted, saving)
    result = resumed.result()
    if stop_after > 1:
        assert any("resumed after iteration" in note for note in result.notes)
    assert np.allclose(result.image, whole.image, atol=1e-5)
    assert len(result.trace) == len(whole.trace)
    assert result.best_iteration == whole.best_iteration
    assert [dataclasses.replace(scale, best=0.0) for scale in result.scales] == [
        dataclasses.replace(scale, best=0.0) for scale in whole.scales
    ]
    assert result.trace[-1].total == pytest.approx(whole.trace[-1].total, rel=1e-4)


def test_another_request_does_not_resume(engine: Engine, tmp_path: Path) -> None:
    """Different settings or pictures start afresh, whatever lies in the folder."""
    saving = Checkpoint(tmp_path, every_seconds=0.0)
    engine.transfer(request(), saving).result()
    begun = dataclasses.replace(request(), start=picture(48, 48, 4))
    for other in (request(learning_rate=0.01), request(iterations=5), begun):
        notes = engine.transfer(other, saving).result().notes
        assert not any("resumed" in note for note in notes)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no zip", None])
def test_a_damaged_checkpoint_starts_afresh(
    engine: Engine, tmp_path: Path, damage: bytes | None
) -> None:
    """Losing time is better than losing the job."""
    saving = Checkpoint(tmp_path, every_seconds=0.0)
    engine.transfer(request(), saving).result()
    data = saving.path.read_bytes()
    saving.path.write_bytes(data[: len(data) // 2] if damage is None else damage)
    result = engine.transfer(request(), saving).result()
    assert result.notes == ()


def test_another_version_of_the_preset_does_not_resume(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what was painted by another recipe nothing can be gone on with."""
    saving = Checkpoint(tmp_path, every_seconds=0.0)
    engine.transfer(request(), saving).result()
    changed = dataclasses.replace(PRESETS["quality"], final_rate=0.5)
    monkeypatch.setitem(PRESETS, "quality", changed)
    assert engine.transfer(request(), saving).result().notes == ()


def test_a_full_disk_leaves_the_last_checkpoint(engine: Engine, tmp_path: Path) -> None:
    """It is said so, nothing half is left, and with room again the transfer goes on."""
    saving = Checkpoint(tmp_path, every_seconds=0.0)
    iterates = iter(engine.transfer(request(), saving))
    next(iterates), next(iterates)
    data = saving.path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(CannotWriteError, match=r"checkpoint.npz: can't be written.*Free some"):
            list(iterates)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]
    assert saving.path.read_bytes() == data
    assert "resumed after iteration 0" in engine.transfer(request(), saving).result().notes


def test_a_checkpoint_is_replaced_whole(engine: Engine, tmp_path: Path) -> None:
    """One file, no temporary one beside it."""
    engine.transfer(request(), Checkpoint(tmp_path, every_seconds=0.0)).result()
    assert [path.name for path in Path(tmp_path).iterdir()] == ["checkpoint.npz"]
