"""The feed-forward draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
from conftest import harbour, picture

from nstd.engine import adain

if TYPE_CHECKING:
    from nstd.engine.engine import Engine


def draft(engine: Engine, content: np.ndarray, style: np.ndarray, alpha: float) -> np.ndarray:
    """Draft one picture."""
    network = engine.network().draft()
    wanted = network.statistics(tf.constant(style[None]), ())
    image = network.paint(tf.constant(content[None]), (), wanted, tf.constant(alpha))
    return np.asarray(image[0])


@pytest.mark.parametrize(("width", "height"), [(64, 48), (51, 37), (16, 16), (17, 90)])
def test_a_draft_has_the_contents_size(engine: Engine, width: int, height: int) -> None:
    """Odd sizes are rounded up in the encoder and cropped after the decoder."""
    image = draft(engine, picture(width, height), picture(40, 40, 1), 1.0)
    assert image.shape == (height, width, 3)
    assert image.min() >= 0
    assert image.max() <= 1


def test_own_statistics_change_nothing(engine: Engine) -> None:
    """With the content as style, AdaIN is the identity: alpha makes no difference."""
    content = picture(64, 48)
    assert np.allclose(
        draft(engine, content, content, 1.0), draft(engine, content, content, 0.0), atol=1e-3
    )


def test_decoding_unchanged_features_resembles_the_content(engine: Engine) -> None:
    """Alpha 0 decodes the content's own features: encoder and decoder belong together."""
    content = harbour(192)
    decoded = draft(engine, content, content, 0.0).ravel()
    same, mirrored = (
        np.corrcoef(decoded, image.ravel())[0, 1] for image in (content, content[:, ::-1])
    )
    assert same > 0.65
    assert mirrored < 0.35


def test_the_style_gives_its_colours(engine: Engine) -> None:
    """A red style makes a redder picture than a blue one."""
    content = picture(64, 64)
    red, blue = (picture(64, 64, 2) * tint for tint in ([1, 0.1, 0.1], [0.1, 0.1, 1]))
    redder = draft(engine, content, red.astype(np.float32), 1.0).mean((0, 1))
    bluer = draft(engine, content, blue.astype(np.float32), 1.0).mean((0, 1))
    assert redder[0] > redder[2]
    assert bluer[2] > bluer[0]


def test_the_smallest_side_works(engine: Engine) -> None:
    """The size that is documented as the smallest can be drafted."""
    side = adain.SMALLEST_SIDE
    assert draft(engine, picture(side, side), picture(side, side, 1), 1.0).shape == (side, side, 3)
