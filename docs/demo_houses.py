"""The houses of the harbour picture, each with roof, windows and a ground floor."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from demo_canvas import Colour, Floats, mix, rgb, smoothstep
from demo_quay import draw_people, draw_quay
from demo_scene import (
    CLOUDY,
    CREAM,
    HORIZON,
    QUAY_END,
    ROUGH,
    SOFT,
    Layer,
    Point,
    Shader,
    lit,
    nearness,
    on_quay,
    own_tone,
    quad,
    quay_coordinates,
    toned,
)

GLASS = rgb("2a3a52")
LAMPLIGHT = rgb("ffc65a")

# Where a window is: left and right in the picture, bottom and top above the quay.
Opening = tuple[float, float, float, float]


@dataclass(frozen=True)
class House:
    """A waterfront house: `right` is where it ends in the picture, heights are above the quay."""

    right: float
    eaves: float
    ridge: float
    wall: Colour
    roof: Colour
    shutters: Colour
    gable: str  # "plain" and "stepped" face the water; "none" turns the roof's slope to it
    brick: bool = False
    bays: int = 3


HOUSES = (
    House(305, 62, 96, rgb("d9b48a"), rgb("94553f"), rgb("4d6b62"), "none"),
    House(341, 92, 132, rgb("a9614a"), rgb("6b4a46"), rgb("efe3c8"), "stepped", brick=True, bays=2),
    House(389, 84, 122, rgb("e8d6ac"), rgb("9f5640"), rgb("3f6f74"), "none"),
    House(436, 112, 160, rgb("6f94a0"), rgb("5d4a4c"), rgb("efe3c8"), "plain", bays=2),
    House(496, 96, 138, rgb("dfa04f"), rgb("875040"), rgb("5a4a3a"), "none"),
    House(556, 118, 172, rgb("9c5140"), rgb("5a4444"), rgb("efe3c8"), "stepped", brick=True),
    House(634, 104, 146, rgb("efe2c6"), rgb("a35c42"), rgb("2f5f77"), "none", bays=4),
    House(706, 124, 176, rgb("cf8157"), rgb("664842"), rgb("3c5a46"), "plain"),
    House(800, 112, 156, rgb("90a58b"), rgb("96513c"), rgb("efe3c8"), "none"),
)


def wall_shader(house: House) -> Shader:
    """Plaster or brick, with stains, in the evening sun."""

    def shade(x: Floats, y: Floats) -> Floats:
        along, height = quay_coordinates(x, y)
        grain, stains = ROUGH(along, height, 0.35), CLOUDY(along * 2, height * 0.6, 0.5)
        colour = toned(house.wall, 0.055 * grain + 0.06 * stains)
        if house.brick:
            colour = bricks(colour, along, height)
        damp = smoothstep(34, 0, height + 7 * CLOUDY(along, height, 0.4))
        light = 0.78 - 0.40 * damp + 0.12 * smoothstep(40, 150, height)
        light = light + 0.09 * SOFT(along, height, 0.6)
        under_eaves = smoothstep(house.eaves - 10, house.eaves + 2, height)
        if house.gable == "none":
            light = light - 0.5 * under_eaves
        return lit(colour, light + 0.03 * CLOUDY(along, height, 0.25))

    return shade


def bricks(colour: Floats, along: Floats, height: Floats) -> Floats:
    """Lay brick courses: joints are paler, and no two bricks are quite alike."""
    course = np.floor(height / 3.2)
    brick = np.floor(along / 7 + 0.5 * (course % 2))
    tone = own_tone(course, brick)
    joint = np.abs(height / 3.2 - course - 0.5) > 0.38
    colour = toned(colour, 0.30 * tone)
    return mix(colour, rgb("c9a78c"), joint * 0.4)


def roof_shader(colour: Colour, light: float) -> Shader:
    """Rows of tiles: each row shades the one below it."""

    def shade(x: Floats, y: Floats) -> Floats:
        along, height = quay_coordinates(x, y)
        row = np.floor(height / 4.2)
        tile = np.floor(along / 5 + 0.5 * (row % 2))
        tone = own_tone(row, tile)
        step = height / 4.2 - row
        hump = np.cos((along / 5 + 0.5 * (row % 2) - tile - 0.5) * np.pi)
        tint = toned(colour, 0.34 * tone + 0.10 * CLOUDY(along, height, 0.3))
        moss = smoothstep(1.1, 2.2, CLOUDY(along + 50, height * 1.5, 0.35))
        tint = mix(tint, rgb("6f7a4a"), 0.6 * moss)
        return lit(tint, light + 0.22 * (0.5 - step) + 0.16 * (hump - 0.6))

    return shade


def set_back(point: Point, depth: float) -> Point:
    """Move a point away from the water: to the right, and nearer to the horizon."""
    x, y = point
    near = nearness(x)
    return x + 0.42 * depth * near, HORIZON + (y - HORIZON) * (1 - 0.0011 * depth)


def draw_window(layer: Layer, place: Opening, house: House, *, lamp: bool) -> None:
    """Draw a window with its frame, panes, sill and shutters."""
    left, right, low, high = place
    size = nearness(left)
    edge = 1.5 * size
    layer.paint(
        quad(left - edge, right + edge * 1.8, low - 2, high + 1),
        (0.13, 0.12, 0.15),
        opacity=0.7,
        soft=0.5,
    )
    layer.paint(quad(left - edge, right + edge, low - 1, high + 1.6), lit(CREAM, 0.85))

    def glass(x: Floats, y: Floats) -> Floats:
        along, height = quay_coordinates(x, y)
        rise = (height - low) / (high - low)
        if lamp:
            return mix(
                rgb("d9822f"), LAMPLIGHT, np.clip(rise + 0.2 * CLOUDY(along, height, 0.1), 0, 1)
            )
        sky = mix(
            GLASS, rgb("d9b489"), np.clip(0.75 * rise**2 + 0.12 * CLOUDY(along, height, 0.2), 0, 1)
        )
        return toned(sky, -0.45 * smoothstep(0.8, 1.0, rise))

    layer.paint(quad(left, right, low, high), glass)
    middle = (left + right) / 2
    layer.line(on_quay(middle, low), on_quay(middle, high), 0.9 * size, lit(CREAM, 0.8))
    for share in (0.36, 0.7):
        bar = low + (high - low) * share
        layer.line(on_quay(left, bar), on_quay(right, bar), 0.75 * size, lit(CREAM, 0.75))
    layer.paint(quad(left - edge * 1.6, right + edge * 1.6, low - 2.8, low - 0.8), lit(CREAM, 1.0))
    layer.paint(
        quad(left - edge * 1.2, right + edge * 2, low - 5.5, low - 2.8),
        (0.16, 0.13, 0.2),
        opacity=0.45,
        soft=0.4,
    )
    draw_shutters(layer, place, house.shutters)


def draw_shutters(layer: Layer, place: Opening, colour: Colour) -> None:
    """Hang a slatted shutter on either side of a window."""
    left, right, low, high = place
    breadth = (right - left) * 0.42

    def slats(x: Floats, y: Floats) -> Floats:
        _, height = quay_coordinates(x, y)
        return lit(colour, 0.72 + 0.22 * np.sin(height * 2.6))

    gap = 1.6 * nearness(left)
    for edge in (left - gap - breadth, right + gap):
        layer.paint(
            quad(edge + 0.8, edge + breadth + 1.3, low - 1.5, high), (0.1, 0.08, 0.14), opacity=0.4
        )
        layer.paint(quad(edge, edge + breadth, low - 0.5, high + 0.5), slats)


def outline(house: House, left: float) -> list[Point]:
    """Give the outline of a house's facade, from the ground over its gable."""
    right, middle = house.right, (left + house.right) / 2
    if house.gable == "none":
        return quad(left, right, 0, house.eaves)
    top: list[Point] = []
    if house.gable == "plain":
        top = [on_quay(middle, house.ridge)]
    else:
        steps = 5
        for i in range(steps):
            height = house.eaves + (house.ridge - house.eaves) * (i + 1) / steps
            inset = (middle - left) * i / steps
            top += [
                on_quay(left + inset, height),
                on_quay(left + inset + (middle - left) / steps, height),
            ]
        mirror = [
            (2 * middle - x, HORIZON + (y - HORIZON) * nearness(2 * middle - x) / nearness(x))
            for x, y in reversed(top)
        ]
        top += mirror
    return [
        on_quay(left, 0),
        on_quay(left, house.eaves),
        *top,
        on_quay(right, house.eaves),
        on_quay(right, 0),
    ]


def draw_roof(layer: Layer, house: House, left: float) -> None:
    """Draw what is seen of a roof: its slope to the water, or the shaded slope to the right."""
    middle = (left + house.right) / 2
    depth = 62.0
    if house.gable == "none":
        eave_left, eave_right = (
            on_quay(left - 2, house.eaves - 1),
            on_quay(house.right + 1, house.eaves - 1),
        )
        ridge_left = set_back(on_quay(left, house.ridge), depth / 2)
        ridge_right = set_back(on_quay(house.right, house.ridge), depth / 2)
        back = set_back(on_quay(house.right, house.eaves), depth)
        layer.paint([eave_right, ridge_right, back], lambda x, y: wall_shader(house)(x, y) * 0.55)
        layer.paint([eave_left, ridge_left, ridge_right, eave_right], roof_shader(house.roof, 0.78))
        # The taller gable to the left throws its shadow across the tiles.
        reach = 0.42 * (house.right - left)
        shadow = [eave_left, ridge_left, (ridge_left[0] + 0.35 * reach, ridge_left[1])]
        shadow.append((eave_left[0] + reach, eave_left[1]))
        layer.paint(shadow, (0.14, 0.09, 0.19), opacity=0.48, soft=0.8)
        layer.line(ridge_left, ridge_right, 2.2 * nearness(middle), lit(house.roof, 1.0))
        layer.line(eave_left, eave_right, 1.6 * nearness(middle), lit((0.5, 0.42, 0.38), 0.7))
        return
    peak, eave = on_quay(middle, house.ridge - 5), on_quay(house.right, house.eaves)
    slope = [peak, set_back(peak, depth * 1.6), set_back(eave, depth * 1.6), eave]
    layer.paint(slope, roof_shader(house.roof, 0.22))


def draw_chimney(layer: Layer, x: float, height: float, light: float = 0.8) -> None:
    """Stand a brick chimney on a roof, with a bright and a dark side."""
    size = nearness(x)
    breadth = 9 * size

    def brick(px: Floats, py: Floats) -> Floats:
        along, up = quay_coordinates(px, py)
        colour = bricks(
            np.broadcast_to(np.asarray(rgb("a8583f"), np.float32), (*px.shape, 3)), along, up
        )
        return lit(colour, np.where(px < x + breadth * 0.62, light, 0.15))

    layer.paint(quad(x, x + breadth, height - 26, height), brick)
    layer.paint(quad(x - size, x + breadth + size, height, height + 3), lit(rgb("8a5a48"), 0.9))
    for share in (0.2, 0.6):
        pot = x + breadth * share
        layer.paint(quad(pot, pot + 2 * size, height + 3, height + 8), lit(rgb("b5694a"), 0.7))


def draw_dormer(layer: Layer, house: House, x: float) -> None:
    """Set a small gabled window into a roof slope."""
    size = nearness(x)
    x = x + 7 * size
    low, high = house.eaves + 9, house.eaves + 22
    breadth = 13 * size
    layer.paint(
        quad(x + 2 * size, x + breadth * 1.5, low - 3, high - 3),
        (0.12, 0.08, 0.12),
        opacity=0.45,
        soft=0.8,
    )
    layer.paint(quad(x, x + breadth, low, high), lit(CREAM, 0.8))
    layer.paint(quad(x + 2.2 * size, x + breadth - 2.2 * size, low + 2, high - 2), GLASS)
    middle = x + breadth / 2
    layer.line(on_quay(middle, low + 2), on_quay(middle, high - 2), 0.8 * size, lit(CREAM, 0.8))
    peak = on_quay(middle, high + 9)
    layer.paint(
        [on_quay(x - 1.5 * size, high - 1), peak, on_quay(x + breadth + 1.5 * size, high - 1)],
        roof_shader(house.roof, 0.6),
    )


def draw_house(layer: Layer, house: House, left: float, rng: np.random.Generator) -> None:
    """Draw one house: roof, facade, windows and the ground floor."""
    middle, size = (left + house.right) / 2, nearness(left)
    draw_roof(layer, house, left)
    if house.gable == "none":
        draw_chimney(layer, left + (house.right - left) * 0.75, house.ridge + 14)
        for share in (0.18, 0.55):
            draw_dormer(layer, house, left + (house.right - left) * share)
    facade = outline(house, left)
    layer.paint(facade, wall_shader(house))
    if house.gable == "none":
        eaves = quad(left, house.right, house.eaves - 8, house.eaves)
        layer.paint(eaves, (0.10, 0.08, 0.18), opacity=0.5, soft=1.1 * size)
    else:
        trim = lit(CREAM, 0.95)
        for start, end in pairwise(facade[1:-1]):
            layer.line(start, end, 2.4 * size, trim)
        attic = (middle - 4.5 * size, middle + 4.5 * size, house.eaves + 8, house.eaves + 25)
        draw_window(layer, attic, house, lamp=False)
    draw_floors(layer, house, left, rng)
    band = quad(left, house.right, 31, 33.5)
    layer.paint(band, lit(CREAM, 0.75), opacity=0.8)
    draw_ground_floor(layer, house, left, rng)
    layer.line(
        on_quay(house.right - 0.5, 0),
        on_quay(house.right - 0.5, house.eaves),
        1.6 * size,
        (0.14, 0.1, 0.14),
    )


def draw_floors(layer: Layer, house: House, left: float, rng: np.random.Generator) -> None:
    """Draw the rows of windows above the ground floor; a few are lit already."""
    pitch = (house.right - left) / house.bays
    floors = int((house.eaves - 34) // 30)
    for floor in range(floors):
        low = 38 + floor * (house.eaves - 40) / floors
        for bay in range(house.bays):
            centre = left + pitch * (bay + 0.5)
            half = 5.2 * nearness(left)
            place = (centre - half, centre + half, low, low + 19)
            draw_window(layer, place, house, lamp=rng.random() < 0.16)


def draw_ground_floor(layer: Layer, house: House, left: float, rng: np.random.Generator) -> None:
    """Draw a door, a shop window and, over some of them, a striped awning."""
    size, span = nearness(left), house.right - left
    door = left + span * rng.choice([0.12, 0.62])
    layer.paint(quad(door - size, door + 12.5 * size, 0, 26), lit(CREAM, 0.6))
    layer.paint(quad(door + 0.6 * size, door + 11 * size, 0, 23), lit(house.shutters, 0.35))
    layer.paint(quad(door + 2 * size, door + 9.5 * size, 13, 21), lit(GLASS, 0.8))
    shop = left + span * (0.42 if door < left + span * 0.4 else 0.10)
    end = shop + span * 0.46
    layer.paint(quad(shop - size, end + size, 5, 25), lit(CREAM, 0.6))

    def display(x: Floats, y: Floats) -> Floats:
        along, height = quay_coordinates(x, y)
        return mix(rgb("4a3a3a"), LAMPLIGHT, np.clip(0.55 + 0.3 * ROUGH(along, height, 0.5), 0, 1))

    layer.paint(quad(shop, end, 7, 23), display)
    for share in (0.33, 0.66):
        post = shop + (end - shop) * share
        layer.line(on_quay(post, 7), on_quay(post, 23), 0.9 * size, lit(CREAM, 0.6))
    if rng.random() < 0.75:
        draw_awning(
            layer, shop - 2 * size, end + 2 * size, house.roof if house.brick else house.shutters
        )


def draw_awning(layer: Layer, left: float, right: float, colour: Colour) -> None:
    """Stretch a striped awning over a shop window; it throws a soft shadow."""
    reach = 1.10  # what stands forward of the facade is a little larger
    layer.paint(quad(left + 2, right + 4, 13, 23), (0.08, 0.06, 0.12), opacity=0.55, soft=1.2)

    def front(x: float, height: float) -> Point:
        return x, HORIZON + (on_quay(x, height)[1] - HORIZON) * reach

    def stripes(x: Floats, y: Floats) -> Floats:
        along, height = quay_coordinates(x, y)
        stripe = smoothstep(-0.3, 0.3, np.sin(along * 1.15))
        return lit(mix(colour, CREAM, stripe), 0.62 + 0.03 * (height - 17))

    layer.paint(
        [on_quay(left, 27), on_quay(right, 27), front(right + 1, 18), front(left - 2, 18)], stripes
    )


def draw_waterfront(layer: Layer, seed: int) -> None:
    """Draw all that stands on the quay, from the far left to the near right."""
    rng = np.random.default_rng(seed)
    left = QUAY_END
    for house in HOUSES:
        draw_house(layer, house, left, rng)
        left = house.right
    draw_quay(layer)
    draw_people(layer, rng)
