"""Helpers: small requests, and the objective of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf
from conftest import picture

from nstd.domain import StyleImage, StyleRequest
from nstd.engine.objective import Objective, Structure, Targets, Weights
from nstd.params import StyleParams

if TYPE_CHECKING:
    import numpy as np

    from nstd.engine.engine import Engine


# block1 to block3: a small halo, so that small pictures have many tiles.
SHALLOW: dict[str, Any] = {
    "content_layers": {"block3_conv2": 1.0},
    "style_layers": {"block1_conv1": 2.0, "block2_conv2": 1.0, "block3_conv1": 1.0},
}


def request(width: int = 48, height: int = 40, **params: Any) -> StyleRequest:
    """Ask for a small transfer."""
    style = StyleImage(picture(40, 32, 1))
    return StyleRequest(picture(width, height), (style,), StyleParams(**params))


def make(engine: Engine, wanted: StyleRequest) -> tuple[Objective, Targets, Weights]:
    """Set up a request's objective afresh, outside the compiled loop."""
    recipe = wanted.params.recipe(max(wanted.shape))
    objective = Objective(engine.network().extractor, Structure.of(recipe))
    statistics = objective.style_statistics(tf.constant(wanted.styles[0].rgb[None]))
    content = objective.content_targets(tf.constant(wanted.content[None]))
    return objective, Targets(content, objective.style_targets(statistics)), Weights.of(recipe)


def total_loss(engine: Engine, wanted: StyleRequest, image: np.ndarray) -> float:
    """Evaluate a picture's objective."""
    objective, targets, weights = make(engine, wanted)
    return float(tf.reduce_sum(objective.terms(tf.constant(image[None]), targets, weights)))
