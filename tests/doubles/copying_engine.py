"""An engine that gives back the content image, slowly if asked to: `iterations` of 10 ms each.

It stands in for the network where only the spool is under test. A content image with the name of
a fault makes it commit that fault after its first iterate.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import faults
import numpy as np

from nstd.domain import Iterate, Losses, ScaleSummary, StyleResult

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nstd.domain import StyleRequest

SECONDS_AN_ITERATION = 0.01


@dataclass(frozen=True)
class CopyingWeights:
    """What the manifest says of the network."""

    network_id: str = "copying"
    sha256: str = "0" * 64


@dataclass(frozen=True)
class CopyingDevice:
    """What the manifest and the log say of the device."""

    name: str = "cpu (copying)"
    precision: str = "float32"
    deterministic: bool = False
    tensorflow: str = "none"


@dataclass(frozen=True)
class CopyingEstimate:
    """No time, no memory."""

    seconds: float = 0.0
    memory: float = 0.0


class CopyingTransfer:
    """Follows the protocol of `nstd.engine.transfer.Transfer`."""

    estimate = CopyingEstimate()

    def __init__(self, request: StyleRequest) -> None:
        self._request = request
        self._planned = request.params.iterations or 1
        self._trace: list[Losses] = []
        self._iterates = self._run()

    @property
    def image(self) -> np.ndarray:
        """The content, or the middle of the first style for a texture."""
        if self._request.content is not None:
            return self._request.content
        return np.full((*self._request.shape, 3), 0.5, np.float32)

    def __iter__(self) -> Iterator[Iterate]:
        """The iterates that are still to come."""
        return self._iterates

    def _run(self) -> Iterator[Iterate]:
        for number in range(self._planned):
            time.sleep(SECONDS_AN_ITERATION if self._planned > 1 else 0.0)
            losses = Losses(1.0 / (number + 1), 0.0, 1.0 / (number + 1), 0.0)
            self._trace.append(losses)
            yield Iterate(number, self._planned, 64, losses, number, SECONDS_AN_ITERATION)
            faults.commit(self._request)

    def result(self) -> StyleResult:
        """The picture, unchanged."""
        for _ in self._iterates:
            pass
        height, width = self.image.shape[:2]
        scale = ScaleSummary(width, height, self._planned, self._trace[0], self._trace[-1].total)
        return StyleResult(
            image=self.image,
            kept="best",
            loss=self._trace[-1],
            best_iteration=self._planned - 1,
            trace=tuple(self._trace),
            scales=(scale,),
            estimate={"seconds": 0.0, "memory": 0.0},
            recipe={},
            seconds={"draft": 0.0, "targets": 0.0, "optimise": 0.0},
            device="cpu (copying)",
            precision="float32",
            traces=0,
        )


class CopyingEngine:
    """Follows the protocol of `nstd.engine.engine.Engine`."""

    weights = CopyingWeights()
    device = CopyingDevice()

    def transfer(
        self, request: StyleRequest, saving: object = None, alive: object = None
    ) -> CopyingTransfer:
        """Prepare a transfer; nothing is saved on the way, and there are no tiles."""
        del saving, alive
        return CopyingTransfer(request)


def build(
    weights_file: Path, precision: str = "auto", threads: int = 0, **options: object
) -> CopyingEngine:
    """Follow the protocol of `nstd.engine.build.build`."""
    del weights_file, precision, threads, options
    return CopyingEngine()
