"""3x3 convolutions with frozen kernels, by whichever of TensorFlow's operations is fast.

A convolution and the gradient of one with respect to its input are the same sum, with the kernel
turned by 180 degrees and its channels exchanged. TensorFlow has an operation for each, and with
oneDNN and a single image they differ: `Conv2D` leaves the kernel in TensorFlow's own layout, which
oneDNN's fast kernels refuse, so that it falls back to a matrix product of gathered patches;
`Conv2DBackpropInput` lets oneDNN choose the layout. It serves both directions here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import tensorflow as tf

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
        self._bias = tf.cast(tf.constant(bias), dtype)
        # On the three channels of a picture nothing is gained, and its gradient is that operation.
        self._is_turned = _has_onednn() and kernel.shape[2] > 3  # noqa: PLR2004 - RGB
        if self._is_turned:
            self._turned = tf.transpose(self._kernel[::-1, ::-1], [0, 1, 3, 2])

    def __call__(self, features: tf.Tensor, padding: Literal["SAME", "VALID"]) -> tf.Tensor:
        """Convolve.

        Args:
            features: [1, H, W, incoming channels].
            padding: `SAME` continues the features by zeros.

        Returns:
            [1, H, W, outgoing channels]; two rows and columns less if `VALID`.
        """
        if not self._is_turned:
            convolved = tf.nn.conv2d(features, self._kernel, 1, padding)
        else:
            convolved = self._by_gradient(features)
            if padding == "VALID":
                convolved = convolved[:, 1:-1, 1:-1]
        return tf.nn.bias_add(convolved, self._bias)

    def _by_gradient(self, features: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def convolve(features: tf.Tensor) -> Any:  # noqa: ANN401 - as the decorator wants it
            def gradient(upstream: tf.Tensor) -> tf.Tensor:
                return _input_gradient(upstream, self._kernel)

            return _input_gradient(features, self._turned), gradient

        return convolve(features)


def _input_gradient(upstream: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The gradient of a convolution that pads with zeros: [1, H, W, out] -> [1, H, W, in]."""
    shape = tf.shape(upstream)
    sizes = tf.stack([shape[0], shape[1], shape[2], kernel.shape[2]])
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=sizes,
        filter=kernel,
        out_backprop=upstream,
        strides=_STRIDES,
        padding="SAME",
    )


def _has_onednn() -> bool:
    """Whether convolutions run by oneDNN on a CPU; see the package's `__init__`."""
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "1" and not on_gpu
