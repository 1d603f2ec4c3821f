"""A transfer's state on disk, so that a long one survives its process.

A resumed transfer goes on exactly where the file was written: image, the optimizer's memory,
average, best iterate, iteration and trace are all there, and what earlier scales came to.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nstd.domain import Losses, ScaleSummary
from nstd.errors import CannotWriteError

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.domain import Checkpoint, StyleRequest
    from nstd.engine.descent import State
    from nstd.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Saved:
    """What a checkpoint holds: the state after `len(trace)` iterations.

    Attributes:
        state: of the scale under way.
        trace: the losses of every iterate.
        scales: those that are done.
    """

    state: State
    trace: tuple[Losses, ...]
    scales: tuple[ScaleSummary, ...]


def fingerprint(request: StyleRequest, recipe: Recipe, network: str) -> str:
    """Of everything that determines the result: a checkpoint of another request isn't used.

    The parameters alone don't: what a preset comes to may be another thing in the next version.
    """
    digest = hashlib.sha256()
    settings = [request.params.model_dump_json(), recipe.plain()]
    weights = [style.weight for style in request.styles]
    digest.update(json.dumps([settings, network, weights, request.shape]).encode())
    masks = [mask for region in request.regions for mask in (region.content, *region.styles)]
    images = [request.content, request.start, *(style.rgb for style in request.styles), *masks]
    for image in images:
        digest.update(repr(None if image is None else image.shape).encode())
        if image is not None:
            digest.update(np.ascontiguousarray(image).data.cast("B"))
    return digest.hexdigest()


def save(checkpoint: Checkpoint, saved: Saved, mark: str) -> None:
    """Replace the checkpoint, completely or not at all.

    Raises:
        CannotWriteError: the folder can't be written; the last checkpoint is still there.
    """
    temporary = checkpoint.path.with_suffix(".tmp")
    try:
        _write(temporary, saved, mark)
        temporary.replace(checkpoint.path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()  # what there is of it takes the last of the room
        raise CannotWriteError(
            f"can't be written: {error.strerror}",
            file=str(checkpoint.path),
            remedy="free some space, or let the program's user write there",
        ) from error


def _write(path: Path, saved: Saved, mark: str) -> None:
    # The first part is the image, which `peek` reads too.
    arrays = {
        f"state_{index}": np.asarray(part)
        for index, part in enumerate(tf.nest.flatten(saved.state))
    }
    rows = [dataclasses.astuple(losses) for losses in saved.trace]
    scales = [dataclasses.asdict(scale) for scale in saved.scales]
    with path.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            mark=np.array(mark),
            scales=np.array(json.dumps(scales)),
            trace=np.array(rows, np.float64).reshape(-1, 4),
            **arrays,
        )
        file.flush()
        os.fsync(file.fileno())


def load(checkpoint: Checkpoint, mark: str, like: State) -> Saved | None:
    """The checkpoint of the request with this fingerprint; None if there is none to go on from.

    Args:
        checkpoint: where it is.
        mark: the fingerprint.
        like: any state of the request's optimizer.
    """
    try:
        with checkpoint.path.open("rb") as data, np.load(data, allow_pickle=False) as file:
            if str(file["mark"]) != mark:
                return None
            # Arrays of nobody else's, as a descent by tiles needs them.
            parts = len(tf.nest.flatten(like))
            flat = [file[f"state_{index}"] for index in range(parts)]
            rows = file["trace"].tolist()
            scales = json.loads(str(file["scales"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # absent or damaged: starting afresh loses time, never a picture
    state = tf.nest.pack_sequence_as(like, flat)
    done = (ScaleSummary(**{**scale, "first": Losses(**scale["first"])}) for scale in scales)
    return Saved(state, tuple(Losses(*row) for row in rows), tuple(done))
