"""The landmarks of the harbour picture: the church, and the lighthouse on its rocks."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from demo_canvas import Floats, mix, ramp, rgb, smoothstep
from demo_quay import stones
from demo_scene import CLOUDY, CREAM, HORIZON, ROUGH, Layer, Point, curve, lit, rectangle, toned


def draw_church(layer: Layer) -> None:
    """Raise a church tower with a copper spire behind the houses."""
    left, right, top, base = 452.0, 487.0, 118.0, 232.0

    def masonry(x: Floats, y: Floats) -> Floats:
        tone, joint = stones(x, y, 4.0)
        colour = toned(rgb("b9a58c"), 0.2 * tone + 0.1 * CLOUDY(x, y, 0.3))
        side = smoothstep(left + 21, left + 23, x)
        return mix(
            lit(colour, 0.85 - 0.62 * side - 0.2 * smoothstep(0.12, 0.03, joint)),
            rgb("c9b3a6"),
            0.16,
        )

    layer.paint(rectangle(left, top, right, base), masonry)
    for level in (126.0, 162.0):
        for x in (left + 6.5, left + 13.5):
            arch = [
                (x, level + 17),
                (x, level + 5),
                *curve([(x, level + 5), (x + 2.4, level - 4), (x + 4.8, level + 5)], 8),
                (x + 4.8, level + 17),
            ]
            layer.paint(arch, rgb("3d3540"))
        layer.paint(
            rectangle(left - 1.5, level + 22, right + 1.5, level + 25),
            lambda x, _y: lit(rgb("d8c6a8"), 0.95 - 0.6 * smoothstep(left + 21, left + 23, x)),
        )
    layer.paint(
        rectangle(left - 2.5, top - 3, right + 2.5, top + 1),
        lambda x, _y: lit(rgb("d8c6a8"), 0.95 - 0.6 * smoothstep(left + 21, left + 23, x)),
    )

    def copper(x: Floats, y: Floats) -> Floats:
        colour = toned(rgb("86a596"), 0.10 * ROUGH(x, y * 0.3, 0.3))
        ribs = 0.08 * np.sin(y * 1.3)
        return lit(colour, 0.9 - 0.65 * smoothstep(-1, 2, x - left - 20 + (y - top) * 0.02) + ribs)

    peak = ((left + right) / 2 + 1, 34.0)
    layer.paint(
        [
            (left - 2, top - 2),
            *curve([(left - 2, top - 2), (left + 12, top - 22), peak], 10),
            *curve([peak, (right - 12, top - 22), (right + 2, top - 2)], 10),
        ],
        copper,
    )
    layer.line((peak[0], 36), (peak[0], 22), 1.2, lit(rgb("e8b84a"), 1))
    layer.line((peak[0] - 3.5, 27), (peak[0] + 3.5, 27), 1.1, lit(rgb("e8b84a"), 1))
    face = [
        ((left + 11.5) + 6.5 * np.cos(a), 154.5 + 6.5 * np.sin(a)) for a in np.linspace(0, 6.28, 24)
    ]
    layer.paint(face, lit(CREAM, 1.0))
    layer.line((left + 11.5, 154.5), (left + 11.5, 149.5), 1.0, (0.2, 0.15, 0.15))
    layer.line((left + 11.5, 154.5), (left + 15, 156), 1.0, (0.2, 0.15, 0.15))


def draw_lighthouse(layer: Layer) -> None:
    """Stand a banded lighthouse on a rocky head at the harbour's mouth."""
    middle, base, top = 78.0, 276.0, 150.0

    def round_light(x: Floats, y: Floats) -> Floats:
        half = 15 - 5.0 * (base - y) / (base - top)
        across = np.clip((x - middle) / half, -1, 1)
        return 0.92 * np.sqrt(np.clip(1 - (across + 0.45) ** 2 / 2.2, 0, 1)) + 0.04 * CLOUDY(
            x, y, 0.3
        )

    def tower(x: Floats, y: Floats) -> Floats:
        bend = y + 1.2 * ((x - middle) / 12) ** 2
        band = smoothstep(-0.12, 0.12, np.sin((bend - top - 12) / 31 * 2 * np.pi))
        colour = toned(mix(rgb("f1e9dc"), rgb("b83a2c"), band), 0.05 * ROUGH(x, y, 0.4))
        return lit(colour, round_light(x, y))

    layer.paint(
        [(middle - 10, top), (middle + 10, top), (middle + 15, base + 6), (middle - 15, base + 6)],
        tower,
    )
    for y in (178.0, 210.0, 242.0):
        layer.paint(rectangle(middle - 2, y, middle + 2, y + 6), rgb("2d2a35"))
    iron = rgb("3a3438")
    layer.paint(
        rectangle(middle - 14, top - 3, middle + 14, top + 1),
        lambda x, y: lit(rgb("7a6a62"), round_light(x, y * 0 + top)),
    )
    for x in np.linspace(middle - 13, middle + 13, 9):
        layer.line((float(x), top - 3), (float(x), top - 11), 0.7, iron)
    layer.line((middle - 13.5, top - 11), (middle + 13.5, top - 11), 0.9, iron)
    layer.paint(
        rectangle(middle - 7, top - 21, middle + 7, top - 3),
        lambda x, _y: ramp(
            np.abs(x - middle + 2), [(0, rgb("fff6d0")), (4, rgb("ffd272")), (9, rgb("a8763f"))]
        ),
    )
    for x in (middle - 7, middle - 2.5, middle + 2.5, middle + 7):
        layer.line((x, top - 21), (x, top - 3), 0.8, iron)
    layer.paint(
        curve(
            [
                (middle - 9, top - 20),
                (middle - 8, top - 34),
                (middle, top - 36),
                (middle + 8, top - 34),
                (middle + 9, top - 20),
            ],
            16,
        ),
        lambda x, y: lit(rgb("a8362a"), round_light(x, y * 0 + top)),
    )
    layer.line((middle, top - 32), (middle, top - 42), 1.1, iron)
    draw_keepers_cottage(layer, middle + 22, base)


def draw_keepers_cottage(layer: Layer, x: float, base: float) -> None:
    """Put the keeper's cottage beside the lighthouse."""
    layer.paint(
        rectangle(x - 4, base - 16, x + 34, base + 5),
        lambda px, py: lit(toned(rgb("ece0ca"), 0.06 * ROUGH(px, py, 0.4)), 0.82),
    )
    layer.paint(
        [(x - 7, base - 15), (x + 1, base - 30), (x + 31, base - 30), (x + 38, base - 15)],
        lambda px, py: lit(
            toned(rgb("8f4733"), 0.12 * np.sin(py * 2.4) + 0.1 * ROUGH(px, py, 0.3)),
            0.8,
        ),
    )
    for px in (x + 2, x + 23):
        layer.paint(rectangle(px, base - 11, px + 6, base - 4), rgb("3a3a48"))
    layer.paint(rectangle(x + 12, base - 12, x + 18, base + 5), rgb("4d6b62"))
    layer.paint(rectangle(x + 24, base - 39, x + 29, base - 28), lit(rgb("a8583f"), 0.7))


def rock_outline(points: Sequence[Point], rough: float) -> list[Point]:
    """Break up an outline into the edges of weathered rock."""
    out: list[Point] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        for t in np.linspace(0, 1, 14, endpoint=False):
            x, y = x0 + (x1 - x0) * t, y0 + (y1 - y0) * t
            jag = float(ROUGH(np.array([x * 3.1]), np.array([y * 2.3]))[0])
            out.append((x, y + rough * jag))
    return [*out, points[-1]]


def draw_headland(layer: Layer) -> None:
    """Pile up the rocks that carry the lighthouse."""
    crest = rock_outline(
        [(-10, 262), (40, 266), (80, 276), (150, 279), (180, 288), (214, HORIZON + 1)], 2.4
    )

    def rock(x: Floats, y: Floats) -> Floats:
        here = CLOUDY(x, y * 1.5, 0.28)
        facing = here - CLOUDY(x - 2.2, y * 1.5 - 2.2, 0.28)
        colour = mix(rgb("8d7764"), rgb("6a6f50"), smoothstep(285, 268, y + 5 * CLOUDY(x, y, 0.5)))
        colour = mix(colour, rgb("3b3638"), smoothstep(HORIZON - 3, HORIZON + 3, y))
        return lit(toned(colour, 0.1 * ROUGH(x, y, 0.3)), np.clip(0.52 - 0.42 * facing, 0, 1.1))

    layer.paint([*crest, (214, HORIZON + 6), (-10, HORIZON + 6)], rock)
