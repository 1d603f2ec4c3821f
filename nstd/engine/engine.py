"""The network on this process's device: built once, serves any number of requests."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from nstd.engine.adain import Draft
from nstd.engine.descent import Descent
from nstd.engine.pace import Pace
from nstd.engine.tile_graphs import TileGraphs
from nstd.engine.tiled import TiledDescent
from nstd.engine.tiles import nobody_waits
from nstd.engine.transfer import Transfer
from nstd.engine.vgg import FeatureExtractor

if TYPE_CHECKING:
    from collections.abc import Callable

    from nstd.domain import Checkpoint, Float32Image, StyleRequest
    from nstd.engine.device import Device, Precision
    from nstd.engine.objective import Structure
    from nstd.engine.tiles import Alive, Grid
    from nstd.engine.weights import Weights

_CACHED_BYTES = 256 * 2**20


class Network:
    """Extractor, drafts and compiled loops with convolutions in one type, and their pace."""

    def __init__(self, weights: Weights, dtype: tf.DType) -> None:
        self.extractor = FeatureExtractor(weights, dtype)
        self.dtype = dtype
        self.pace = Pace(dtype)
        self._weights = weights
        self._drafts: dict[int, Draft] = {}
        self._descents: dict[Structure, Descent] = {}
        self._tile_graphs: dict[Structure, TileGraphs] = {}

    @property
    def traces(self) -> int:
        """Graphs traced so far; a new image size adds none."""
        descents = sum(descent.traces for descent in self._descents.values())
        tiled = sum(graphs.traces for graphs in self._tile_graphs.values())
        return sum(draft.traces for draft in self._drafts.values()) + descents + tiled

    def draft(self, regions: int = 0) -> Draft:
        """The draft with so many masks, made on first use."""
        if regions not in self._drafts:
            self._drafts[regions] = Draft(self.extractor, self._weights, self.dtype, regions)
        return self._drafts[regions]

    def descent(self, structure: Structure) -> Descent:
        """The compiled loop for a structure of the objective, made on first use."""
        if structure not in self._descents:
            self._descents[structure] = Descent(self.extractor, structure)
        return self._descents[structure]

    def tiled_descent(
        self, structure: Structure, grid: Grid, alive: Alive = nobody_waits
    ) -> TiledDescent:
        """The same by tiles."""
        descent = self.descent(structure)
        if structure not in self._tile_graphs:
            self._tile_graphs[structure] = TileGraphs(descent.objective)
        return TiledDescent(descent, self._tile_graphs[structure], grid, alive)


class Engine:
    """What a process needs for transfers.

    Args:
        weights: see `nstd.engine.weights`.
        device: see `nstd.engine.device.set_up`.
    """

    def __init__(self, weights: Weights, device: Device) -> None:
        self.weights = weights
        self.device = device
        self.styles = StyleCache(_CACHED_BYTES)
        self._networks: dict[tf.DType, Network] = {}

    @property
    def traces(self) -> int:
        """Graphs traced since the engine was built."""
        return sum(network.traces for network in self._networks.values())

    def transfer(
        self,
        request: StyleRequest,
        saving: Checkpoint | None = None,
        alive: Alive = nobody_waits,
    ) -> Transfer:
        """Prepare a transfer; nothing is computed before it is iterated over.

        Args:
            request: see `Transfer`.
            saving: likewise.
            alive: likewise.

        Raises:
            InputError: see `Transfer`.
        """
        return Transfer(self, request, saving, alive)

    def network(self, precision: Precision = "auto") -> Network:
        """The network with convolutions in this precision; `auto` is the device's."""
        dtype = self.device.convolutions if precision == "auto" else tf.as_dtype(precision)
        if dtype not in self._networks:
            self._networks[dtype] = Network(self.weights, dtype)
        return self._networks[dtype]


class StyleCache:
    """What was measured of recent style images, so that a batch in one style measures it once.

    Args:
        limit: bytes that the values may take; the least recently used go first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[object, Any] = OrderedDict()

    def get(self, image: Float32Image, key: object, measure: Callable[[], Any]) -> Any:  # noqa: ANN401
        """The value for an image and a key, measured if it isn't known."""
        pixels = np.ascontiguousarray(image).data.cast("B")
        whole = (hashlib.sha256(pixels).digest(), image.shape, key)
        if whole in self._values:
            self._values.move_to_end(whole)
            return self._values[whole]
        value = self._values[whole] = measure()
        while len(self._values) > 1 and sum(map(_bytes, self._values.values())) > self._limit:
            self._values.popitem(last=False)
        return value


def _bytes(value: Any) -> int:  # noqa: ANN401 - any structure of tensors
    return sum(int(tf.size(part)) * part.dtype.size for part in tf.nest.flatten(value))
