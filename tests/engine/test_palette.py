"""Colours kept and matched."""

from __future__ import annotations

import numpy as np
from conftest import harbour, picture

from nstd.engine import palette

LUMA = np.array([0.299, 0.587, 0.114])


def covariance(image: np.ndarray) -> np.ndarray:
    """Measure the covariance of the pixels."""
    return np.cov(image.reshape(-1, 3).T, bias=True)


def test_matched_colors_have_the_contents_statistics() -> None:
    """Mean and covariance are the content's, up to what clipping takes."""
    content, style = 0.3 + 0.4 * harbour(64), picture(48, 48, 1)
    matched = palette.match_colors(style, content)
    assert np.allclose(matched.mean((0, 1)), content.mean((0, 1)), atol=0.01)
    assert np.allclose(covariance(matched), covariance(content), atol=0.003)


def test_matching_to_itself_changes_nothing() -> None:
    """The map is the identity when both pictures have the same statistics."""
    content = harbour(64)
    assert np.allclose(palette.match_colors(content, content), content, atol=1e-3)


def test_luminance_comes_from_the_painting_and_colour_from_the_original() -> None:
    """The luma is the painting's; the colour differences are the original's."""
    painted, original = 0.4 + 0.2 * picture(32, 24, 1), 0.4 + 0.2 * harbour(32)[:24]
    painted = painted[: original.shape[0], : original.shape[1]]
    found = palette.luminance_from(painted, original)
    assert np.allclose(found @ LUMA, painted @ LUMA, atol=2e-3)
    assert np.allclose(
        found - (found @ LUMA)[..., None], original - (original @ LUMA)[..., None], atol=2e-3
    )


def test_matched_luminance_is_grey_with_the_contents_brightness() -> None:
    """All channels are equal; mean and spread of the brightness are the content's."""
    content, style = 0.3 + 0.4 * harbour(64), picture(48, 48, 1)
    found = palette.match_luminance(style, content)
    assert np.array_equal(found[..., 0], found[..., 2])
    luma = content @ LUMA
    assert abs(found.mean() - luma.mean()) < 0.01
    assert abs(found[..., 0].std() - luma.std()) < 0.01


def test_grey_is_the_luma() -> None:
    """Three equal channels."""
    image = picture(8, 8)
    assert np.allclose(palette.grey(image)[..., 1], image @ LUMA, atol=1e-6)


def test_noise_has_the_colours_asked_for() -> None:
    """Mean and covariance are those of the moments."""
    mean, moment = palette.color_moments(0.4 + 0.2 * harbour(64))
    generator = np.random.default_rng(3)
    noise = palette.noise_with_colors((200, 200), mean, moment, generator)
    assert noise.shape == (200, 200, 3)
    assert noise.dtype == np.float32
    assert np.allclose(noise.mean((0, 1)), mean, atol=0.005)
    assert np.allclose(covariance(noise), moment - np.outer(mean, mean), atol=0.002)


def test_color_moments_blend() -> None:
    """Those of two pictures side by side are the averages of each one's, as covariances aren't."""
    pictures = picture(32, 32, 1), 0.2 + 0.3 * picture(32, 32, 2)
    together = palette.color_moments(np.concatenate(pictures))
    apart = [palette.color_moments(one) for one in pictures]
    for whole, parts in zip(together, zip(*apart, strict=True), strict=True):
        assert np.allclose(whole, sum(parts) / 2)


def test_a_picture_takes_colours() -> None:
    """Its own pattern, the others' mean and covariance."""
    mean, moment = palette.color_moments(0.4 + 0.2 * harbour(64))
    painted = palette.with_colors(picture(48, 48, 1), mean, moment)
    assert np.allclose(painted.mean((0, 1)), mean, atol=0.01)
    assert np.allclose(covariance(painted), moment - np.outer(mean, mean), atol=0.002)
