"""The boats of the harbour picture."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from demo_canvas import Colour, Floats, mix, rgb, smoothstep
from demo_scene import ROUGH, SOFT, Layer, Point, Shader, curve, lit, toned

SPAR = rgb("8a5a34")
ROPE = rgb("3d332e")
HAZE = rgb("e2c6a6")


@dataclass(frozen=True)
class Boat:
    """A sailing boat seen from the side: `size` is the length of its hull in pixels over 100."""

    x: float
    waterline: float
    size: float
    hull: Colour
    stripe: Colour
    sail: Colour
    facing: int = 1  # 1 sails to the right, -1 to the left
    haze: float = 0.0  # how much air lies before it
    sails: bool = True

    def at(self, along: float, up: float) -> Point:
        """Place a point that is given in the boat's own measures."""
        return self.x + self.facing * along * self.size, self.waterline - up * self.size

    def shape(self, points: list[Point]) -> list[Point]:
        """Place a whole outline."""
        return [self.at(*point) for point in points]


FLEET = (
    Boat(30, 312, 0.30, rgb("4a4650"), rgb("e9d9b4"), rgb("e8c9a0"), 1, 0.22),
    Boat(574, 338, 0.50, rgb("a33a2c"), rgb("efe3c8"), rgb("f3e6cb"), -1, 0.04, sails=False),
    Boat(694, 352, 0.62, rgb("2f5f6f"), rgb("efe3c8"), rgb("f3e6cb"), 1, 0.0, sails=False),
    Boat(394, 358, 0.62, rgb("e6dcc8"), rgb("2f5f77"), rgb("f3e6cb"), -1, 0.04),
    Boat(220, 412, 1.30, rgb("27485c"), rgb("e9c25a"), rgb("bd6436"), 1),
)


def hull_shader(boat: Boat) -> Shader:
    """Planks that follow the sheer, rounded off towards the keel."""

    def shade(x: Floats, y: Floats) -> Floats:
        along = (x - boat.x) / boat.size
        up = (boat.waterline - y) / boat.size
        sheer = 13 + 0.0030 * (along * boat.facing + 14) ** 2
        share = up / sheer
        colour = np.broadcast_to(np.asarray(boat.hull, np.float32), (*x.shape, 3))
        colour = mix(
            colour, boat.stripe, smoothstep(0.70, 0.73, share) * smoothstep(0.88, 0.85, share)
        )
        colour = mix(colour, rgb("7a2a22"), smoothstep(0.17, 0.14, share))
        plank = share * 7 - np.floor(share * 7)
        colour = toned(colour, 0.06 * ROUGH(along * 1.2, up * 9, 0.5))
        light = 0.86 - 0.0062 * (along + 50) - 0.30 * smoothstep(0.75, 0.0, share)
        light = light - 0.16 * smoothstep(0.14, 0.02, plank)
        return mix(lit(colour, light), HAZE, boat.haze)

    return shade


def sail_shader(
    boat: Boat, colour: Colour, luff: float, belly: float, *, reefs: bool = False
) -> Shader:
    """Cloth that swells: panels with seams, and light that comes through it."""

    def shade(x: Floats, y: Floats) -> Floats:
        along = (x - boat.x) / boat.size * boat.facing
        up = (boat.waterline - y) / boat.size
        swell = np.clip((along - luff) / belly, -0.2, 1.2)
        panel = (up + 0.12 * along) / 13
        seam = np.abs(panel - np.round(panel))
        # Folds fan out from the foot of the luff, where the cloth is pulled tight.
        angle = np.arctan2(up - 20, along - luff + 8)
        folds = 0.07 * SOFT(angle * 34, 0.05 * up + luff, 0.5)
        light = 0.42 + 0.62 * np.sin(np.clip(swell, 0, 1) * np.pi * 0.72 + 0.62) ** 1.5 + folds
        light = light - 0.20 * smoothstep(0.05, 0.015, seam) - 0.30 * smoothstep(75, 25, up)
        if reefs:
            points = np.abs(up + 0.12 * along - 58) + 3 * np.abs(np.mod(along, 7) - 3.5)
            light = light - 0.4 * smoothstep(2.6, 1.2, points)
        cloth = toned(colour, 0.035 * ROUGH(x, y, 0.4))
        return mix(lit(cloth, light), HAZE, boat.haze)

    return shade


def draw_sails(layer: Layer, boat: Boat) -> None:
    """Set a gaff mainsail, a topsail, a staysail and a jib."""
    tan = boat.sail
    main = [
        *curve([(-4, 37), (-1, 70), (-4, 112)], 8),
        *curve([(-4, 112), (-22, 125), (-43, 147)], 8),
        *curve([(-43, 147), (-60, 90), (-58, 38)], 12),
        *curve([(-58, 38), (-30, 32), (-4, 37)], 8),
    ]
    layer.paint(boat.shape(main), sail_shader(boat, tan, -60, 58, reefs=True))
    top = [(-3, 118), (-3, 164), *curve([(-3, 164), (-24, 158), (-39, 146)], 8)]
    layer.paint(boat.shape(top), sail_shader(boat, tan, -44, 46))
    stay = [
        *curve([(3, 132), (20, 84), (40, 28)], 8),
        *curve([(40, 28), (22, 27), (5, 33)], 8),
        *curve([(5, 33), (9, 84), (3, 132)], 8),
    ]
    layer.paint(boat.shape(stay), sail_shader(boat, tan, 0, 34))
    jib = [
        *curve([(6, 156), (36, 92), (74, 27)], 10),
        *curve([(74, 27), (58, 32), (44, 36)], 8),
        *curve([(44, 36), (36, 96), (6, 156)], 12),
    ]
    layer.paint(boat.shape(jib), sail_shader(boat, mix(tan, rgb("f2e6cc"), 0.6), 4, 62))


def draw_rig(layer: Layer, boat: Boat) -> None:
    """Draw mast, boom, gaff, bowsprit and rigging."""
    size = boat.size

    def wood(x: Floats, y: Floats) -> Floats:
        return mix(lit(toned(SPAR, 0.1 * ROUGH(x, y * 0.2)), 0.85), HAZE, boat.haze)

    spars = [
        ((-1, 14), (-1, 172), 3.2, 0.5),
        ((-2, 33), (-61, 35), 2.2, 0.8),
        ((-2, 112), (-46, 150), 1.9, 0.7),
        ((42, 19), (80, 27), 2.2, 0.6),
    ]
    for start, end, width, taper in spars:
        layer.line(boat.at(*start), boat.at(*end), width * size, wood, taper)
    ropes = [
        ((-1, 168), (79, 27)),
        ((1, 140), (42, 22)),
        ((-1, 168), (-50, 17)),
        ((-1, 140), (-14, 16)),
        ((-1, 140), (10, 16)),
        ((-46, 150), (-1, 160)),
        ((-58, 34), (-46, 16)),
    ]
    for start, end in ropes:
        layer.line(
            boat.at(*start),
            boat.at(*end),
            max(0.55 * size, 0.45),
            mix(ROPE, HAZE, boat.haze),
        )
    flag = [
        (-1, 171),
        *curve([(-1, 171), (-9, 175), (-17, 169)], 6),
        *curve([(-17, 164), (-9, 169), (-1, 165)], 6),
    ]
    layer.paint(
        boat.shape(flag), lambda x, _y: lit(rgb("c8352a"), 0.8 + 0.2 * np.sin(x / size * 0.8))
    )


def draw_deck(layer: Layer, boat: Boat) -> None:
    """Put a cabin, a hatch and a helmsman on deck."""
    size = boat.size
    cabin = boat.shape([(-30, 12), (-30, 23), (-8, 22), (-8, 11)])
    layer.paint(
        cabin,
        lambda x, _y: mix(lit(rgb("e6d8b8"), 0.85 - 0.006 * (x - boat.x) / size), HAZE, boat.haze),
    )
    layer.paint(boat.shape([(-32, 23), (-32, 25), (-6, 24), (-6, 22)]), lit(rgb("8a4a34"), 0.95))
    for along in (-26, -19, -13):
        layer.paint(
            boat.shape([(along, 16), (along, 20), (along + 4, 20), (along + 4, 16)]), rgb("2f3440")
        )
    layer.paint(boat.shape([(-44, 14), (-45, 26), (-39, 26), (-38, 14)]), lit(rgb("35506e"), 0.75))
    head = [(-42 + 2.6 * np.cos(a), 29 + 2.8 * np.sin(a)) for a in np.linspace(0, 6.28, 14)]
    layer.paint(boat.shape(head), lit(rgb("c98f6c"), 0.9))
    layer.paint(boat.shape([(-45, 30), (-44, 33), (-40, 33), (-39, 30)]), lit(rgb("d8c9a0"), 0.9))


def draw_hull(layer: Layer, boat: Boat) -> None:
    """Draw the hull with its rail."""
    sheer = curve([(-52, 18), (-20, 11), (25, 11), (58, 25)], 18)
    stem = curve([(58, 25), (52, 8), (42, -1)], 8)
    stern = curve([(-45, -1), (-50, 6), (-52, 18)], 8)
    layer.paint(boat.shape([*sheer, *stem, *stern]), hull_shader(boat))
    for start, end in pairwise(sheer):
        layer.line(
            boat.at(*start),
            boat.at(*end),
            1.7 * boat.size,
            mix(lit(rgb("e9d9b4"), 1.0), HAZE, boat.haze),
        )


def draw_boat(layer: Layer, boat: Boat) -> None:
    """Draw a whole sailing boat."""
    draw_deck(layer, boat)
    draw_rig(layer, boat)
    if boat.sails:
        draw_sails(layer, boat)
    draw_hull(layer, boat)


def draw_dinghy(layer: Layer, x: float, waterline: float, size: float) -> None:
    """Draw an open rowing boat with thwarts and oars."""

    def at(along: float, up: float) -> Point:
        return x + along * size, waterline - up * size

    far = curve([(-50, 17), (-20, 20), (25, 20), (54, 22)], 14)
    near = curve([(54, 22), (30, 4), (-15, 5), (-50, 17)], 14)

    def inside(px: Floats, py: Floats) -> Floats:
        plank = np.sin((py - waterline) / size * 1.9)
        return lit(
            toned(rgb("a87848"), 0.1 * plank + 0.06 * ROUGH(px, py, 0.4)),
            0.45 - 0.006 * (px - x) / size,
        )

    def outside(px: Floats, py: Floats) -> Floats:
        up = (waterline - py) / size
        plank = up / 3.2 - np.floor(up / 3.2)
        # The rail is painted pale; it follows the sheer, which rises towards both ends.
        rail = smoothstep(12, 13, up - 0.0012 * (px - x) ** 2 / size**2)
        colour = mix(rgb("2f6f78"), rgb("e9d9b4"), rail)
        colour = toned(colour, 0.08 * ROUGH(px * 0.4, py * 2, 0.4))
        return lit(
            colour, 0.78 - 0.005 * (px - x) / size - 0.25 * smoothstep(0.25, 0, plank) + 0.02 * up
        )

    layer.paint([at(*p) for p in [*far, *near]], inside)
    for along in (-24, 2, 26):
        layer.line(at(along - 3, 9), at(along + 3, 19), 5 * size, lit(rgb("c99a62"), 0.85))
    layer.line(at(-38, 15), at(34, 21), 1.6 * size, lit(rgb("d8b27a"), 0.95))
    keel = curve([(-50, 17), (-48, 2), (-40, -1)], 8) + curve([(-40, -1), (0, -1), (42, -1)], 4)
    keel += curve([(42, -1), (50, 8), (54, 22)], 8)
    layer.paint([at(*p) for p in [*keel, *near]], outside)
    for line in (far, near):
        for start, end in pairwise(line):
            layer.line(at(*start), at(*end), 1.9 * size, lit(rgb("ead8b0"), 0.95))
