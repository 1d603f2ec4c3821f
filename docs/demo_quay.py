"""The quay of the harbour picture: its stones, its edge and the people on it."""

import numpy as np
from demo_canvas import Floats, mix, rgb, smoothstep
from demo_scene import (
    CLOUDY,
    QUAY,
    QUAY_END,
    ROUGH,
    WIDTH,
    Layer,
    lit,
    nearness,
    on_quay,
    own_tone,
    quad,
    quay_coordinates,
    toned,
)


def stones(x: Floats, y: Floats, size: float) -> tuple[Floats, Floats]:
    """Give the tone of each block of a stone wall, and how near its joints are."""
    course = np.floor(y / size)
    block = np.floor(x / (2.1 * size) + 0.5 * (course % 2) + 0.2 * np.sin(course * 5.1))
    tone = own_tone(course, block)
    fx = x / (2.1 * size) + 0.5 * (course % 2) + 0.2 * np.sin(course * 5.1) - block
    fy = y / size - course
    joint = np.minimum(np.minimum(fx, 1 - fx) * 2.1, np.minimum(fy, 1 - fy))
    return tone, joint


def quay_wall(x: Floats, y: Floats) -> Floats:
    """Shade the quay's wall: blocks of stone, wet and green near the water."""
    along, height = quay_coordinates(x, y)
    tone, joint = stones(along, height + 100 + 0.6 * CLOUDY(along, height, 0.3), 5.6)
    colour = toned(rgb("a8927a"), 0.36 * tone + 0.12 * ROUGH(along, height, 0.4))
    wet = smoothstep(-QUAY + 8, -QUAY + 2, height + 1.5 * CLOUDY(along, height, 0.3))
    colour = mix(colour, rgb("3f4a38"), 0.75 * wet)
    return lit(colour, 0.66 - 0.45 * smoothstep(0.16, 0.04, joint) - 0.2 * wet)


def draw_quay(layer: Layer) -> None:
    """Draw the quay's wall, its lit edge and the pier head at its far end."""
    left, right = QUAY_END - 26, WIDTH + 8.0
    layer.paint(
        [on_quay(left, 0), on_quay(right, 0), on_quay(right, -QUAY - 1), on_quay(left, -QUAY - 1)],
        quay_wall,
    )
    layer.paint(
        [
            on_quay(left - 2, 0.8),
            on_quay(right, 2.2),
            on_quay(right, -2.0),
            on_quay(left - 2, -2.0),
        ],
        lambda x, y: lit(toned(rgb("cdb99a"), 0.1 * ROUGH(x, y, 0.4)), 0.95),
    )
    for x in np.arange(285, WIDTH, 61.0):
        size, post = nearness(float(x)), float(x)
        layer.paint(quad(post, post + 2.4 * size, -2, 5), lit((0.25, 0.24, 0.27), 0.5))
        layer.paint(
            quad(post - 0.8 * size, post + 3.2 * size, 4, 6),
            lit((0.42, 0.38, 0.36), 0.8),
        )


def draw_people(layer: Layer, rng: np.random.Generator) -> None:
    """Let a few people stroll along the quay."""
    coats = [
        rgb("7a2f2a"),
        rgb("2f4a6a"),
        rgb("c9a25a"),
        rgb("3a3a3f"),
        rgb("e0d6c4"),
        rgb("4f6a4a"),
    ]
    for x in (312, 349, 356, 425, 477, 486, 549, 640, 652, 741):
        size = nearness(x)
        coat = coats[int(rng.integers(len(coats)))]
        tall = rng.uniform(16, 18.5)
        layer.paint(
            quad(x + 1.5 * size, x + 13 * size, 0, 1.4), (0.1, 0.08, 0.14), opacity=0.5, soft=0.5
        )
        for leg in (-1.3, 1.2):
            layer.line(
                on_quay(x + leg * size, 0),
                on_quay(x, tall * 0.5),
                2.0 * size,
                lit((0.2, 0.19, 0.25), 0.5),
            )
        body = [
            on_quay(x - 2.6 * size, tall * 0.42),
            on_quay(x - 2.2 * size, tall * 0.84),
            on_quay(x + 2.2 * size, tall * 0.84),
            on_quay(x + 2.6 * size, tall * 0.42),
        ]
        layer.paint(body, lambda px, _py, c=coat, m=x, s=size: lit(c, 0.55 - 0.22 * (px - m) / s))
        head = [
            on_quay(x + 1.7 * size * np.cos(a), tall * 0.93 + 1.9 * np.sin(a))
            for a in np.linspace(0, 6.28, 12)
        ]
        layer.paint(head, lit(rgb("c98f6c"), 0.8))
