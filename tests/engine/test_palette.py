"""Colours kept and matched."""

from __future__ import annotations

import numpy as np
from conftest import harbour, picture

from nstd.engine import palette

LUMA = np.array([0.299, 0.587, 0.114])
TWO = np.array([[0.1, 0.2, 0.6], [0.9, 0.7, 0.2]], np.float32)


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


def blocks(size: int, side: int) -> np.ndarray:
    """Draw a board of two colours, three eighths of it in the first."""
    first = np.add.outer(np.arange(size) // side * 3, np.arange(size) // side) % 8 < 3
    return np.where(first[..., None], TWO[0], TWO[1])


def distance(image: np.ndarray, other: np.ndarray) -> float:
    """Measure how far two pictures' colours are apart: along 200 axes, the mean over quantiles."""
    axes = np.random.default_rng(5).standard_normal((3, 200))
    axes /= np.linalg.norm(axes, axis=0)
    shares = np.linspace(0, 1, 501)
    found, wanted = (
        np.quantile(colors.reshape(-1, 3) @ axes, shares, axis=0) for colors in (image, other)
    )
    return float(np.abs(found - wanted).mean())


def test_matching_histograms_to_itself_changes_nothing() -> None:
    """Every curve is the identity, within the width of a bin for each pass."""
    content = harbour(64)
    assert np.allclose(palette.match_histograms(content, content), content, atol=1e-3)


def test_a_large_picture_matched_to_itself_hardly_changes() -> None:
    """Only what lies beyond the sampled colours moves, to where these end."""
    content = harbour(320)
    change = np.abs(palette.match_histograms(content, content) - content)
    assert change.mean() < 1e-4
    assert change.max() < 0.05


def test_matched_histograms_undo_curves_along_the_contents_axes() -> None:
    """Each axis of the content bent by a rising curve of its own: the content comes back."""
    steps = np.stack(np.mgrid[:16, :16, :16], axis=-1).reshape(64, 64, 3) / 7.5 - 1
    axes = np.linalg.qr([[1.0, 1, 1], [1, -1, 1], [1, 0, -2]])[0]
    content = (0.5 + steps * [0.1, 0.15, 0.2] @ axes.T).astype(np.float32)
    bent = np.sinh(steps) * [0.2, 0.1, 0.1] + [0, 0.05, -0.05]
    style = (0.5 + bent @ axes.T).astype(np.float32)
    assert np.abs(style - content).max() > 0.1
    assert np.allclose(palette.match_histograms(style, content), content, atol=2e-3)


def test_matched_histograms_are_the_contents() -> None:
    """Along any axis, and many times nearer than mean and covariance bring them."""
    content, style = harbour(96), picture(120, 80, 1)
    found = palette.match_histograms(style, content)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    apart = distance(palette.match_colors(style, content), content)
    assert distance(found, content) < min(0.01, apart / 5)


def test_two_colours_become_two_colours() -> None:
    """Where the affine map gives every blend of them."""
    content, style = blocks(64, 8), picture(120, 80, 1)
    found = palette.match_histograms(style, content)
    from_first, from_second = (np.linalg.norm(found - color, axis=-1) for color in TWO)
    assert np.mean(np.minimum(from_first, from_second) < 0.01) > 0.99
    share = np.mean(np.linalg.norm(content - TWO[0], axis=-1) < 0.01)
    assert abs(np.mean(from_first < 0.01) - share) < 0.01
    assert distance(palette.match_colors(style, content), content) > 0.05


def test_a_fine_board_is_sampled_in_its_proportion() -> None:
    """Of more pixels than are looked at, no pattern falls in step with those that are."""
    style = picture(64, 64, 1)
    for size in (512, 600):
        found = palette.match_histograms(style, blocks(size, 1))
        share = np.mean(np.linalg.norm(found - TWO[0], axis=-1) < 0.01)
        assert abs(share - 3 / 8) < 0.01


def test_one_colour_takes_the_mean() -> None:
    """A style of one colour has nothing to spread; it becomes the content's mean colour."""
    content = harbour(64)
    for size in ((1, 1), (40, 31)):
        found = palette.match_histograms(np.full((*size, 3), [0.3, 0.6, 0.1], np.float32), content)
        assert np.allclose(found, content.mean((0, 1)), atol=2e-3)


def test_all_becomes_a_contents_one_colour() -> None:
    """Whatever the style is."""
    color = np.array([0.3, 0.6, 0.1], np.float32)
    found = palette.match_histograms(picture(48, 40, 1), np.full((8, 9, 3), color))
    assert np.allclose(found, color, atol=1e-6)


def test_matched_histograms_are_the_same_each_time() -> None:
    """Nothing is left to chance."""
    pictures = picture(300, 280, 1), harbour(320)
    first, second = (palette.match_histograms(*pictures) for _ in range(2))
    assert np.array_equal(first, second)
