"""The style of the demonstration pair: an abstract painting in thick oil strokes.

The painting is made as a painter would make it. A stream function describes currents that swirl
around a few centres; it gives both the direction of each stroke and the bands of colour that the
strokes follow. Strokes are laid from large to small, each a ribbon with bristle marks and a ragged
end, and every stroke leaves relief behind. At the end a raking light is cast over that relief.
"""

from dataclasses import dataclass

import numpy as np
from demo_canvas import Colour, Floats, Noise, mix, ramp, rgb, sample, shrink, smoothstep
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
    """One layer of strokes: how wide they are, how long, and how many there are."""

    width: float
    length: float
    spacing: float
    contrast: float


VORTICES = (
    Vortex(430, 150, 120, 1.25),
    Vortex(150, 235, 88, -1.0),
    Vortex(592, 300, 66, -0.7),
    Vortex(255, 55, 58, 0.65),
    Vortex(20, 40, 60, 0.5),
)
ORBS = (Orb(430, 150, 58), Orb(150, 235, 30), Orb(592, 300, 20), Orb(255, 55, 20))
COATS = (
    Coat(width=22, length=120, spacing=11, contrast=0.55),
    Coat(width=15, length=92, spacing=9, contrast=0.8),
    Coat(width=10, length=66, spacing=8, contrast=1.0),
    Coat(width=6.5, length=44, spacing=9, contrast=1.25),
)


def hill_line(x: Floats) -> Floats:
    """Tell where the sky ends and the warm forms below it begin."""
    return 372 + 26 * np.sin(x / 92 + 0.9) + 12 * np.sin(x / 37) - 46 * smoothstep(380, 660, x)


def stream(x: Floats, y: Floats, noise: Noise) -> Floats:
    """Give the stream function, whose contour lines are the currents."""
    flow = 0.62 * y + 16 * np.sin(x / 105 + y / 160) + 5.5 * noise(x, y, 1.1)
    for vortex in VORTICES:
        distance = np.hypot(x - vortex.x, (y - vortex.y) * 1.08)
        flow += vortex.strength * vortex.radius * np.exp(-((distance / vortex.radius) ** 2) * 0.8)
    below = smoothstep(-14, 16, y - hill_line(x))
    ground = 1.1 * (y - hill_line(x)) + 11 * np.sin(x / 48 + y / 30) + 6 * noise(x, y + 90, 1.2)
    return flow * (1 - below) + ground * below


def colours(x: Floats, y: Floats, flow: Floats, noise: Noise) -> Floats:
    """Give the colours that the strokes are mixed towards."""
    band = np.mod(flow / 46 + 0.10 * noise(x, y, 0.5), 1)
    sky = ramp(
        band,
        [
            (0.00, ULTRAMARINE),
            (0.18, NIGHT),
            (0.34, ULTRAMARINE),
            (0.50, COBALT),
            (0.64, CERULEAN),
            (0.74, TURQUOISE),
            (0.82, CREAM),
            (0.88, CERULEAN),
            (1.00, ULTRAMARINE),
        ],
    )
    for orb in ORBS:
        distance = np.hypot(x - orb.x, y - orb.y) / orb.radius
        rings = ramp(
            distance + 0.06 * noise(x, y, 0.4),
            [
                (0.0, CREAM),
                (0.35, YELLOW),
                (0.75, YELLOW),
                (0.95, ORANGE),
                (1.15, VERMILION),
                (1.3, CREAM),
                (1.6, YELLOW),
                (1.9, TURQUOISE),
            ],
        )
        sky = mix(sky, rings, smoothstep(2.0, 1.5, distance))
    depth = y - hill_line(x)
    layer = np.mod(flow / 50 + 0.12 * noise(x, y, 0.5), 1)
    land = ramp(
        layer,
        [
            (0.00, UMBER),
            (0.25, UMBER),
            (0.42, VERMILION),
            (0.58, ORANGE),
            (0.68, YELLOW),
            (0.76, VERMILION),
            (0.90, NIGHT),
            (1.00, UMBER),
        ],
    )
    return mix(sky, land, smoothstep(-3, 3, depth))


class Painting:
    """The canvas: its colours, and the height of the paint on it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.noise = Noise(self.rng, 1.7)
        self.bristles = Noise(self.rng, 0.9)
        y, x = np.mgrid[0 : HEIGHT * SCALE, 0 : WIDTH * SCALE].astype(np.float32) / SCALE
        self.flow = stream(x, y, self.noise)
        self.target = colours(x, y, self.flow, self.noise)
        down, across = np.gradient(self.flow)
        speed = np.hypot(across, down) + 1e-6
        # Along a contour of the stream function, at a right angle to its slope.
        self.direction = np.stack([down / speed, -across / speed], axis=-1).astype(np.float32)
        self.colour = mix(self.target, NIGHT, 0.45)
        self.relief = np.zeros_like(self.flow)

    def lay(self, coat: Coat) -> None:
        """Lay one coat of strokes, in a random order, over what is there."""
        columns = np.arange(-coat.spacing, WIDTH + coat.spacing, coat.spacing)
        rows = np.arange(-coat.spacing, HEIGHT + coat.spacing, coat.spacing)
        starts = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        starts = starts + self.rng.uniform(-0.5, 0.5, starts.shape) * coat.spacing
        for start in self.rng.permutation(starts):
            self._stroke(start, coat)

    def _path(self, start: Floats, length: float) -> Floats:
        """Follow the current from a starting point, in steps of two pixels."""
        steps = max(int(length / 2), 3)
        points = np.empty((steps, 2), np.float32)
        place = np.array(start, np.float32)
        for i in range(steps):
            points[i] = place
            column = min(max(int(place[0] * SCALE), 0), WIDTH * SCALE - 1)
            row = min(max(int(place[1] * SCALE), 0), HEIGHT * SCALE - 1)
            place = place + 2 * self.direction[row, column]
        return points

    def _mixed(self, path: Floats, contrast: float) -> Floats:
        """Mix the paint for a stroke: the colour of the place, a little off."""
        middle = path[len(path) // 3]
        column = min(max(int(middle[0] * SCALE), 0), WIDTH * SCALE - 1)
        row = min(max(int(middle[1] * SCALE), 0), HEIGHT * SCALE - 1)
        paint = self.target[row, column] * (1 + contrast * self.rng.normal(0, 0.13))
        return paint + contrast * self.rng.normal(0, 0.035, 3)

    def _stroke(self, start: Floats, coat: Coat) -> None:
        """Lay one stroke: a tapered ribbon along the current, with bristle marks."""
        rng = self.rng
        path = self._path(start, coat.length * rng.uniform(0.55, 1.2))
        width = coat.width * rng.uniform(0.75, 1.15)
        along = np.linspace(0, 1, int(len(path) * 2 * SCALE * 1.5), dtype=np.float32)
        across = np.linspace(-1, 1, int(width * SCALE * 1.7) + 3, dtype=np.float32)
        knots = np.linspace(0, 1, len(path))
        x = np.interp(along, knots, path[:, 0])
        y = np.interp(along, knots, path[:, 1])
        dx, dy = np.gradient(x), np.gradient(y)
        size = np.hypot(dx, dy) + 1e-6
        taper = np.minimum(1, 0.45 + 3.5 * along) * np.minimum(1, 0.25 + 1.9 * (1 - along))
        half = (width / 2 * taper)[:, None]
        columns = (x[:, None] - across * half * (dy / size)[:, None]) * SCALE
        rows = (y[:, None] + across * half * (dx / size)[:, None]) * SCALE
        # Bristles run the whole length of a stroke, so their noise is stretched along it.
        seed = rng.uniform(0, 512, 2)
        lengthwise = along[:, None] * coat.length * 0.09 + seed[0]
        marks = self.bristles(
            np.broadcast_to(lengthwise, columns.shape), across * width * 0.75 + seed[1]
        )
        # A brush starts and ends raggedly: bristles touch and leave the canvas at different times.
        ends = np.minimum(along / 0.06, (1 - along) / 0.22)[:, None]
        kept = (marks * 0.45 + 0.75 + np.minimum(ends, 1.2) * 1.6 - 1.2 > across**6 * 0.9) & (
            ends > 0.02
        )
        column, row = columns.astype(np.int32), rows.astype(np.int32)
        kept &= (column >= 0) & (column < WIDTH * SCALE) & (row >= 0) & (row < HEIGHT * SCALE)
        column, row, marks = column[kept], row[kept], marks[kept]
        if not marks.size:
            return
        first = self._mixed(path, coat.contrast)
        second = self._mixed(path[::-1], coat.contrast)
        # The brush was loaded with two paints that are only half mixed.
        share = np.clip(0.5 + np.broadcast_to(across, kept.shape)[kept] * 0.5 + marks * 0.3, 0, 1)
        paint = mix(first.astype(np.float32), second.astype(np.float32), share)
        paint = paint * (1 + 0.085 * marks[:, None])
        self.colour[row, column] = paint
        ridge = np.broadcast_to(across**4, kept.shape)[kept]
        thickness = 0.55 + 0.28 * marks + 0.5 * ridge
        self.relief[row, column] = self.relief[row, column] * 0.35 + thickness * width**0.5 * 0.5

    def lit(self) -> Floats:
        """Cast light from the upper left over the relief of the paint."""
        down, across = np.gradient(self.relief)
        facing = (across + down) * 0.7
        shade = np.clip(facing, -1.2, 1.2)
        gloss = smoothstep(0.55, 1.5, facing) * 0.18
        return np.clip(self.colour * (1 + 0.22 * shade[..., None]) + gloss[..., None], 0, 1)


def draw_style(seed: int) -> Image.Image:
    """Paint the style picture."""
    painting = Painting(seed)
    for coat in COATS:
        painting.lay(coat)
    return shrink(painting.lit(), (WIDTH, HEIGHT))
