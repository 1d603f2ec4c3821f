"""Graphs that are traced once and serve every size, and the adding up of what they return."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any


def graph(function: Callable[..., Any], signature: Sequence[Any]) -> Any:  # noqa: ANN401 - tf.function's own type isn't to be had
    """A function of tensors as a TensorFlow graph.

    Without autograph: nothing here branches or loops in Python on a tensor's value, and autograph
    writes each function it rewrites to a file in the temporary folder, which a killed worker
    leaves there.

    Args:
        function: of tensors.
        signature: shapes and dtypes of its arguments.
    """
    return tf.function(function, input_signature=signature, autograph=False)


def add_up(parts: Iterable[Any]) -> Any:  # noqa: ANN401 - any structure of tensors
    """The sum of structures of float32 tensors, such as an image's tiles have, in float64."""
    total: Any = None
    for part in parts:
        exact = tf.nest.map_structure(lambda values: tf.cast(values, tf.float64), part)
        total = exact if total is None else tf.nest.map_structure(tf.add, total, exact)
    return total
