"""Everything that touches TensorFlow, and the weights that it runs on."""

import os
import platform
import sys

# TensorFlow reads this when it is imported; a program that did so before keeps its choice. oneDNN
# is the default on processors with AVX-512 VNNI or later only, but `convolution` gains on all.
if "tensorflow" not in sys.modules and platform.machine().lower() in {"x86_64", "amd64"}:
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
