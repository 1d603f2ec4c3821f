"""What outlives a transfer: networks, measured speed, cached styles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from conftest import picture

from nstd.domain import StyleImage, StyleRequest
from nstd.engine.engine import StyleCache
from nstd.params import StyleParams

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from nstd.engine.engine import Engine


class CountingCache(StyleCache):
    """A cache that counts what it had to measure."""

    def __init__(self) -> None:
        super().__init__(limit=10**8)
        self.measured = 0

    def get(self, image: np.ndarray, key: object, measure: Callable[[], Any]) -> Any:
        """Answer as a cache does."""

        def counted() -> Any:
            self.measured += 1
            return measure()

        return super().get(image, key, counted)


def test_a_style_is_measured_once(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second content in the same style finds statistics, colours and targets in the cache."""
    cache = CountingCache()
    monkeypatch.setattr(engine, "styles", cache)
    style = StyleImage(picture(48, 48, 9))
    for seed in (1, 2):
        params = StyleParams(preset="fast", iterations=1)
        engine.transfer(StyleRequest(picture(48, 48, seed), (style,), params)).result()
    assert cache.measured == 3


def test_the_cache_forgets_the_least_recent() -> None:
    """Beyond its bytes the oldest values go; the newest always stays."""
    cache = StyleCache(limit=3 * 4 * 100)
    images = [np.full((2, 2, 3), seed, np.float32) for seed in range(4)]
    measured: list[int] = []

    def get(seed: int) -> None:
        def measure() -> tf.Tensor:
            measured.append(seed)
            return tf.zeros(100)

        cache.get(images[seed], "key", measure)

    for seed in (0, 1, 2, 0, 3, 0, 1):
        get(seed)
    assert measured == [0, 1, 2, 3, 1]


def test_the_cache_tells_keys_and_shapes_apart() -> None:
    """The same bytes in another shape, or for another network, are another style."""
    cache = StyleCache(limit=10**6)
    image = np.zeros((2, 3, 3), np.float32)
    values = [
        cache.get(image, "a", lambda: tf.constant(1)),
        cache.get(image, "b", lambda: tf.constant(2)),
        cache.get(image.reshape(3, 2, 3), "a", lambda: tf.constant(3)),
        cache.get(image, "a", lambda: tf.constant(4)),
    ]
    assert [int(value) for value in values] == [1, 2, 3, 1]


def test_precisions_have_networks_of_their_own(engine: Engine) -> None:
    """`auto` is the device's; another precision is built once."""
    assert engine.network() is engine.network("float32")
    assert engine.network("bfloat16") is engine.network("bfloat16")
    assert engine.network("bfloat16").dtype == tf.bfloat16
