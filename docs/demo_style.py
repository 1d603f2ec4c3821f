"""The style of the demonstration pair: an abstract painting in thick oil strokes.

The painting is made as a painter would make it. A stream function describes currents that swirl
around a few centres; it gives both the direction of each stroke and the bands of colour that the
strokes follow. Strokes are laid from large to small, each a ribbon with bristle marks and a ragged
end, and every stroke leaves relief behind. At the end a raking light is cast over that relief.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from demo_canvas import Floats, Noise, mix, ramp, rgb, shrink, smoothstep
from PIL import Image

WIDTH, HEIGHT = 640, 512
SCALE = 2  # strokes are laid on a canvas this many times larger

NIGHT = rgb("0c1338")
ULTRAMARINE = rgb("1b2a8c")
COBALT = rgb("2456bd")
CERULEAN = rgb("3a8fd0")
TURQUOISE = rgb("35b3b0")
CREAM = rgb("f6ead0")
YELLOW = rgb("fccb1e")
ORANGE = rgb("f28a1a")
VERMILION = rgb("d93a1f")
UMBER = rgb("3a1720")


@dataclass(frozen=True)
class Vortex:
    """A centre that the currents turn around; a negative strength turns the other way."""

    x: float
    y: float
    radius: float
    strength: float


@dataclass(frozen=True)
class Orb:
    """A glowing disc, painted in rings."""

    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Coat:
    """One layer of strokes: their measures, how many are left out, and how much they differ."""

    width: float
    length: float
    spacing: float
    share: float
    contrast: float


VORTICES = (
    Vortex(176, 168, 128, 1.1),
    Vortex(436, 196, 104, -1.0),
    Vortex(572, 66, 62, 0.9),
    Vortex(44, 372, 60, -0.9),
    Vortex(336, 28, 46, -0.8),
    Vortex(318, 446, 74, 0.9),
)
ORBS = (Orb(176, 168, 62), Orb(572, 66, 26))
COATS = (
    Coat(width=25, length=150, spacing=12, share=1.0, contrast=0.6),
    Coat(width=18, length=130, spacing=11, share=0.8, contrast=0.9),
    Coat(width=12.5, length=96, spacing=10, share=0.5, contrast=1.1),
    Coat(width=8, length=60, spacing=10, share=0.25, contrast=1.3),
)
BORROWED = 0.07  # the share of strokes that take their colour from somewhere near
SKY = [
    (0.00, ULTRAMARINE),
    (0.16, NIGHT),
    (0.30, ULTRAMARINE),
    (0.46, COBALT),
    (0.58, CERULEAN),
    (0.68, TURQUOISE),
    (0.76, CREAM),
    (0.84, CERULEAN),
    (1.00, ULTRAMARINE),
]
RINGS = [
    (0.00, CREAM),
    (0.25, YELLOW),
    (0.70, YELLOW),
    (0.92, ORANGE),
    (1.12, VERMILION),
    (1.28, ORANGE),
    (1.45, CREAM),
    (1.65, YELLOW),
    (1.90, TURQUOISE),
    (2.20, COBALT),
]
LAND = [
    (0.00, UMBER),
    (0.20, UMBER),
    (0.36, VERMILION),
    (0.52, ORANGE),
    (0.62, YELLOW),
    (0.70, VERMILION),
    (0.86, NIGHT),
    (1.00, UMBER),
]


def hill_line(x: Floats) -> Floats:
    """Tell where the sky ends and the warm forms below it begin."""
    wave = 20 * np.sin(x / 88 + 0.6) + 7 * np.sin(x / 37)
    return 404 + wave - 128 * smoothstep(300, 680, x)


def stream(x: Floats, y: Floats, noise: Noise) -> Floats:
    """Give the stream function, whose contour lines are the currents."""
    sky = 0.8 * y + 0.30 * x + 17 * np.sin(x / 100 - y / 120) + 9 * noise(x, y, 1.6)
    depth = y - hill_line(x)
    land = 1.1 * depth + 10 * np.sin(x / 60 + y / 34) + 9 * noise(x, y + 90, 1.6)
    below = smoothstep(-10, 12, depth)
    flow = sky * (1 - below) + land * below
    for vortex in VORTICES:
        distance = np.hypot(x - vortex.x, y - vortex.y) * (1 + 0.05 * noise(x, y, 0.9))
        # A cone has circles for contours; it takes the current's place around the centre.
        cone = vortex.strength * (distance - vortex.radius) + 90
        inside = smoothstep(1.25 * vortex.radius, 0.55 * vortex.radius, distance)
        flow = flow * (1 - inside) + cone * inside
    return flow


def colours(x: Floats, y: Floats, flow: Floats, noise: Noise) -> Floats:
    """Give the colours that the strokes are mixed towards."""
    picture = ramp(np.mod(flow / 52 + 0.05 * noise(x, y, 1.2), 1), SKY)
    for orb in ORBS:
        distance = np.hypot(x - orb.x, y - orb.y) / orb.radius
        rings = ramp(distance * (1 + 0.10 * noise(x, y, 0.6)), RINGS)
        picture = mix(picture, rings, smoothstep(2.1, 1.5, distance))
    land = ramp(np.mod(flow / 54 + 0.06 * noise(x, y, 1.2), 1), LAND)
    return mix(picture, land, smoothstep(-3, 3, y - hill_line(x)))


def ribbon(path: Floats, width: float, along: Floats, across: Floats) -> tuple[Floats, Floats]:
    """Give the canvas column and row of every point of a tapered ribbon along a path."""
    knots = np.linspace(0, 1, len(path))
    x, y = np.interp(along, knots, path[:, 0]), np.interp(along, knots, path[:, 1])
    dx, dy = np.gradient(x), np.gradient(y)
    size = np.hypot(dx, dy) + 1e-6
    taper = np.minimum(1, 0.45 + 3.5 * along) * np.minimum(1, 0.25 + 1.9 * (1 - along))
    offset = across * (width / 2 * taper)[:, None]
    columns = (x[:, None] - offset * (dy / size)[:, None]) * SCALE
    rows = (y[:, None] + offset * (dx / size)[:, None]) * SCALE
    return np.floor(columns).astype(np.int32), np.floor(rows).astype(np.int32)


def touching(along: Floats, across: Floats, marks: Floats) -> npt.NDArray[np.bool_]:
    """Tell where the bristles touch the canvas.

    A brush starts and ends raggedly: its bristles come down, and leave, at different times.
    """
    ends = np.minimum(along / 0.06, (1 - along) / 0.22)
    pressure = 0.45 * marks + 1.6 * np.minimum(ends, 1.2) - 0.45
    return (pressure > 0.9 * across**6) & (ends > 0.02)


class Painting:
    """The canvas: its colours, and the height of the paint on it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.noise = Noise(self.rng, 2.8)
        self.bristles = Noise(self.rng, 0.65)
        y, x = np.mgrid[0 : HEIGHT * SCALE, 0 : WIDTH * SCALE].astype(np.float32) / SCALE
        self.flow = stream(x, y, self.noise)
        self.target = colours(x, y, self.flow, self.noise)
        down, across = np.gradient(self.flow)
        speed = np.hypot(across, down) + 1e-6
        # Along a contour of the stream function, at a right angle to its slope.
        along = np.stack([down, -across], axis=-1) / speed[..., None]
        # A little drift across the contours turns the circles of a vortex into spirals.
        drift = np.stack([across, down], axis=-1) / speed[..., None]
        self.direction = (0.98 * along + 0.2 * drift).astype(np.float32)
        self.colour = mix(self.target, NIGHT, 0.45)
        self.relief = np.zeros_like(self.flow)

    def lay(self, coat: Coat) -> None:
        """Lay one coat of strokes, in a random order, over what is there."""
        columns = np.arange(-coat.spacing, WIDTH + coat.spacing, coat.spacing)
        rows = np.arange(-coat.spacing, HEIGHT + coat.spacing, coat.spacing)
        starts = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        starts = starts + self.rng.uniform(-0.5, 0.5, starts.shape) * coat.spacing
        count = int(len(starts) * coat.share)
        for start in self.rng.permutation(starts)[:count]:
            self._stroke(start, coat)

    def _pixel(self, place: Floats) -> tuple[int, int]:
        """Give the row and the column of the canvas's pixel at a place, or of the nearest one."""
        column = min(max(int(place[0] * SCALE), 0), WIDTH * SCALE - 1)
        row = min(max(int(place[1] * SCALE), 0), HEIGHT * SCALE - 1)
        return row, column

    def _path(self, start: Floats, length: float) -> Floats:
        """Follow the current from a starting point, in steps of two pixels."""
        steps = max(int(length / 2), 3)
        points = np.empty((steps, 2), np.float32)
        place = np.array(start, np.float32)
        heading = self.direction[self._pixel(place)]
        for i in range(steps):
            points[i] = place
            # A brush has a will of its own: it does not follow a kink in the current.
            heading = 0.6 * heading + 0.4 * self.direction[self._pixel(place)]
            heading = heading / (np.hypot(*heading) + 1e-6)
            place = place + 2 * heading
        return points

    def _mixed(self, path: Floats, contrast: float) -> Floats:
        """Mix the paint for a stroke: the colour of the place, a little off."""
        middle = path[len(path) // 3]
        if self.rng.random() < BORROWED:
            middle = middle + self.rng.uniform(-50, 50, 2)
        # A power darkens paint without dulling it: yellow turns to orange, not to brown.
        paint = self.target[self._pixel(middle)] ** np.exp(contrast * self.rng.normal(0.08, 0.26))
        return np.clip(paint + contrast * self.rng.normal(0, 0.03, 3), 0.02, 1)

    def _stroke(self, start: Floats, coat: Coat) -> None:
        """Lay one stroke along the current: its paint, and the relief that it leaves."""
        path = self._path(start, coat.length * self.rng.uniform(0.55, 1.2))
        width = coat.width * self.rng.uniform(0.75, 1.15)
        along = np.linspace(0, 1, int(len(path) * 2 * SCALE * 1.5), dtype=np.float32)[:, None]
        across = np.linspace(-1, 1, int(width * SCALE * 1.7) + 3, dtype=np.float32)[None, :]
        column, row = ribbon(path, width, along[:, 0], across)
        # Bristles run the whole length of a stroke, so their noise is stretched along it.
        seed = self.rng.uniform(0, 512, 2)
        lengthwise = along * coat.length * 0.05 + seed[0] + 0 * across
        marks = self.bristles(lengthwise, across * width * 0.42 + seed[1] + 0 * along)
        kept = touching(along, across, marks)
        kept &= (column >= 0) & (column < WIDTH * SCALE) & (row >= 0) & (row < HEIGHT * SCALE)
        column, row, marks = column[kept], row[kept], marks[kept]
        across = np.broadcast_to(across, kept.shape)[kept]
        first = self._mixed(path, coat.contrast)
        second = self._mixed(path[::-1], coat.contrast)
        # The brush was loaded with two paints that are only half mixed.
        paint = mix(first, second, np.clip(0.5 + 0.5 * across + 0.3 * marks, 0, 1))
        self.colour[row, column] = np.clip(paint, 0.02, 1) ** np.exp(-0.30 * marks[:, None])
        # Bristles leave furrows, and the brush pushes paint out to the edges of its stroke.
        thickness = (0.6 + 0.34 * marks + 0.55 * across**4) * width**0.5 * 0.5
        self.relief[row, column] = self.relief[row, column] * 0.35 + thickness

    def lit(self) -> Floats:
        """Cast light from the upper left over the relief of the paint."""
        down, across = np.gradient(self.relief)
        facing = (across + down) * 0.7
        shade = np.clip(facing, -1.2, 1.2)
        gloss = smoothstep(0.6, 1.6, facing) * 0.16
        return np.clip(self.colour * (1 + 0.36 * shade[..., None]) + gloss[..., None], 0, 1)


def draw_style(seed: int) -> Image.Image:
    """Paint the style picture."""
    painting = Painting(seed)
    for coat in COATS:
        painting.lay(coat)
    return shrink(painting.lit(), (WIDTH, HEIGHT))
