"""The frozen values that flow from one stage to the next. No I/O, no TensorFlow.

    wake-up -> Candidate -> Entry -> Job -> StyleRequest -> StyleResult -> Rendered -> Target

A step returns a new value and never edits its caller's. `Path` values are the daemon's own;
names that users see are relative to the inbox.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nstd.errors import Disposition

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from nstd.entry import Source
    from nstd.errors import NstdError
    from nstd.params import StyleParams
    from nstd.sidecar import Sidecar

    Float32Image = NDArray[np.float32]
    Float32Mask = NDArray[np.float32]

SNAPSHOT_FOLDER: Final = "snapshots"  # in an attempt's work folder


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What tells one version of a file from another without reading it.

    Devices are numbered afresh when a file system is mounted again, so they are not compared.
    """

    device: int = field(compare=False)
    inode: int
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A settled sidecar and its images.

    Attributes:
        path: of the sidecar, relative to the inbox.
        identity: of the version that was read.
        sidecar: what it says; None if that can't be understood.
        sources: the images, the content first, the styles in the sidecar's order, then the one
            that `init` names, then the masks.
    """

    path: Path
    identity: FileIdentity
    sidecar: Sidecar | None
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class WeightedFile:
    """A style image and its share in the blend (any positive number; shares are normalised)."""

    path: Path
    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class Job:
    """What the worker needs; it crosses the process border, so it holds no pixels.

    Attributes:
        work: a folder of this attempt's own, where the worker leaves the encoded result.
        start: the image that `params.init` names, if it names one.
        masks: the images that `params.mask_files` names, in that order.
        checkpoint: a folder that all attempts share; None: nothing is saved on the way.
        checkpoint_seconds: between two checkpoints.
    """

    job_id: str
    name: str
    work: Path
    content: WeightedFile | None
    styles: tuple[WeightedFile, ...]
    params: StyleParams
    start: WeightedFile | None = None
    masks: tuple[WeightedFile, ...] = ()
    checkpoint: Path | None = None
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class StyleImage:
    """Style pixels, float32 RGB [H, W, 3] in [0, 1], and their positive share in the blend.

    `name` is for messages.
    """

    rgb: Float32Image
    weight: float = 1.0
    name: str = "the style image"


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the content, and the parts of the styles that it is painted in.

    Masks are float32 [H, W] in [0, 1], of any size: they are stretched to their picture's.

    Attributes:
        name: for messages.
        content: 1 where the region is; in between at a soft edge.
        styles: likewise, for each style; None: the style has no part in this region.
    """

    name: str
    content: Float32Mask
    styles: tuple[Float32Mask | None, ...]


@dataclass(frozen=True, slots=True)
class StyleRequest:
    """What the engine is asked for. Content: float32 RGB [H, W, 3] in [0, 1], sRGB.

    Attributes:
        content: None for a texture of `texture_shape`, made from the styles alone.
        name: the content's, for messages.
        texture_shape: (height, width).
        start: what to start from instead of what `params.init` says, float32 RGB [H', W', 3] in
            [0, 1]; stretched to the result's size.
        regions: which part is painted how; what none of them covers stays as the content is.
            None at all: the whole content is one region, the whole of each style its model.
    """

    content: Float32Image | None
    styles: tuple[StyleImage, ...]
    params: StyleParams
    name: str = "the content image"
    texture_shape: tuple[int, int] | None = None
    start: Float32Image | None = None
    regions: tuple[Region, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the result."""
        if self.content is not None:
            height, width = self.content.shape[:2]
            return height, width
        assert self.texture_shape is not None  # noqa: S101 - one of the two is given
        return self.texture_shape


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where and how often a transfer saves its state.

    Attributes:
        folder: the transfer's own; holds one file, which each save replaces.
        every_seconds: between saves; 0 saves after every call of the compiled loop.
    """

    folder: Path
    every_seconds: float = 60.0

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "checkpoint.npz"


@dataclass(frozen=True, slots=True)
class Losses:
    """The objective of one iterate, weights applied: total = content + style + variation."""

    total: float
    content: float
    style: float
    variation: float


@dataclass(frozen=True, slots=True)
class Iterate:
    """One evaluated iterate: its losses belong to the pixels *before* the update.

    Attributes:
        iteration: counts from 0.
        planned: how many iterations there will be, at all scales, if nothing stops them early.
        scale: the present long side in pixels.
        best_iteration: of the lowest finite total loss at this scale so far, if there is one.
        seconds: what this iteration took (a share of the engine call that it was part of).
    """

    iteration: int
    planned: int
    scale: int
    losses: Losses
    best_iteration: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ScaleSummary:
    """One scale of a finished transfer: its size in pixels, iterations, first and lowest loss."""

    width: int
    height: int
    iterations: int
    first: Losses
    best: float


@dataclass(frozen=True, slots=True)
class StyleResult:
    """The stylised image and how it came about.

    Attributes:
        image: float32 RGB [H, W, 3] in [0, 1].
        kept: which picture it is: `best` iterate, `average`, `last` iterate, or `draft`.
        loss: its losses; None for a draft.
        best_iteration: of the final scale; None for a draft, which has none.
        trace: the losses of every iterate, in order; empty for a draft.
        scales: what was done at each scale.
        estimate: what was expected before the start: seconds, and bytes of memory.
        recipe: what the preset and the parameters came to, as plain values.
        seconds: by stage.
        traces: how many graphs TensorFlow traced for this request (0 on a warm engine).
    """

    image: Float32Image
    kept: str
    loss: Losses | None
    best_iteration: int | None
    trace: tuple[Losses, ...]
    scales: tuple[ScaleSummary, ...]
    estimate: Mapping[str, float]
    recipe: Mapping[str, Any]
    seconds: Mapping[str, float]
    device: str
    precision: str
    traces: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The worker's answer: the encoded result in the job's work folder, and its facts.

    Attributes:
        facts: what the manifest says of the engine's work; plain JSON values.
        snapshots: encoded intermediate pictures, named by their iteration.
        report: a page about the job, if one was asked for.
    """

    path: Path
    sha256: str
    width: int
    height: int
    facts: Mapping[str, Any]
    snapshots: tuple[Path, ...] = ()
    report: Path | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as a value: it crosses process borders and ends up in reason files."""

    code: str
    disposition: Disposition
    message: str
    file: str | None = None
    key: str | None = None
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, error: NstdError, **details: object) -> Failure:
        """The error as a value; `details` go into the reason file beside it."""
        return cls(
            error.code, error.disposition, str(error), error.file, error.key, error.remedy, details
        )


def internal_failure(error: Exception) -> Failure:
    """A mistake of ours, met while working on a job, with its traceback for the report."""
    return Failure(
        "internal",
        Disposition.QUARANTINE,
        f"nstd made a mistake: {type(error).__name__}: {error}. Report it, with this job's files.",
        details={"traceback": "".join(traceback.format_exception(error))},
    )
