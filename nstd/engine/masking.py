"""Masks at the sizes where they are needed: of images, and of a layer's activations.

Guidance by regions is Gatys et al. 2017, "Controlling perceptual factors in neural style
transfer", section 4: statistics of each region, weighted by its mask at the layer's resolution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from PIL import Image

from nstd.resampling import resample

if TYPE_CHECKING:
    from nstd.domain import Float32Image, Float32Mask, Region

    # Of an image: nothing, or one [1, H, W, R] for R regions. As arrays, and as tensors.
    Stack = tuple[Float32Image, ...]
    MaskTensors = tuple[tf.Tensor, ...]

# Of one position: the statistics of less would be those of rounding errors.
_LEAST_MASS = 0.01


class Masks:
    """A request's regions at any size.

    Args:
        regions: none: everything is one.
        weights: of the styles in a blend, positive.
    """

    def __init__(self, regions: tuple[Region, ...], weights: list[float]) -> None:
        self._regions = regions
        self._weights = weights

    def __len__(self) -> int:
        """How many regions there are; 0: there are no masks."""
        return len(self._regions)

    def of_content(self, size: tuple[int, int]) -> Stack:
        """The content's regions at (height, width): nothing, or one float32 [1, H, W, R].

        Where regions overlap, they share a position, so that they weigh 1 at most in all.
        """
        if not self._regions:
            return ()
        masks = np.stack([_at(region.content, size) for region in self._regions], axis=-1)
        masks /= np.maximum(masks.sum(-1, keepdims=True), 1)
        return (masks[None],)

    def of_style(self, index: int, size: tuple[int, int]) -> Stack:
        """A style's, likewise; zero where it has no part in a region."""
        if not self._regions:
            return ()
        masks = [region.styles[index] for region in self._regions]
        blank = np.zeros(size, np.float32)
        found = [blank if mask is None else _at(mask, size) for mask in masks]
        return (np.stack(found, axis=-1)[None],)

    def areas(self, size: tuple[int, int]) -> tuple[float, ...]:
        """The share of the content that each region covers; (1,) without masks.

        The paper weighs regions alike, whatever their size, or as the user says. By their areas, a
        pixel moves as strongly as it would without masks, and two regions with one style are one.
        """
        masks = self.of_content(size)
        return tuple(masks[0].mean((0, 1, 2)).tolist()) if masks else (1.0,)

    def blend(self, index: int) -> tuple[float, ...]:
        """A style's share in each region's blend; (share,) without masks."""
        everywhere = [[True] * len(self._weights)]
        parts = [[mask is not None for mask in region.styles] for region in self._regions]
        found = []
        for part in parts or everywhere:
            weights = [weight * has for weight, has in zip(self._weights, part, strict=True)]
            found.append(weights[index] / sum(weights))
        return tuple(found)

    def vanishing(self, style: int | None, size: tuple[int, int], stride: int) -> str | None:
        """The region of which a picture has nothing left at a layer, if there is one.

        Args:
            style: the picture's index; None: the content.
            size: (height, width) of the picture.
            stride: of the layer.
        """
        masks = self.of_content(size) if style is None else self.of_style(style, size)
        for one in masks:
            mass = tf.reduce_sum(at_stride(tf.constant(one), stride), axis=[0, 1, 2]).numpy()
            for region, left in zip(self._regions, mass, strict=True):
                has_part = style is None or region.styles[style] is not None
                if has_part and left < _LEAST_MASS:
                    return region.name
        return None


def at_stride(masks: tf.Tensor, stride: int, *, rounded_up: bool = False) -> tf.Tensor:
    """Masks [1, H, W, R] at the positions of a layer: the mean of the pixels that each stands for.

    Halved as often as the layer's input was pooled, with the same rounding, so that positions
    agree. The paper (section 4.1) also tries to count only positions whose whole receptive field
    lies within the region, which in deep layers leaves nothing of a small one.

    Args:
        masks: float32.
        stride: pixels between two positions of the layer; a power of two.
        rounded_up: as pooling with padding does at the end of an odd side.
    """
    while stride > 1:
        masks = tf.nn.avg_pool2d(masks, 2, 2, "SAME" if rounded_up else "VALID")
        stride //= 2
    return masks


def _at(mask: Float32Mask, size: tuple[int, int]) -> Float32Mask:
    """A mask stretched to a size."""
    if mask.shape == size:
        return mask
    if mask.size == 1:
        return np.full(size, mask[0, 0], np.float32)
    return resample(mask, size, Image.Resampling.BILINEAR)
