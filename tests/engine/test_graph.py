"""Graphs."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import tensorflow as tf

from nstd.engine.graph import graph

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

VECTOR = tf.TensorSpec([None], tf.float32)


def test_a_graph_is_traced_once() -> None:
    """Other sizes run the same graph."""
    traces = []

    def double(vector: tf.Tensor) -> tf.Tensor:
        traces.append(vector.shape)
        return 2 * vector

    doubled = graph(double, [VECTOR])
    for size in (1, 2, 5):
        assert doubled(tf.ones(size)).numpy().tolist() == [2.0] * size
    assert len(traces) == 1


def test_tracing_writes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed worker can't clean up, so nothing lies in the temporary folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def halve(vector: tf.Tensor) -> tf.Tensor:
        return vector / 2

    assert graph(halve, [VECTOR])(tf.ones(2)).numpy().tolist() == [0.5, 0.5]
    assert list(tmp_path.iterdir()) == []
