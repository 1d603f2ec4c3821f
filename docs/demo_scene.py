"""The stage of the harbour picture: its layers, its light and its perspective."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from demo_canvas import Colour, Floats, Noise, mix, rgb, sample
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 768, 512
SCALE = 2  # layers are this many times larger than the final picture
HORIZON = 292.0
EYE = 26.0  # height of the eye above the quay
QUAY = 17.0  # height of the quay above the water
QUAY_END = 262.0  # where the row of houses on the quay begins

SUNLIGHT: Colour = (1.15, 0.97, 0.74)
SHADOW: Colour = (0.40, 0.43, 0.60)
CREAM = rgb("efe3c8")

Point = tuple[float, float]
Shader = Callable[[Floats, Floats], Floats]
Paint = Colour | Floats | Shader

ROUGH = Noise(np.random.default_rng(11), 1.15)
CLOUDY = Noise(np.random.default_rng(12), 1.6)
SOFT = Noise(np.random.default_rng(13), 2.2)


def lit(colour: Colour | Floats, light: Floats | float) -> Floats:
    """Show a surface in warm sunlight (1), in cool shade (0) or in between."""
    return np.asarray(colour, np.float32) * mix(SHADOW, SUNLIGHT, light)


def toned(colour: Colour | Floats, amount: Floats) -> Floats:
    """Lighten a colour from place to place (or darken it, where the amount is negative)."""
    return np.asarray(colour, np.float32) * (1 + amount)[..., None]


def own_tone(row: Floats, column: Floats) -> Floats:
    """Give every brick, tile or stone a tone of its own, from -0.5 to 0.5."""
    # Whole numbers are scrambled, so that every machine gives the same tones.
    mixed = (row.astype(np.int64) * 73856093) ^ (column.astype(np.int64) * 19349663)
    return ((mixed * 40503 >> 7) % 1024 / 1024 - 0.5).astype(np.float32)


def grid() -> tuple[Floats, Floats]:
    """Give the coordinates of every pixel of a layer."""
    y, x = np.mgrid[0 : HEIGHT * SCALE, 0 : WIDTH * SCALE].astype(np.float32)
    return (x + 0.5) / SCALE, (y + 0.5) / SCALE


def nearness(x: Floats | float) -> Floats | float:
    """Tell how large things on the quay look: it recedes towards the left."""
    return (x - 30) / 610


def on_quay(x: float, height: float) -> Point:
    """Place a point that stands on the quay's edge, `height` above the paving."""
    return x, HORIZON + nearness(x) * (EYE - height)


def quay_coordinates(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Turn a place in the picture into a distance along the quay and a height above it."""
    near = np.maximum(nearness(x), 0.02)
    return 610 * np.log(near), EYE - (y - HORIZON) / near


def land_waterline(x: Floats) -> Floats:
    """Give the line where the land meets the water: level at the headland, then the quay's."""
    quay = HORIZON + nearness(x) * (EYE + QUAY) - 2
    return np.where(x > QUAY_END - 28, np.maximum(quay, HORIZON + 3), HORIZON + 3)


class Layer:
    """A transparent sheet to paint on; its colours are already multiplied by its opacity."""

    def __init__(self) -> None:
        self.colour = np.zeros((HEIGHT * SCALE, WIDTH * SCALE, 3), np.float32)
        self.alpha = np.zeros((HEIGHT * SCALE, WIDTH * SCALE), np.float32)

    def paint(
        self,
        points: Sequence[Point],
        colour: Paint,
        *,
        opacity: float = 1.0,
        soft: float = 0.0,
    ) -> None:
        """Fill a polygon with a colour, or with what a shader gives for each place."""
        corners = np.asarray(points, np.float64) * SCALE
        margin = 2 + 3 * soft * SCALE
        left, top = np.maximum(np.floor(corners.min(axis=0) - margin), 0).astype(int)
        right, bottom = np.ceil(corners.max(axis=0) + margin).astype(int)
        right, bottom = min(right, WIDTH * SCALE), min(bottom, HEIGHT * SCALE)
        if right <= left or bottom <= top:
            return
        # Drawn at twice the layer's size: Pillow's own polygons have hard edges.
        stencil = Image.new("L", (2 * (right - left), 2 * (bottom - top)))
        outline = [(2 * (px - left), 2 * (py - top)) for px, py in corners]
        ImageDraw.Draw(stencil).polygon(outline, fill=255)
        stencil = stencil.resize((right - left, bottom - top), Image.Resampling.BOX)
        if soft:
            stencil = stencil.filter(ImageFilter.GaussianBlur(soft * SCALE))
        cover = np.asarray(stencil, np.float32)[..., None] * (opacity / 255)
        if callable(colour):
            y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
            paint = colour((x + 0.5) / SCALE, (y + 0.5) / SCALE)
        else:
            paint = np.asarray(colour, np.float32)
        area = np.s_[top:bottom, left:right]
        self.colour[area] = paint * cover + self.colour[area] * (1 - cover)
        self.alpha[area] = cover[..., 0] + self.alpha[area] * (1 - cover[..., 0])

    def line(
        self,
        start: Point,
        end: Point,
        width: float,
        colour: Paint,
        taper: float = 1.0,
    ) -> None:
        """Draw a straight bar that is `taper` times as wide at its end."""
        (x0, y0), (x1, y1) = start, end
        length = max(float(np.hypot(x1 - x0, y1 - y0)), 1e-6)
        nx, ny = -(y1 - y0) / length * width / 2, (x1 - x0) / length * width / 2
        self.paint(
            [
                (x0 + nx, y0 + ny),
                (x1 + nx * taper, y1 + ny * taper),
                (x1 - nx * taper, y1 - ny * taper),
                (x0 - nx, y0 - ny),
            ],
            colour,
        )

    def over(self, picture: Floats) -> Floats:
        """Lay this sheet over an opaque picture."""
        return self.colour + picture * (1 - self.alpha[..., None])

    def mirrored(self, x: Floats, y: Floats, waterline: Floats | float) -> "Layer":
        """Give what the water at places x, y shows of this sheet, mirrored at the waterline."""
        depth = y - waterline
        column = np.clip(x * SCALE - 0.5, 0, WIDTH * SCALE - 1)
        row = np.clip((waterline - np.abs(depth)) * SCALE - 0.5, 0, HEIGHT * SCALE - 1)
        image = Layer()
        image.colour = sample(self.colour, column, row)
        image.alpha = sample(self.alpha, column, row)
        return image


def quad(left: float, right: float, low: float, high: float) -> list[Point]:
    """Give an upright rectangle on a facade, in perspective."""
    return [on_quay(left, high), on_quay(right, high), on_quay(right, low), on_quay(left, low)]


def curve(points: Sequence[Point], steps: int = 12) -> list[Point]:
    """Round off a polyline: a Bezier curve over all of its points."""
    t = np.linspace(0, 1, steps)[:, None]
    level = [np.asarray(point, np.float64)[None, :] for point in points]
    while len(level) > 1:
        level = [a * (1 - t) + b * t for a, b in pairwise(level)]
    return [(float(px), float(py)) for px, py in level[0]]


def rectangle(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """Give the corners of an upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]
