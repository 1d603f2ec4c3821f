"""A request's style images at any scale: measured once each, and blended by their shares."""

from __future__ import annotations

import functools
import hashlib
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from nstd.engine import palette
from nstd.resampling import fit, resize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nstd.domain import Float32Image, Float32Mask, StyleImage
    from nstd.engine.engine import StyleCache
    from nstd.engine.masking import Masks, Stack

    Size = tuple[int, int]


class Blend:
    """The styles of a request.

    Args:
        styles: in the colours that are optimised.
        masks: where each of them is taken from.
        scale: their long side relative to the content's.
        cache: what was measured of earlier requests' styles.
        dtype: of the convolutions that measure.
    """

    def __init__(
        self,
        styles: Sequence[StyleImage],
        masks: Masks,
        scale: float,
        cache: StyleCache,
        dtype: tf.DType,
    ) -> None:
        self._styles = styles
        self._masks = masks
        self._scale = scale
        self._cache = cache
        self._dtype = dtype

    def statistics(
        self,
        side: int,
        key: Callable[[Size], object],
        measure: Callable[[Float32Image, Stack], list[Any]],
    ) -> list[Any]:
        """Statistics of the styles at a scale, averaged by share; measured once for each style.

        Args:
            side: of the content, in pixels.
            key: of what is measured of an image of this (height, width).
            measure: of an image [1, H, W, 3] and its masks: statistics of one region after the
                other, again and again.
        """
        totals: list[Any] = []
        for index, style in enumerate(self._styles):
            rgb = self._at(style.rgb, side)
            size = rgb.shape[:2]
            masks = self._masks.of_style(index, size)
            marks = [hashlib.sha256(one.tobytes()).hexdigest() for one in masks]
            measured = self._cache.get(
                rgb, (key(size), self._dtype, *marks), functools.partial(measure, rgb[None], masks)
            )
            totals = totals or [None] * len(measured)
            shares = itertools.cycle(self._masks.blend(index))
            for place, (part, share) in enumerate(zip(measured, shares, strict=False)):
                if share:  # of a region without this style there are no statistics
                    weighted = tf.nest.map_structure(functools.partial(tf.multiply, share), part)
                    totals[place] = _sum(totals[place], weighted)
        return totals

    def colors(self, side: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Mean [3] and raw second moment [3, 3] of the colours at a scale, in each region."""

        def measure(image: Float32Image, masks: Stack) -> list[tuple[tf.Tensor, tf.Tensor]]:
            found = [palette.color_moments(image[0], mask) for mask in each(masks)]
            return [(tf.constant(mean), tf.constant(moment)) for mean, moment in found]

        return [
            (mean.numpy(), moment.numpy())
            for mean, moment in self.statistics(side, lambda _: "colors", measure)
        ]

    def sizes(self, side: int) -> list[tuple[str, Size]]:
        """Name and (height, width) of each style at a scale."""
        return [(style.name, self._size(style.rgb, side)) for style in self._styles]

    def _size(self, rgb: Float32Image, side: int) -> Size:
        """(height, width) at a scale: aspect kept, never enlarged, so that strokes scale too."""
        height, width = rgb.shape[:2]
        wanted = max(1, round(side * self._scale))
        if max(height, width) <= wanted:
            return height, width
        width, height = fit(width, height, wanted)
        return height, width

    def _at(self, rgb: Float32Image, side: int) -> Float32Image:
        """A style at a scale."""
        size = self._size(rgb, side)
        return rgb if rgb.shape[:2] == size else resize(rgb, size)


def each(masks: Stack) -> list[Float32Mask] | list[None]:
    """Each region's mask [H, W]; one None without masks."""
    return [mask for one in masks for mask in np.moveaxis(one[0], -1, 0)] or [None]


def _sum(one: Any, other: Any) -> Any:  # noqa: ANN401 - structures of tensors
    return other if one is None else tf.nest.map_structure(tf.add, one, other)
