"""Styles at a scale: measured once each, blended by their shares."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from conftest import picture

from nstd.domain import Region, StyleImage
from nstd.engine.blend import Blend
from nstd.engine.engine import StyleCache
from nstd.engine.masking import Masks

WHOLE = np.ones((1, 1), np.float32)
LEFT = np.zeros((4, 8), np.float32)
LEFT[:, :4] = 1


def plain(level: float) -> StyleImage:
    """A style of one grey."""
    return StyleImage(np.full((4, 8, 3), level, np.float32), name=f"{level}.png")


def blend(
    styles: list[StyleImage],
    weights: list[float],
    *,
    regions: tuple[Region, ...] = (),
    scale: float = 1.0,
) -> Blend:
    """Blend styles in these proportions."""
    return Blend(styles, Masks(regions, weights), scale, StyleCache(10**8), tf.float32)


def test_colors_are_averaged_by_share() -> None:
    """Of two greys, 3 to 1: their means are, and their second moments, not the covariances."""
    ((mean, moment),) = blend([plain(0.2), plain(0.6)], [3.0, 1.0]).colors(8)
    assert np.allclose(mean, 0.75 * 0.2 + 0.25 * 0.6)
    assert np.allclose(moment, 0.75 * 0.2**2 + 0.25 * 0.6**2)


def test_a_region_has_the_statistics_of_its_styles_alone() -> None:
    """One in the first region, two alike in the second."""
    regions = (Region("one", LEFT, (WHOLE, None)), Region("both", LEFT, (WHOLE, LEFT)))
    found = blend([plain(0.2), plain(0.6)], [1.0, 1.0], regions=regions).colors(8)
    assert [float(mean[0]) for mean, _ in found] == [np.float32(0.2), np.float32(0.4)]


def test_a_style_is_measured_once_at_a_scale() -> None:
    """For each key, size and mask."""
    measured: list[tuple[int, ...]] = []

    def measure(image: np.ndarray, _: object) -> list[tf.Tensor]:
        measured.append(image.shape)
        return [tf.reduce_mean(image)]

    styles = blend([StyleImage(picture(8, 16))], [1.0])
    for side in (16, 8, 16):
        styles.statistics(side, lambda _: "mean", measure)
    assert measured == [(1, 16, 8, 3), (1, 8, 4, 3)]
    styles.statistics(16, lambda size: ("another", size), measure)
    assert len(measured) == 3


def test_a_style_is_reduced_to_its_scale_and_never_enlarged() -> None:
    """Its long side relative to the content's, aspect kept."""
    styles = [StyleImage(picture(150, 300), name="large"), StyleImage(picture(30, 20), name="s")]
    assert blend(styles, [1.0, 1.0]).sizes(32) == [("large", (32, 16)), ("s", (20, 30))]
    assert blend(styles, [1.0, 1.0], scale=0.5).sizes(32) == [("large", (16, 8)), ("s", (11, 16))]
