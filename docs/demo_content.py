"""The content of the demonstration pair: a harbour at golden hour.

The scene is built from back to front. Whatever stands above the water is drawn once and is then
mirrored, bent by the ripples and darkened to give its reflection. Coordinates are those of the
final picture; the layers themselves are larger and are reduced at the end.
"""

from collections.abc import Callable, Sequence

import numpy as np
from demo_canvas import Colour, Floats, Noise, mix, ramp, rgb, sample, shrink, smoothstep
from demo_harbour import Boat, House
from PIL import Image, ImageDraw
