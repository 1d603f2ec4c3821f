"""Helper: a matrix root, so that no test needs SciPy."""

from __future__ import annotations

import numpy as np


def matrix_root(matrix: np.ndarray) -> np.ndarray:
    """Take the root of a symmetric positive semidefinite matrix in float64."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
