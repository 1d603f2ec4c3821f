"""Colours kept or matched (Gatys et al. 2016, "Preserving color in neural style transfer").

Where the paper's affine map isn't enough, the whole distribution is matched (Pitié, Kokaram and
Dahyot, "N-dimensional probability density function transfer", ICCV 2005).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nstd.domain import Float32Image, Float32Mask

    # Values that occur, ascending, and what each becomes; float64 [n] both.
    Curve = tuple[np.ndarray, np.ndarray]

# Luma and the two colour differences of YIQ (NTSC), as in the paper (section 4).
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
_EPSILON = 1e-6
_STRIP_PIXELS = 2**18
# So many pixels' quantiles are those of all within about half a per cent.
_SAMPLED_PIXELS = 2**16
# Of a histogram's bins: a fortieth of an 8-bit step, so that curves are short and nothing shows.
_DECIMALS = 4
_GOLDEN = (1 + math.sqrt(5)) / 2
# The 15 two-fold axes of an icosahedron, which are spread evenly over all directions, are five
# times three at right angles; a fifth of a turn about a vertex leads from three to the next.
_TRIADS = 5
_PASSES = 2


def luminance_from(painted: Float32Image, original: Float32Image) -> Float32Image:
    """The painted picture's brightness with the original's colours (section 4).

    Args:
        painted: [H, W, 3] in [0, 1].
        original: likewise, of the same size.

    Returns:
        [H, W, 3], clipped to [0, 1].
    """

    def mixed(painted: np.ndarray, original: np.ndarray) -> np.ndarray:
        yiq = original @ _TO_YIQ.T
        yiq[..., 0] = painted @ _TO_YIQ[0]
        return np.asarray(yiq @ _FROM_YIQ.T)

    return _by_rows(mixed, painted, original)


def grey(image: Float32Image) -> Float32Image:
    """The picture's brightness in all three channels, [H, W, 3]."""
    return _by_rows(lambda rows: (rows @ _TO_YIQ[0])[..., None], image)


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


def match_histograms(style: Float32Image, content: Float32Image) -> Float32Image:
    """The style with the content's colours: a map that matches their whole distribution.

    Iterative distribution transfer (Pitié et al. 2005): the histograms along three axes at right
    angles are matched, each by itself, then those along three others, and so on. Distributions
    that agree along every axis are the same. Along red, green and blue alone they needn't be: each
    channel would have the content's values, but in combinations that the content hasn't. Nor is it
    enough to match along its principal axes: that halves the distance to a photograph's colours
    that the affine map leaves, where this leaves an eighth.

    Departures: the first axes are the principal ones of the content's colours, since of two colours
    all is right along these at once; the others are turned from there by fixed rotations, not by
    random ones. Curves are learned from a sample of the pixels, so that large pictures take no more
    memory.

    Args:
        style: [H, W, 3] in [0, 1].
        content: [H', W', 3] in [0, 1].

    Returns:
        [H, W, 3], clipped to [0, 1].
    """
    maps = list(_learned(_sampled(style), _sampled(content)))

    def matched(rows: np.ndarray) -> np.ndarray:
        for axes, curves in maps:
            rows = _bent(rows, axes, curves)
        return rows

    return _by_rows(matched, style)


def with_colors(
    image: Float32Image,
    mean: np.ndarray,
    moment: np.ndarray,
    mask: Float32Mask | None = None,
) -> Float32Image:
    """The image with these colours, by the same map as `match_colors`.

    Args:
        image: [H, W, 3] in [0, 1].
        mean: of the colours, [3]; see `color_moments`.
        moment: raw second moment, [3, 3].
        mask: [H, W] in [0, 1], where they are to be these; None: everywhere.

    Returns:
        [H, W, 3], clipped to [0, 1].
    """
    own_mean, own = color_moments(image, mask)
    transform = _spread(mean, moment, 0.5) @ _spread(own_mean, own, -0.5)
    matched = _by_rows(lambda rows: (rows - own_mean) @ transform.T + mean, image)
    return matched if mask is None else blend(image, matched, mask)


def blend(below: Float32Image, above: Float32Image, mask: Float32Mask) -> Float32Image:
    """One picture over another, both [H, W, 3], where a mask [H, W] says so."""

    def laid(below: np.ndarray, above: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.asarray(below + mask[..., None] * (above - below))

    return _by_rows(laid, below, above, mask)


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
    spread = _spread(mean, moment, 0.5)
    blank = np.empty((*size, 3), np.float32)
    return _by_rows(lambda rows: generator.standard_normal(rows.shape) @ spread + mean, blank)


def color_moments(
    image: Float32Image, mask: Float32Mask | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean [3] and raw second moment [3, 3] of the pixels, float64: what blends linearly.

    Args:
        image: [H, W, 3].
        mask: [H, W], how much each pixel counts; None: alike. Of nothing, they are zero.
    """
    first, second, positions = np.zeros(3), np.zeros((3, 3)), 0.0
    for strip in _strips(image):
        pixels = image[strip].reshape(-1, 3).astype(np.float64)
        counted = pixels if mask is None else pixels * mask[strip].reshape(-1, 1)
        first += counted.sum(0)
        second += counted.T @ pixels
        positions += len(pixels) if mask is None else float(mask[strip].sum())
    positions = positions or 1.0
    return first / positions, second / positions


def _by_rows(change: Callable[..., np.ndarray], *images: np.ndarray) -> Float32Image:
    """A pixel-wise change, clipped to [0, 1].

    A few rows at a time: it is computed in float64, and of a large picture there is no room for a
    copy in that.

    Args:
        change: of some rows of each image, [h, W, 3]; gives those rows, or one channel for all.
        *images: [H, W, 3] each; after the first, [H, W] too.
    """
    found = np.empty(images[0].shape, np.float32)
    for strip in _strips(found):
        found[strip] = np.clip(change(*(image[strip] for image in images)), 0, 1)
    return found


def _strips(image: np.ndarray) -> Iterator[slice]:
    """Rows of an image, a few at a time."""
    rows = max(1, _STRIP_PIXELS // image.shape[1])
    return (slice(start, start + rows) for start in range(0, image.shape[0], rows))


def _spread(mean: np.ndarray, moment: np.ndarray, exponent: float) -> np.ndarray:
    """A power of the covariance [3, 3]."""
    return _power(moment - np.outer(mean, mean) + _EPSILON * np.eye(3), exponent)


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """A power of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)


def _sampled(image: Float32Image) -> np.ndarray:
    """Pixels of the image, float64 [n, 3]: all of a small one, else some from everywhere."""
    height, width = image.shape[:2]
    positions = np.arange(min(height * width, _SAMPLED_PIXELS))
    if height * width > _SAMPLED_PIXELS:
        # Multiples of the golden ratio, modulo 1, fill the interval evenly but without a period,
        # so that no pattern of the picture's falls in step with them.
        positions = (positions * _GOLDEN % 1 * height * width).astype(np.int64)
    rows, columns = np.divmod(positions, width)
    return image[rows, columns].astype(np.float64)


def _learned(colors: np.ndarray, wanted: np.ndarray) -> Iterator[tuple[np.ndarray, list[Curve]]]:
    """Axes [3, 3], in columns, and a curve along each: what turns colours into those wanted.

    Args:
        colors: [n, 3].
        wanted: [m, 3].
    """
    axes = np.linalg.eigh(np.cov(wanted.T, bias=True))[1]
    turn = _rotation(np.array([0, 1, _GOLDEN]), 2 * math.pi / _TRIADS)
    for _ in range(_PASSES * _TRIADS):
        pairs = zip((colors @ axes).T, (wanted @ axes).T, strict=True)
        curves = [_curve(values, targets) for values, targets in pairs]
        yield axes, curves
        colors = _bent(colors, axes, curves)
        axes = axes @ turn


def _bent(colors: np.ndarray, axes: np.ndarray, curves: list[Curve]) -> np.ndarray:
    """Colours [..., 3], changed along each of the axes by its curve."""
    along = colors @ axes
    for index, (values, becomes) in enumerate(curves):
        along[..., index] = np.interp(along[..., index], values, becomes)
    return np.asarray(along @ axes.T)


def _curve(values: np.ndarray, wanted: np.ndarray) -> Curve:
    """The ascending curve that gives values the distribution of those wanted.

    A value that occurs once becomes the one at the same quantile; one that occurs often takes up a
    range of them and becomes their mean. So the mean of all is right too, whatever is repeated.

    Args:
        values: [n].
        wanted: [m].
    """
    # Binned, so that equal colours stay equal whatever the last bits of their projections are.
    values, counts = np.unique(values.round(_DECIMALS), return_counts=True)
    # The integral of the quantile function, from 0 up to each share of the wanted values.
    shares = np.linspace(0, 1, len(wanted) + 1)
    integral = np.concatenate([[0], np.cumsum(np.sort(wanted))]) / len(wanted)
    ends = np.cumsum(counts) / counts.sum()
    starts = np.concatenate([[0], ends[:-1]])
    between = np.interp(ends, shares, integral) - np.interp(starts, shares, integral)
    return values, between / (ends - starts)


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """The rotation about an axis [3] by an angle in radians, [3, 3] (Rodrigues' formula)."""
    cross = np.cross(np.eye(3), axis / np.linalg.norm(axis))
    return np.asarray(np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross)
