"""The foreground of the harbour picture: a stone jetty, and what lies on it."""

from itertools import pairwise

import numpy as np
from demo_canvas import Floats, rgb, smoothstep
from demo_quay import stones
from demo_scene import CLOUDY, HORIZON, ROUGH, Layer, Shader, curve, lit, rectangle, toned


def draw_jetty(layer: Layer) -> None:
    """Lay a stone jetty across the near corner, with a bollard and a mooring rope."""
    edge = [(548.0, 512.0), (604.0, 470.0), (768.0, 444.0)]

    def paving(x: Floats, y: Floats) -> Floats:
        # Flagstones in perspective, laid parallel to the jetty's long edge.
        across, away = (x - 384) / (y - HORIZON), 700 / (y - HORIZON)
        tone, joint = stones(0.887 * across + 0.462 * away, 0.887 * away - 0.462 * across, 0.17)
        colour = toned(
            rgb("b3a390"), 0.26 * tone + 0.10 * ROUGH(x, y, 0.5) + 0.06 * CLOUDY(x, y, 0.5)
        )
        return lit(colour, 0.78 - 0.5 * smoothstep(0.13, 0.03, joint))

    layer.paint([*edge, (768, 512)], paving)
    for start, end in pairwise(edge):
        layer.line(
            start,
            end,
            4.5,
            lambda x, y: lit(toned(rgb("dcc7a2"), 0.1 * ROUGH(x, y, 0.3)), 1.0),
        )
    draw_crate(layer, 706, 474, 25)
    draw_crate(layer, 722, 494, 29)
    draw_bollard(layer, 650, 492)


def draw_crate(layer: Layer, x: float, base: float, size: float) -> None:
    """Put down a crate of boards: a lit front, a shaded side and an open top full of fish."""

    def boards(light: float) -> Shader:
        def shade(px: Floats, py: Floats) -> Floats:
            board = np.abs(np.mod((py - base) / size * 3.0, 1) - 0.5)
            wood = toned(rgb("b58a56"), 0.12 * ROUGH(px * 0.3, py * 2, 0.4))
            return lit(wood, light - 0.5 * smoothstep(0.40, 0.48, board))

        return shade

    high = 0.62 * size
    layer.paint(
        [(x, base), (x + 1.9 * size, base + 6), (x + 2.2 * size, base - 3), (x + size, base - 8)],
        (0.10, 0.08, 0.16),
        opacity=0.55,
        soft=1.5,
    )
    front = rectangle(x, base - high, x + size, base)
    top = [(x, base - high), (x + 0.28 * size, base - high - 0.22 * size)]
    top += [(x + 1.22 * size, base - high - 0.22 * size), (x + size, base - high)]
    side = [
        (x + size, base),
        (x + size, base - high),
        top[2],
        (x + 1.22 * size, base - 0.24 * size),
    ]
    layer.paint(side, boards(0.28))
    layer.paint(front, boards(0.92))
    layer.paint(top, lambda px, py: lit(rgb("a9b7bd"), 0.45 + 0.3 * ROUGH(px, py, 0.16)))
    for start, end in zip(top, [*top[1:], top[0]], strict=True):
        layer.line(start, end, 1.8, lit(rgb("d0a56c"), 0.95))
    for post in (x + 1.2, x + size - 1.2):
        layer.line((post, base), (post, base - high), 2.4, lit(rgb("c99b62"), 1.0))


def draw_bollard(layer: Layer, x: float, base: float) -> None:
    """Set an iron bollard on the jetty, with turns of rope around it."""
    shadow = [(x, base - 3), (x + 66, base + 6), (x + 66, base + 13), (x, base + 5)]
    layer.paint(shadow, (0.12, 0.1, 0.18), opacity=0.6, soft=1.6)

    def iron(px: Floats, py: Floats) -> Floats:
        across = np.clip((px - x) / 13, -1, 1)
        round_light = np.sqrt(np.clip(1 - (across + 0.4) ** 2 / 2, 0, 1))
        return lit(
            toned(rgb("6a4a40"), 0.14 * ROUGH(px, py, 0.4)),
            1.05 * round_light - 0.1,
        )

    body = [
        *curve([(x - 11, base - 30), (x - 8, base - 14), (x - 11, base)], 8),
        *curve([(x - 11, base), (x, base + 7), (x + 11, base)], 10),
        *curve([(x + 11, base), (x + 8, base - 14), (x + 11, base - 30)], 8),
    ]
    layer.paint(body, iron)
    cap = [(x + 14 * np.cos(a), base - 33 + 6 * np.sin(a)) for a in np.linspace(0, 2 * np.pi, 28)]
    layer.paint([(px, py + 4) for px, py in cap], iron)
    layer.paint(cap, lambda px, _py: lit(rgb("8a6456"), 0.95 - 0.015 * (px - x)))
    for turn in range(3):
        y = base - 16 + 4.2 * turn
        arc = curve([(x - 10, y - 2), (x, y + 5), (x + 10, y - 2)], 10)
        for start, end in pairwise(arc):
            layer.line(
                start,
                end,
                3.8,
                lambda px, py: lit(
                    rgb("d9bd85"), 0.8 - 0.03 * (px - x) + 0.25 * np.sin((px + py) * 1.9)
                ),
            )
    rope = curve([(x - 10, base - 10), (x - 76, base + 8), (x - 114, base - 64)], 20)
    for start, end in pairwise(rope):
        layer.line(
            start, end, 2.2, lambda px, py: lit(rgb("d9bd85"), 0.7 + 0.25 * np.sin((px - py) * 1.8))
        )


def draw_gulls(layer: Layer, seed: int) -> None:
    """Let a few gulls wheel over the harbour."""
    rng = np.random.default_rng(seed)
    places = [(548, 66, 0.85), (572, 88, 0.65), (526, 98, 0.55), (150, 118, 0.7), (296, 146, 0.55)]
    for x, y, size in places:
        lean = rng.uniform(-2, 2)
        for side in (-1, 1):
            tip = (x + side * 15 * size, y - (2 + lean * side) * size)
            bend = (x + side * 7 * size, y - 9 * size)
            upper = curve([(x, y), bend, tip], 10)
            lower = curve([tip, (bend[0], bend[1] + 4.5 * size), (x, y + 2.6 * size)], 10)
            tone = rgb("fff6e4") if side < 0 else rgb("8e8c9c")
            layer.paint([*upper, *lower], tone)
        layer.paint(
            curve(
                [(x - 4 * size, y), (x, y - 2 * size), (x + 7 * size, y + 1), (x, y + 4 * size)], 12
            ),
            rgb("efe6da"),
        )
