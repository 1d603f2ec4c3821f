"""A whole transfer of an image that is larger than its memory."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf
from conftest import picture
from engine_oom import TightEngine

from nstd.domain import Checkpoint, StyleImage, StyleRequest
from nstd.engine import memory
from nstd.engine.engine import StyleCache
from nstd.engine.estimate import memory_bytes
from nstd.engine.memory import Memory
from nstd.engine.objective import Structure
from nstd.engine.plan import Plan
from nstd.engine.tiles import Grid, halo, radius
from nstd.errors import CancelledError, DeviceMemoryError, TooLargeError
from nstd.params import StyleParams

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.engine.engine import Engine

WIDTH, HEIGHT = 150, 131
SIDE = 64
# Down to block3, so that the halo is small; two scales, the coarse one whole.
SETTINGS: dict[str, Any] = {
    "preset": "quality",
    "iterations": 2,
    "min_scale": 106,
    "content_layers": {"block3_conv2": 1.0},
    "style_layers": {"block1_conv1": 2.0, "block2_conv2": 1.0, "block3_conv1": 1.0},
}


def request(*, tiled: bool, **params: Any) -> StyleRequest:
    """Ask for a transfer between two styles, with memory for its tiles only or for all of it."""
    wanted = {**SETTINGS, **params}
    layers = Structure.of(StyleParams(**wanted).recipe(WIDTH)).layers
    grid = Grid(SIDE, halo(radius(layers)))
    if tiled:
        wanted["max_memory"] = memory_bytes(layers, HEIGHT, WIDTH, 4, grid) / 2**30
    styles = (StyleImage(picture(160, 120, 1), 2.0), StyleImage(picture(90, 160, 3), 1.0))
    return StyleRequest(picture(WIDTH, HEIGHT), styles, StyleParams(**wanted))


@pytest.mark.parametrize(
    "params",
    [
        {"preserve_color": "match", "average_decay": 0.5, "keep": "average"},
        {"preset": "fast", "style_scale": 0.7, "preserve_color": "luminance"},
    ],
    ids=["quality", "fast"],
)
def test_a_tiled_transfer_is_the_whole_images(engine: Engine, params: dict[str, Any]) -> None:
    """Losses agree, and pictures to a quarter of an 8-bit step: Adam enlarges small gradients."""
    whole, tiled = (
        engine.transfer(request(tiled=tiled, **params)).result() for tiled in (False, True)
    )
    assert [(scale.width, scale.height) for scale in tiled.scales] == [
        (scale.width, scale.height) for scale in whole.scales
    ]
    assert [losses.total for losses in tiled.trace] == pytest.approx(
        [losses.total for losses in whole.trace], rel=1e-4
    )
    assert (tiled.kept, tiled.best_iteration) == (whole.kept, whole.best_iteration)
    assert tiled.estimate["memory"] < whole.estimate["memory"]
    assert np.abs(tiled.image - whole.image).mean() < 1e-3


def test_what_tiles_measured_is_not_taken_for_the_whole(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They round otherwise, and a job's bytes mustn't depend on the jobs before it."""

    def style_targets(*, tiled: bool) -> list[np.ndarray]:
        targets = Plan(engine, request(tiled=tiled)).targets((HEIGHT, WIDTH)).style
        return [part.numpy() for part in tf.nest.flatten(targets)]

    monkeypatch.setattr(engine, "styles", StyleCache(10**9))
    alone = style_targets(tiled=False)
    monkeypatch.setattr(engine, "styles", StyleCache(10**9))
    by_tiles, after = style_targets(tiled=True), style_targets(tiled=False)
    assert not all(map(np.array_equal, by_tiles, alone))
    assert all(map(np.array_equal, after, alone))


def test_each_tile_is_a_sign_of_life(engine: Engine) -> None:
    """Of targets and of both passes, long before the first iterate; it may end the transfer too."""
    signs: list[int] = []
    wanted = request(tiled=True, min_scale=WIDTH)
    iterates = iter(engine.transfer(wanted, None, lambda: signs.append(1)))
    next(iterates)
    tiles = len(Grid(SIDE, 0).tiles(HEIGHT, WIDTH))
    assert len(signs) >= 2 * tiles > 4

    def enough() -> None:
        raise CancelledError("it was taken back")

    with pytest.raises(CancelledError):
        engine.transfer(wanted, None, enough).result()


def test_a_tiled_draft_is_the_whole_images(engine: Engine) -> None:
    """Up to rounding, at sizes that encoder and decoder round up."""
    whole, tiled = (
        engine.transfer(request(tiled=tiled, preset="draft")).result().image
        for tiled in (False, True)
    )
    assert np.allclose(tiled, whole, atol=1e-4)


def test_a_tiled_transfer_resumes(engine: Engine, tmp_path: Path) -> None:
    """From its checkpoint, with the result of an uninterrupted one."""
    wanted = request(tiled=True)
    whole = engine.transfer(wanted).result()
    saving = Checkpoint(tmp_path, every_seconds=0.0)
    for iterate in engine.transfer(wanted, saving):
        if iterate.iteration + 1 == iterate.planned:  # the one before is in the checkpoint
            break
    result = engine.transfer(wanted, saving).result()
    assert any("resumed after iteration" in note for note in result.notes)
    assert np.allclose(result.image, whole.image, atol=1e-5)
    assert len(result.trace) == len(whole.trace)


def test_a_picture_that_was_looked_at_stays_as_it_is(engine: Engine) -> None:
    """Later iterations write to the state's image, not to what was handed out."""
    transfer = engine.transfer(request(tiled=True, snapshots=1, min_scale=WIDTH))
    seen = [transfer.image for _ in transfer]
    assert len(seen) == 2
    assert not np.array_equal(seen[0], seen[1])


def test_the_content_is_not_written_to(engine: Engine) -> None:
    """A transfer that starts from the content leaves the caller's picture alone."""
    wanted = request(tiled=True, min_scale=WIDTH)
    before = wanted.content.copy()
    result = engine.transfer(wanted).result()
    assert np.array_equal(wanted.content, before)
    assert not np.allclose(result.image, before, atol=0.01)


def test_a_device_that_runs_out_of_memory_goes_on_by_tiles(engine: Engine) -> None:
    """From the iterate where it was, with a note; the result is the same."""
    wanted = request(tiled=False)
    whole = engine.transfer(wanted).result()
    tight = TightEngine(engine, pixels=10_000)  # the coarse scale has 106x93
    result = tight.transfer(wanted).result()
    assert result.notes == ("150x131 by tiles, after the device's memory ran out",)
    assert tight.held
    assert not any(tight.held), "the failed attempt's tensors are let go first"
    assert len(result.trace) == len(whole.trace)
    assert np.abs(result.image - whole.image).mean() < 1e-3


def test_a_device_without_memory_for_tiles_is_said_so(engine: Engine) -> None:
    """Then the size is to blame, and what can be done is said."""
    tight = TightEngine(engine, pixels=10_000, tiles_fit=False)
    with pytest.raises(DeviceMemoryError, match=r"150x131 pixels are more than the memory"):
        tight.transfer(request(tiled=False)).result()


def test_the_machines_memory_decides(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `max_memory`, an image is computed whole if what is free suffices."""
    needed = engine.transfer(request(tiled=False, max_memory=100.0)).estimate.memory
    by_tiles = {}
    for available in (needed * 0.99, needed * 1.01):
        found = Memory(total=int(needed * 2), available=int(available))
        monkeypatch.setattr(memory, "host", lambda found=found: found)
        by_tiles[available > needed] = engine.transfer(request(tiled=False)).estimate.memory
    assert by_tiles[False] < by_tiles[True] == needed


def test_what_is_free_does_not_matter_where_bytes_do(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deterministic: the same request is computed the same way, whatever else is running."""
    device = dataclasses.replace(engine.device, deterministic=True)
    monkeypatch.setattr(engine, "device", device)
    estimates = set()
    for available in (1, 10**12):
        found = Memory(total=10**12, available=available)
        monkeypatch.setattr(memory, "host", lambda found=found: found)
        estimates.add(engine.transfer(request(tiled=False)).estimate.memory)
    assert len(estimates) == 1


def test_a_picture_that_no_tile_helps_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size, what it would take, what there is, and what to do."""
    monkeypatch.setattr(memory, "host", lambda: Memory(total=10**8, available=10**8))
    with pytest.raises(
        TooLargeError,
        match=r"150x131 pixels would take about \d\.\d GiB even by tiles, more than "
        r"the 0\.1 GiB of this machine. Lower size",
    ):
        engine.transfer(request(tiled=False))
