"""The content of the demonstration pair: a harbour at golden hour.

The scene is built from back to front. Whatever stands above the water is drawn once, and is then
mirrored, bent by the ripples and darkened to give its reflection. Coordinates are those of the
final picture; the layers themselves are larger and are reduced at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from demo_boats import FLEET, draw_boat, draw_dinghy
from demo_canvas import Colour, Floats, mix, ramp, rgb, shrink, smoothstep
from demo_houses import draw_waterfront
from demo_jetty import draw_gulls, draw_jetty
from demo_landmarks import draw_church, draw_headland, draw_lighthouse
from demo_scene import (
    CLOUDY,
    HEIGHT,
    HORIZON,
    ROUGH,
    SOFT,
    WIDTH,
    Layer,
    grid,
    land_waterline,
    lit,
    toned,
)
from PIL import Image

GLOW = (30.0, 262.0)  # where the low sun stands behind the haze


def glow_at(x: Floats, y: Floats, reach: float) -> Floats:
    """Tell how strongly the low sun lights up the air at a place."""
    distance = np.hypot((x - GLOW[0]) * 0.75, (y - GLOW[1]) * 1.25)
    return np.exp(-((distance / reach) ** 1.25))


def clear_sky(x: Floats, y: Floats) -> Floats:
    """Grade the sky from deep blue at the top to gold at the horizon."""
    share = y / HORIZON + 0.12 * (x / WIDTH - 0.5)
    stops = [
        (-0.1, rgb("2f5590")),
        (0.28, rgb("5b86b4")),
        (0.52, rgb("9fb4c2")),
        (0.72, rgb("e6c3a0")),
        (0.88, rgb("f5bd7c")),
        (1.00, rgb("f7a865")),
    ]
    return mix(ramp(share, stops), rgb("ffdf98"), 0.95 * glow_at(x, y, 210))


def add_clouds(sky: Floats, x: Floats, y: Floats) -> Floats:
    """Float banks of cloud that are lit from the lower left."""
    depth = 150 / (HORIZON + 46 - y)
    u, v = (x - 384) * depth, 620 * depth
    bend_u, bend_v = 7 * SOFT(u, v, 0.7), 7 * SOFT(u + 211, v + 97, 0.7)

    def density(du: float, dv: float) -> Floats:
        banks = CLOUDY(u + du + bend_u, (v + dv) * 0.8 + bend_v, 1.7)
        return banks + 0.16 * ROUGH(u + du, v + dv, 0.9)

    here = density(0, 0)
    light = here - density(-7, 4)
    cover = smoothstep(-0.25, 0.95, here)
    warm = mix(rgb("ffdfae"), rgb("fff4d4"), glow_at(x, y, 260))
    shade = mix(rgb("7d82a8"), rgb("cf9884"), smoothstep(70, 230, y))
    glow = glow_at(x, y, 260)
    colour = mix(shade, warm, smoothstep(-0.8, 0.9, light + 0.35 * glow - 0.35 * (here - 0.8)))
    edge = cover * (1 - cover) * 4
    colour = mix(colour, rgb("fff0cc"), 0.35 * edge)
    return mix(sky, colour, 0.92 * cover * smoothstep(HORIZON + 6, HORIZON - 60, y))


@dataclass(frozen=True)
class Hill:
    """A ridge of hills; `haze` is how much air lies before it."""

    base: float
    rise: float
    swell: float
    offset: float
    colour: Colour
    haze: float


HILLS = (
    Hill(244, 12, 0.9, 40, rgb("5b6a92"), 0.30),
    Hill(264, 7, 0.55, 300, rgb("56705e"), 0.20),
)


def hill_crest(hill: Hill, x: Floats) -> Floats:
    """Give the outline of a ridge, higher towards the right."""
    row = np.full_like(x, hill.offset)
    return (
        hill.base
        - hill.rise * (SOFT(x, row, hill.swell) + 0.16 * ROUGH(x, row, hill.swell))
        - 22 * smoothstep(240, 640, x)
    )


def add_hills(picture: Floats, x: Floats, y: Floats) -> Floats:
    """Stand the distant ridges one before the other, the nearer the clearer."""
    for hill in HILLS:
        crest = hill_crest(hill, x)
        facing = CLOUDY(x + hill.offset, y * 2.2, 0.45) - CLOUDY(
            x + hill.offset - 2, y * 2.2 - 1.5, 0.45
        )
        ground = lit(hill.colour, np.clip(0.6 - 0.8 * facing, 0, 1.2))
        ground = toned(ground, 0.06 * ROUGH(x, y * 1.6, 0.4))
        haze = np.clip(
            hill.haze + 0.30 * smoothstep(crest, HORIZON, y) + 0.22 * glow_at(x, y, 150), 0, 1
        )
        air = mix(rgb("c9b4b0"), rgb("fbdda6"), glow_at(x, y, 240))
        picture = mix(picture, mix(ground, air, haze), smoothstep(crest - 0.6, crest + 0.6, y))
    return picture


def town_hill(x: float) -> float:
    """Give the crest of the wooded hill behind the town."""
    return float(
        np.interp(x, [215, 270, 340, 430, 540, 640, 800], [291, 272, 232, 200, 176, 150, 128])
    )


def draw_woods(layer: Layer, seed: int) -> None:
    """Cover the hill behind the town with trees, the farther ones hazier."""
    rng = np.random.default_rng(seed)
    trees = [
        (x, town_hill(x) + depth)
        for x in rng.uniform(212, 790, 900)
        for depth in [rng.uniform(0, 90)]
    ]
    greens = [
        rgb("5d7046"),
        rgb("71793f"),
        rgb("4a6248"),
        rgb("8d7d3c"),
        rgb("9c6a36"),
        rgb("55693a"),
    ]
    ground = [(x, town_hill(x) + 4) for x in range(215, 800, 8)]
    layer.paint(
        [*ground, (800, 310), (215, 310)],
        lambda x, y: lit(rgb("5d6a45"), 0.4 + 0.2 * CLOUDY(x * 2, y * 2, 0.3)),
    )
    for x, y in sorted(trees, key=lambda place: place[1]):
        if y > HORIZON:
            continue
        draw_tree(
            layer,
            (x, y),
            rng.uniform(4.5, 9) * (0.5 + x / 900),
            greens[int(rng.integers(len(greens)))],
        )


def draw_tree(layer: Layer, place: tuple[float, float], size: float, colour: Colour) -> None:
    """Draw the crown of a tree: a ragged ball that is lit from the left."""
    cx, cy = place
    angles = np.linspace(0, 2 * np.pi, 26, endpoint=False)
    edge = ROUGH(np.cos(angles) * 9 + cx * 3, np.sin(angles) * 9 + cy * 3)
    reach = size * (1 + 0.22 * np.clip(edge, -1.5, 1.5))

    def leaves(x: Floats, y: Floats) -> Floats:
        ball = (-(x - cx) * 0.75 - (y - cy) * 0.85) / size
        clump = CLOUDY(x * 2 + cx, y * 2 + cy, 0.35)
        light = np.clip(0.42 + 0.30 * ball + 0.26 * clump + 0.16 * ROUGH(x, y, 0.22), 0, 1.2)
        return mix(lit(np.asarray(colour, np.float32), light), rgb("d9b792"), 0.22)

    layer.paint(
        list(zip(cx + reach * np.cos(angles), cy + 0.9 * reach * np.sin(angles), strict=True)),
        leaves,
    )


@dataclass(frozen=True)
class Water:
    """The ripples: how far each place of the water bends what it mirrors."""

    wave: Floats
    dx: Floats
    dy: Floats

    @classmethod
    def at(cls, x: Floats, y: Floats) -> "Water":
        """Make ripples that grow towards the beholder."""
        depth = np.maximum(y - HORIZON, 0) + 5
        u, v = (x - 384) / depth * 34, 5200 / depth
        swell = SOFT(u * 0.55 + 0.4 * v, v * 1.1, 0.5) + 0.55 * CLOUDY(u, v * 2.1, 0.6)
        fine = ROUGH(u * 1.1 + 60, v * 4.0, 0.8)
        # Close by, the long waves carry a shorter chop.
        chop = CLOUDY(u * 2.2 + 31, v * 5.0, 0.6) * smoothstep(20, 150, depth)
        wave = 0.68 * swell + 0.30 * fine + 0.42 * chop
        reach = 0.9 + 0.052 * depth
        return cls(wave, 0.7 * reach * np.roll(wave, 9, axis=1), 2.6 * reach * wave)


def mirror_all(
    picture: Floats, layers: Sequence[tuple[Layer, Floats | float]], ripples: Water
) -> Floats:
    """Give what the water mirrors: the backdrop, and over it every layer at its own waterline."""
    x, y = grid()
    bent_x, bent_y = x + ripples.dx, np.maximum(y + ripples.dy, HORIZON)
    backdrop = Layer()
    backdrop.colour, backdrop.alpha = picture, np.ones_like(x)
    water = backdrop.mirrored(bent_x, bent_y, HORIZON + 2).colour
    for layer, waterline in layers:
        image = layer.mirrored(bent_x, np.maximum(bent_y, waterline), waterline)
        # A reflection begins at its own waterline and never above it.
        below = smoothstep(-0.6, 0.6, y - waterline)
        image.colour *= below[..., None]
        image.alpha *= below
        water = image.over(water)
    return water


def pour_water(picture: Floats, layers: Sequence[tuple[Layer, Floats | float]]) -> Floats:
    """Fill the harbour: mirror what stands above it, then add the water's own colour and light."""
    x, y = grid()
    ripples = Water.at(x, y)
    # Ripples too small to be drawn blur a reflection: it is averaged over a few strengths.
    strengths = (0.35, 0.8, 1.25)
    images = [
        mirror_all(picture, layers, Water(ripples.wave, ripples.dx * s, ripples.dy * s))
        for s in strengths
    ]
    water = sum(images[1:], images[0]) / len(images)
    near = smoothstep(HORIZON, HEIGHT, y)
    glow = glow_at(x, HORIZON + (y - HORIZON) * 0.3, 230)
    deep = mix(rgb("4f7f8c"), rgb("0f3546"), near)
    facing = np.clip(ripples.wave, -1.5, 1.5)
    water = mix(water * 0.95, deep, np.clip(0.14 + 0.26 * near - 0.16 * facing, 0, 1))
    # The near side of a ripple shows the dark water, its far side the bright sky.
    water = toned(water, 0.55 * np.clip(np.gradient(ripples.wave, axis=0), -0.4, 0.4))
    gleam = mix(rgb("a9c3cf"), rgb("ffdd94"), np.clip(glow * 1.3, 0, 1))
    crest = smoothstep(0.55, 1.7, ripples.wave)
    water = mix(water, gleam, crest * (0.42 + 0.5 * glow))
    return mix(picture, water, smoothstep(HORIZON + 1, HORIZON + 2.2, y))


def finish(picture: Floats) -> Floats:
    """Grade the picture: warm air, a light vignette and the tooth of the canvas."""
    x, y = grid()
    picture = mix(picture, rgb("ffdc90"), 0.20 * glow_at(x, y, 240))
    # A little more contrast, around the middle of the scale.
    picture = np.clip(picture, 0, 1)
    picture = 0.55 * picture + 0.45 * picture * picture * (3 - 2 * picture)
    picture = picture * 1.06
    vignette = np.hypot((x / WIDTH - 0.48) * 1.15, (y / HEIGHT - 0.5) * 1.05)
    picture = toned(picture, 0.02 - 0.22 * smoothstep(0.4, 0.9, vignette))
    return toned(picture, 0.016 * ROUGH(x, y, 0.35))


def draw_headland_and_town(layer: Layer, seed: int) -> None:
    """Draw all of the land that is near enough to have a sharp reflection."""
    draw_woods(layer, seed)
    draw_church(layer)
    draw_lighthouse(layer)
    draw_headland(layer)
    draw_waterfront(layer, seed)


def draw_content(seed: int) -> Image.Image:
    """Draw the content picture."""
    x, y = grid()
    picture = add_hills(add_clouds(clear_sky(x, y), x, y), x, y)
    town = Layer()
    draw_headland_and_town(town, seed)
    layers: list[tuple[Layer, Floats | float]] = [(town, land_waterline(x))]
    for boat in FLEET:
        sheet = Layer()
        draw_boat(sheet, boat)
        layers.append((sheet, boat.waterline))
    dinghy = Layer()
    draw_dinghy(dinghy, 486, 446, 0.92)
    layers.append((dinghy, 446.0))
    picture = pour_water(picture, layers)
    for sheet, _ in layers:
        picture = sheet.over(picture)
    jetty = Layer()
    draw_jetty(jetty)
    draw_gulls(jetty, seed)
    return shrink(finish(jetty.over(picture)), (WIDTH, HEIGHT))
