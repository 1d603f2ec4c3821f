"""The presets: complete recipes for a transfer, in the papers' terms."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Preset = Literal["draft", "fast", "quality", "classic"]
ContentLoss = Literal["mean_squared", "scaled_squared"]
StyleLossName = Literal["gram", "gram_scaled", "w2"]
Padding = Literal["zeros", "replicate"]
Pooling = Literal["max", "average"]
Keep = Literal["best", "average", "last", "lower"]
Optimizer = Literal["adam", "lbfgs"]
PreserveColor = Literal["none", "luminance", "match", "histogram"]
Init = Literal["adain", "content", "random", "style_stats", "image"]
Layers = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """One scale of a coarse-to-fine optimisation: the content's long side, and iterations."""

    side: int
    iterations: int


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that defines an optimisation.

    Attributes:
        init: what the generated image starts as: the AdaIN draft (as a warm start, in the style's
            colours), the content, uniform noise, noise with the style's colours, or an image of
            the user's.
        content_layers: (layer, weight) of the content loss.
        style_layers: (layer, weight) of the style loss.
        content_loss: `mean_squared` is the paper's; `scaled_squared` is sum(d^2) / sum|d|, whose
            gradient has the same size in every layer (K. Crowson's program introduced it).
        style_loss: `gram` is the paper's; `gram_scaled` its scaled form; `w2` compares Gaussians
            fitted to the features.
        content_weight, style_weight, tv_weight: a, b of the paper, and the total variation's.
        padding: of the first convolution; the others pad with zeros.
        pooling: `max` is the network's own, `average` the paper's.
        schedule: iterations at each scale, coarse to fine; the last number goes for every
            further scale. Empty: the start is the result.
        min_scale: long side of the coarsest scale in pixels; scales grow by the root of two.
            None: one scale.
        learning_rate: Adam's, in units of the [0, 1] pixel range; of L-BFGS, how far a pixel may
            move in the first step, which has no history to tell how long it should be.
        final_rate: the share of the learning rate left at the end of a cosine decay.
        betas: Adam's decay of the first and second moment.
        average_decay: of the exponential average of iterates.
        keep: which picture is the result: the `best` iterate, the `average`, the `last`, or
            whichever of best and average has the `lower` loss.
        alpha: share of the style's statistics in the AdaIN draft.
        style_scale: the style's long side relative to the content's.
        preserve_color: `luminance` paints brightness only; `match` first gives the style the
            content's colours (Gatys et al. 2016, "Preserving color in neural style transfer"),
            `histogram` their whole distribution (Pitié et al. 2005).
        optimizer: `lbfgs` is the paper's.
    """

    init: Init
    content_layers: Layers
    style_layers: Layers
    content_loss: ContentLoss
    style_loss: StyleLossName
    content_weight: float
    style_weight: float
    tv_weight: float
    padding: Padding
    pooling: Pooling
    schedule: tuple[int, ...]
    min_scale: int | None
    learning_rate: float
    final_rate: float
    betas: tuple[float, float]
    average_decay: float
    keep: Keep
    alpha: float = 1.0
    style_scale: float = 1.0
    preserve_color: PreserveColor = "none"
    optimizer: Optimizer = "adam"

    def stages(self, long_side: int) -> tuple[Stage, ...]:
        """The scales that lead to a long side in pixels, coarse to fine, the last one exact."""
        if not self.schedule:
            return ()
        sides = [long_side]
        while self.min_scale and (side := sides[0] / math.sqrt(2)) >= self.min_scale * 0.99:
            sides.insert(0, round(side))
        last = len(self.schedule) - 1
        return tuple(
            Stage(side, self.schedule[min(index, last)]) for index, side in enumerate(sides)
        )

    def with_final_iterations(self, iterations: int, long_side: int) -> Recipe:
        """The recipe with this many iterations at the final scale, the others in proportion."""
        stages = self.stages(long_side)
        if not stages:
            return self
        factor = iterations / stages[-1].iterations
        schedule = [max(1, round(stage.iterations * factor)) for stage in stages[:-1]]
        return dataclasses.replace(self, schedule=(*schedule, iterations))

    def plain(self) -> dict[str, Any]:
        """The recipe as JSON knows values, layers as a mapping to their weights."""
        return {
            **dataclasses.asdict(self),
            "content_layers": dict(self.content_layers),
            "style_layers": dict(self.style_layers),
            "schedule": list(self.schedule),
            "betas": list(self.betas),
        }


def normalised(weights: Mapping[str, float]) -> Layers:
    """Layer weights that sum to 1."""
    total = sum(weights.values())
    return tuple((layer, weight / total) for layer, weight in weights.items())


_FIVE_LAYERS = normalised(
    {
        "block1_conv1": 256,
        "block2_conv1": 64,
        "block3_conv1": 16,
        "block4_conv1": 4,
        "block5_conv1": 1,
    }
)

_FAST = Recipe(
    init="adain",
    content_layers=(("block4_conv2", 1.0),),
    style_layers=_FIVE_LAYERS,
    content_loss="scaled_squared",
    style_loss="gram_scaled",
    content_weight=0.015,
    style_weight=1.0,
    tv_weight=2.0,
    padding="replicate",
    pooling="max",
    schedule=(100,),
    min_scale=None,
    learning_rate=0.04,
    final_rate=0.1,
    betas=(0.9, 0.99),
    average_decay=0.9,
    keep="lower",
)

_QUALITY = dataclasses.replace(
    _FAST,
    init="content",
    content_loss="mean_squared",
    style_loss="w2",
    schedule=(60, 60, 110, 60, 40),
    min_scale=128,
    learning_rate=0.05,
    final_rate=0.2,
    # A short memory of the squared gradient. At 256 pixels, on one pair, .95 for .99 alone took
    # 4% off the objective at the same cost; .9, with a little more work at the final scale, 8%.
    betas=(0.9, 0.9),
    average_decay=0.95,
)

# Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016,
# with the layers and weights of the notebook that this project began as. Departures from the
# paper: Adam instead of L-BFGS, three style layers instead of five, no factor 1/2 or 1/4 in the
# losses (the means over entries absorb them), and pixels are clipped to the displayable range.
_CLASSIC = Recipe(
    init="content",
    content_layers=(("block5_conv2", 1.0),),
    style_layers=normalised({"block1_conv1": 1, "block3_conv1": 1, "block5_conv1": 1}),
    content_loss="mean_squared",
    style_loss="gram",
    content_weight=10.0,
    style_weight=20.0,
    tv_weight=0.0,
    padding="zeros",
    pooling="max",
    schedule=(200,),
    min_scale=None,
    learning_rate=7 / 255,
    final_rate=1.0,
    betas=(0.9, 0.999),
    average_decay=0.0,
    keep="best",
)

PRESETS: Mapping[Preset, Recipe] = {
    "draft": dataclasses.replace(_FAST, schedule=()),
    "fast": _FAST,
    "quality": _QUALITY,
    "classic": _CLASSIC,
}
