"""Colours kept or matched (Gatys et al. 2016, "Preserving color in neural style transfer")."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nstd.domain import Float32Image

# Luma and the two colour differences of YIQ (NTSC), as in the paper (section 4).
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_EPSILON = 1e-6


def luminance_from(painted: Float32Image, original: Float32Image) -> Float32Image:
    """The painted picture's brightness with the original's colours (section 4).

    Args:
        painted: [H, W, 3] in [0, 1].
        original: likewise, of the same size.

    Returns:
        [H, W, 3], clipped to [0, 1].
    """
    luma = painted @ _TO_YIQ[0]
    yiq = original @ _TO_YIQ.T
    yiq[..., 0] = luma
    return np.asarray(np.clip(yiq @ _FROM_YIQ.T, 0, 1), np.float32)


def grey(image: Float32Image) -> Float32Image:
    """The picture's brightness in all three channels, [H, W, 3]."""
    luma = np.clip(image @ _TO_YIQ[0], 0, 1)
    return np.repeat(luma[..., None], 3, axis=-1).astype(np.float32)


def match_luminance(style: Float32Image, content: Float32Image) -> Float32Image:
    """The style in grey, its brightness shifted and scaled to the content's (section 4)."""
    luma, wanted = style @ _TO_YIQ[0], content @ _TO_YIQ[0]
    matched = (luma - luma.mean()) * (wanted.std() / (luma.std() + _EPSILON)) + wanted.mean()
    return np.repeat(np.clip(matched, 0, 1)[..., None], 3, axis=-1).astype(np.float32)


def match_colors(style: Float32Image, content: Float32Image) -> Float32Image:
    """The style with the content's colours: an affine map that matches mean and covariance.

    x' = A x + b with A = S_c^(1/2) S_s^(-1/2), the paper's image analogies form (section 3).

    Args:
        style: [H, W, 3] in [0, 1].
        content: [H', W', 3] in [0, 1].

    Returns:
        [H, W, 3], clipped to [0, 1].
    """
    return with_colors(style, *color_moments(content))


def with_colors(image: Float32Image, mean: np.ndarray, moment: np.ndarray) -> Float32Image:
    """The image with these colours, by the same map as `match_colors`.

    Args:
        image: [H, W, 3] in [0, 1].
        mean: of the colours, [3]; see `color_moments`.
        moment: raw second moment, [3, 3].

    Returns:
        [H, W, 3], clipped to [0, 1].
    """
    own_mean, own = color_moments(image)
    transform = _spread(mean, moment, 0.5) @ _spread(own_mean, own, -0.5)
    matched = (image - own_mean) @ transform.T + mean
    return np.asarray(np.clip(matched, 0, 1), np.float32)


def noise_with_colors(
    size: tuple[int, int], mean: np.ndarray, moment: np.ndarray, generator: np.random.Generator
) -> Float32Image:
    """Normal noise with these colours, every pixel by itself.

    Args:
        size: (height, width).
        mean: of the colours, [3]; see `color_moments`.
        moment: raw second moment, [3, 3].
        generator: of the noise.

    Returns:
        [height, width, 3], clipped to [0, 1].
    """
    noise = generator.standard_normal((*size, 3)) @ _spread(mean, moment, 0.5) + mean
    return np.asarray(np.clip(noise, 0, 1), np.float32)


def color_moments(image: Float32Image) -> tuple[np.ndarray, np.ndarray]:
    """Mean [3] and raw second moment [3, 3] of the pixels, float64: what blends linearly."""
    pixels = image.reshape(-1, 3).astype(np.float64)
    return pixels.mean(0), pixels.T @ pixels / len(pixels)


def _spread(mean: np.ndarray, moment: np.ndarray, exponent: float) -> np.ndarray:
    """A power of the covariance [3, 3]."""
    return _power(moment - np.outer(mean, mean) + _EPSILON * np.eye(3), exponent)


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)
