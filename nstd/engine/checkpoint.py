"""A transfer's state on disk, so that a long one survives its process.

A resumed transfer goes on exactly where the file was written: image, the optimizer's memory,
average, best iterate, scale, iteration and trace are all there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from nstd.domain import Losses

if TYPE_CHECKING:
    from nstd.domain import Checkpoint, StyleRequest
    from nstd.engine.descent import State


@dataclass(frozen=True, slots=True)
class Saved:
    """What a checkpoint holds: the state after `len(trace)` iterations.

    Attributes:
        stage: index of the scale under way.
        scale_start: index in the trace of that scale's first iterate.
    """

    stage: int
    scale_start: int
    state: State
    trace: tuple[Losses, ...]


def fingerprint(request: StyleRequest, network: str) -> str:
    """Of everything that determines the result: a checkpoint of another request isn't used."""
    digest = hashlib.sha256()
    settings = request.params.model_dump_json()
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
        OSError: the folder can't be written.
    """
    # The first part is the image, which `peek` reads too.
    arrays = {
        f"state_{index}": np.asarray(part)
        for index, part in enumerate(tf.nest.flatten(saved.state))
    }
    rows = [dataclasses.astuple(losses) for losses in saved.trace]
    temporary = checkpoint.path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            mark=np.array(mark),
            place=np.array([saved.stage, saved.scale_start]),
            trace=np.array(rows, np.float64).reshape(-1, 4),
            **arrays,
        )
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(checkpoint.path)


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
            stage, scale_start = file["place"].tolist()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # absent or damaged: starting afresh loses time, never a picture
    state = tf.nest.pack_sequence_as(like, flat)
    return Saved(stage, scale_start, state, tuple(Losses(*row) for row in rows))
