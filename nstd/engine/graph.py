"""Graphs that are traced once and serve every size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
