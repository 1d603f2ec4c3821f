"""3x3 convolutions with frozen kernels, by whichever of TensorFlow's operations is fast.

A convolution and the gradient of one with respect to its input are the same sum, with the kernel
turned by 180 degrees and its channels exchanged. TensorFlow has an operation for each, and either
can serve both directions. Given a single image they differ:

- With oneDNN, `Conv2D` leaves the kernel in TensorFlow's own layout, which oneDNN's fast kernels
  refuse, so that it falls back to a matrix product of gathered patches; `Conv2DBackpropInput` lets
  oneDNN choose the layout.
- Without oneDNN on a CPU, `Conv2DBackpropInput` is the slow one: it takes up to twice as long in
  float32, twenty-five times in bfloat16.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import tensorflow as tf

from nstd.engine.device import cpu_multiplies_bfloat16

if TYPE_CHECKING:
    import numpy as np

_STRIDES = [1, 1, 1, 1]


class Convolution:
    """A frozen 3x3 convolution with stride 1 and its bias.

    Args:
        kernel: float32 [3, 3, incoming channels, outgoing channels].
        bias: float32 [outgoing channels].
        dtype: that it computes in, and that its features have.
    """

    def __init__(self, kernel: np.ndarray, bias: np.ndarray, dtype: tf.DType) -> None:
        self._kernel = tf.cast(tf.constant(kernel), dtype)
        self._turned = tf.transpose(self._kernel[::-1, ::-1], [0, 1, 3, 2])
        self._bias = tf.cast(tf.constant(bias), dtype)
        self._is_by_gradient = _has_onednn(dtype)

    def __call__(self, features: tf.Tensor, padding: Literal["SAME", "VALID"]) -> tf.Tensor:
        """Convolve.

        Args:
            features: [1, H, W, incoming channels].
            padding: `SAME` continues the features by zeros.

        Returns:
            [1, H, W, outgoing channels]; two rows and columns less if `VALID`.
        """
        convolved = self._convolve(features)
        if padding == "VALID":
            convolved = _without_border(convolved)
        return tf.nn.bias_add(convolved, self._bias)

    def _convolve(self, features: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def convolve(features: tf.Tensor) -> Any:  # noqa: ANN401 - as the decorator wants it
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                return self._operation(upstream, self._turned, self._kernel)

            return self._operation(features, self._kernel, self._turned), gradient

        return convolve(features)

    def _operation(self, values: tf.Tensor, kernel: tf.Tensor, turned: tf.Tensor) -> tf.Tensor:
        """The convolution of values, continued by zeros, with a kernel; `turned` is that turned."""
        if not self._is_by_gradient:
            return tf.nn.conv2d(values, kernel, 1, "SAME")
        shape = tf.shape(values)
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.stack([shape[0], shape[1], shape[2], kernel.shape[3]]),
            filter=turned,
            out_backprop=values,
            strides=_STRIDES,
            padding="SAME",
        )


def pad_one(features: tf.Tensor, mode: Literal["CONSTANT", "REFLECT", "SYMMETRIC"]) -> tf.Tensor:
    """[1, H, W, C] -> [1, H + 2, W + 2, C], continued past its border."""
    return tf.pad(features, [[0, 0], [1, 1], [1, 1], [0, 0]], mode)


@tf.custom_gradient
def _without_border(features: tf.Tensor) -> Any:  # noqa: ANN401 - as the decorator wants it
    """[1, H, W, C] -> [1, H - 2, W - 2, C].

    Padding is the gradient of slicing; the one that comes with slicing takes, on a CPU, a twentieth
    of a whole iteration.
    """
    return features[:, 1:-1, 1:-1], lambda upstream: pad_one(upstream, "CONSTANT")


def _has_onednn(dtype: tf.DType) -> bool:
    """Whether oneDNN convolves this type here, on a CPU; see the package's `__init__`."""
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    is_on = os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "1" and not on_gpu
    return is_on and (dtype == tf.float32 or cpu_multiplies_bfloat16())
