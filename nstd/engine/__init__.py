"""Everything that touches TensorFlow, and the weights that it runs on."""

import os
import platform

# TensorFlow reads this when it is imported, so it is set before any module below can do so. oneDNN
# is its default on processors with AVX-512 VNNI only, but `convolution` is faster with it on all.
if platform.machine().lower() in {"x86_64", "amd64"}:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
