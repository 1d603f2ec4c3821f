"""The network's weights: found, fetched, verified, converted, loaded. No TensorFlow here."""

from nstd.engine.weights.release import NORMALISED, Blob, Convolution, Progress, Release
from nstd.engine.weights.store import (
    Weights,
    cache_dir,
    cached_path,
    fetch,
    load,
    resolve,
    verify,
)

__all__ = [
    "NORMALISED",
    "Blob",
    "Convolution",
    "Progress",
    "Release",
    "Weights",
    "cache_dir",
    "cached_path",
    "fetch",
    "load",
    "resolve",
    "verify",
]
