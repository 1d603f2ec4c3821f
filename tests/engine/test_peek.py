"""The picture in a checkpoint."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import picture

from nstd.domain import Checkpoint, StyleImage, StyleRequest
from nstd.engine import peek
from nstd.errors import ImageError
from nstd.params import StyleParams

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.engine.engine import Engine

PIXELS = 10_000


def saved(**arrays: np.ndarray) -> io.BytesIO:
    """Save arrays as a checkpoint has them."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    file.seek(0)
    return file


def test_it_is_the_transfers_own(engine: Engine, tmp_path: Path) -> None:
    """What a real transfer has saved is the picture as it stands."""
    params = StyleParams(preset="classic", iterations=3, size=64, upscale=True)
    request = StyleRequest(picture(64, 48), (StyleImage(picture(48, 48, 1)),), params)
    saving = Checkpoint(tmp_path, every_seconds=0.0)
    transfer = engine.transfer(request, saving)
    iterates = iter(transfer)
    for _ in range(2):
        next(iterates)
    with saving.path.open("rb") as file:
        seen = peek.picture(file, pixels=PIXELS)
    assert seen.shape == (48, 64, 3)
    assert 0 < np.abs(seen - request.content).mean() < 0.1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 8, 8, 4), np.float32),
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((1, 0, 8, 3), np.float32),
        np.zeros((1, 200, 200, 3), np.float32),
        np.zeros((1, 8, 8, 3), np.float64),
        np.asfortranarray(np.zeros((1, 8, 8, 3), np.float32)),
    ],
    ids=lambda image: f"{image.shape} {image.dtype}",
)
def test_other_arrays_are_no_picture(image: np.ndarray) -> None:
    """Of another shape, too large, or of other numbers."""
    with pytest.raises(ImageError, match="no picture"):
        peek.picture(saved(state_0=image), pixels=PIXELS)


def bare(name: str, data: bytes) -> bytes:
    """An archive with one member."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK no archive",
        bare("other.npy", b""),
        bare("state_0.npy", b"\x93NUMPY"),
        bare("state_0.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'}"),
        saved(state_0=np.zeros((1, 8, 8, 3), np.float32)).getvalue()[:200],
    ],
)
def test_other_files_are_no_checkpoint(data: bytes) -> None:
    """Whatever they are, nothing else is raised."""
    with pytest.raises(ImageError):
        peek.picture(io.BytesIO(data), pixels=PIXELS)


def test_what_is_no_number_is_black() -> None:
    """A page shows it all the same."""
    image = np.full((1, 2, 2, 3), np.nan, np.float32)
    assert peek.picture(saved(state_0=image), pixels=PIXELS).max() == 0
