"""The network on this process's device: built once, serves any number of requests."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from nstd.engine.adain import Draft
from nstd.engine.descent import Descent
from nstd.engine.transfer import Transfer
from nstd.engine.vgg import FeatureExtractor

if TYPE_CHECKING:
    from collections.abc import Callable

    from nstd.domain import Float32Image, StyleRequest
    from nstd.engine.checkpoint import Checkpoint
    from nstd.engine.device import Device, Precision
    from nstd.engine.objective import Structure
    from nstd.engine.weights import Weights

_CACHED_BYTES = 256 * 2**20
_MATRIX = 1536


class Network:
    """Extractor, draft and compiled loops with convolutions in one type."""

    def __init__(self, weights: Weights, dtype: tf.DType) -> None:
        self.extractor = FeatureExtractor(weights, dtype)
        self.draft = Draft(self.extractor, weights, dtype)
        self.dtype = dtype
        self._descents: dict[Structure, Descent] = {}

    @property
    def traces(self) -> int:
        """Graphs traced so far; a new image size adds none."""
        return self.draft.traces + sum(descent.traces for descent in self._descents.values())

    def descent(self, structure: Structure) -> Descent:
        """The compiled loop for a structure of the objective, made on first use."""
        if structure not in self._descents:
            self._descents[structure] = Descent(self.extractor, structure)
        return self._descents[structure]


class Engine:
    """What a process needs for transfers.

    Args:
        weights: see `nstd.engine.weights`.
        device: see `nstd.engine.device.set_up`.

    Attributes:
        speed: floating-point operations a second, as last measured.
    """

    def __init__(self, weights: Weights, device: Device) -> None:
        self.weights = weights
        self.device = device
        self.speed = SpeedOfConvolutions(device.convolutions)
        self.styles = StyleCache(_CACHED_BYTES)
        self._networks: dict[tf.DType, Network] = {}

    @property
    def traces(self) -> int:
        """Graphs traced since the engine was built."""
        return sum(network.traces for network in self._networks.values())

    def transfer(self, request: StyleRequest, saving: Checkpoint | None = None) -> Transfer:
        """Prepare a transfer; nothing is computed before it is iterated over.

        Raises:
            InputError: see `Transfer`.
        """
        return Transfer(self, request, saving)

    def network(self, precision: Precision = "auto") -> Network:
        """The network with convolutions in this precision; `auto` is the device's."""
        dtype = self.device.convolutions if precision == "auto" else tf.as_dtype(precision)
        if dtype not in self._networks:
            self._networks[dtype] = Network(self.weights, dtype)
        return self._networks[dtype]


class SpeedOfConvolutions:
    """Floating-point operations a second: a matrix product's at first, then the engine's own."""

    def __init__(self, dtype: tf.DType) -> None:
        self._dtype = dtype
        self._measured: float | None = None

    def __call__(self) -> float:
        """Operations a second."""
        if self._measured is None:
            self._measured = 0.75 * _matrix_product_speed(self._dtype)
        return self._measured

    def learn(self, operations: float, seconds: float) -> None:
        """Take a measurement of real iterations into account."""
        found = operations / seconds
        self._measured = found if self._measured is None else (self._measured + found) / 2


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
        whole = (hashlib.sha256(image.tobytes()).digest(), image.shape, key)
        if whole in self._values:
            self._values.move_to_end(whole)
            return self._values[whole]
        value = self._values[whole] = measure()
        while len(self._values) > 1 and sum(map(_bytes, self._values.values())) > self._limit:
            self._values.popitem(last=False)
        return value


def _bytes(value: Any) -> int:  # noqa: ANN401 - any structure of tensors
    return sum(int(tf.size(part)) * part.dtype.size for part in tf.nest.flatten(value))


def _matrix_product_speed(dtype: tf.DType) -> float:
    """Operations a second of a matrix product; takes some hundredths of a second."""
    matrix = tf.cast(tf.random.stateless_normal([_MATRIX, _MATRIX], seed=[1, 2]), dtype)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        tf.reduce_sum(matrix @ matrix).numpy()
        best = min(best, time.perf_counter() - started)
    return float(2 * _MATRIX**3 / best)
