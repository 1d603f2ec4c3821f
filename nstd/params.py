"""The parameters of a style transfer, and the presets: the one definition that the sidecar,
the configuration's defaults, the command line and the Python API share.

A preset is a complete `Recipe`; `StyleParams` says what to change about it. Weights in
`StyleParams` multiply the preset's own, so that 1 always means "as the preset has it".
"""  # noqa: D205 - the sentence doesn't fit one line

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nstd.errors import ParamsError
from nstd.validation import problems, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping

Preset = Literal["draft", "fast", "classic"]
OutputFormat = Literal["png", "jpeg", "webp", "tiff"]
Layers = tuple[tuple[str, float], ...]

DEFAULT_LONG_SIDE = 1024


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that defines an optimisation, in the paper's terms.

    Attributes:
        init: what the generated image starts as.
        content_layers: (layer, weight) of the content loss.
        style_layers: (layer, weight) of the style loss.
        distance: between features, and between Gram matrices: `mean_squared` is the paper's;
            `scaled_squared` is sum(d^2) / sum|d|, whose gradient has the same size in every
            layer (K. Crowson's program introduced it).
        content_weight, style_weight, tv_weight: a, b of the paper, and the total variation's.
        padding: of the first convolution; the others pad with zeros.
        iterations: Adam's updates; 0 keeps the start.
        learning_rate: Adam's, in units of the [0, 1] pixel range.
        final_rate: the share of the learning rate left at the end of a cosine decay.
        betas: Adam's decay of the first and second moment.
        alpha: share of the style's statistics in the AdaIN draft.
    """

    init: Literal["adain", "content"]
    content_layers: Layers
    style_layers: Layers
    distance: Literal["mean_squared", "scaled_squared"]
    content_weight: float
    style_weight: float
    tv_weight: float
    padding: Literal["zeros", "replicate"]
    iterations: int
    learning_rate: float
    final_rate: float
    betas: tuple[float, float]
    alpha: float = 1.0

    def plain(self) -> dict[str, Any]:
        """The recipe as JSON knows values, layers as a mapping to their weights."""
        return {
            **dataclasses.asdict(self),
            "content_layers": dict(self.content_layers),
            "style_layers": dict(self.style_layers),
            "betas": list(self.betas),
        }


def _normalised(**weights: float) -> Layers:
    total = sum(weights.values())
    return tuple((layer, weight / total) for layer, weight in weights.items())


_FAST = Recipe(
    init="adain",
    content_layers=(("block4_conv2", 1.0),),
    style_layers=_normalised(
        block1_conv1=256, block2_conv1=64, block3_conv1=16, block4_conv1=4, block5_conv1=1
    ),
    distance="scaled_squared",
    content_weight=0.015,
    style_weight=1.0,
    tv_weight=2.0,
    padding="replicate",
    iterations=60,
    learning_rate=0.04,
    final_rate=0.1,
    betas=(0.9, 0.99),
)

# Gatys, Ecker, Bethge, "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016,
# with the layers and weights of the notebook that this project began as. Departures from the
# paper: Adam instead of L-BFGS, three style layers instead of five, no factor 1/2 or 1/4 in the
# losses (the means over entries absorb them), and pixels are clipped to the displayable range.
_CLASSIC = Recipe(
    init="content",
    content_layers=(("block5_conv2", 1.0),),
    style_layers=_normalised(block1_conv1=1, block3_conv1=1, block5_conv1=1),
    distance="mean_squared",
    content_weight=10.0,
    style_weight=20.0,
    tv_weight=0.0,
    padding="zeros",
    iterations=200,
    learning_rate=7 / 255,
    final_rate=1.0,
    betas=(0.9, 0.999),
)

PRESETS: Mapping[Preset, Recipe] = {
    "draft": dataclasses.replace(_FAST, iterations=0),
    "fast": _FAST,
    "classic": _CLASSIC,
}


class StyleParams(BaseModel):
    """What a user may ask for; everything has a default and a range."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    preset: Preset = Field(default="fast", description="recipe that the others modify")
    size: int | None = Field(
        default=None,
        ge=16,
        le=16384,
        description=f"long side in pixels; default: the content's, up to {DEFAULT_LONG_SIDE}",
    )
    upscale: bool = Field(default=False, description="let `size` exceed the content's long side")
    iterations: int | None = Field(
        default=None, ge=1, le=100_000, description="Adam iterations; default: the preset's"
    )
    learning_rate: float | None = Field(
        default=None, gt=0, le=1, description="in units of the [0, 1] range; default: the preset's"
    )
    init: Literal["adain", "content"] | None = Field(
        default=None, description="what the result starts as; default: the preset's"
    )
    content_weight: float = Field(default=1.0, ge=0, le=1e6, description="times the preset's")
    style_weight: float = Field(default=1.0, ge=0, le=1e6, description="times the preset's")
    tv_weight: float = Field(
        default=1.0, ge=0, le=1e6, description="total variation, times the preset's"
    )
    alpha: float = Field(
        default=1.0, ge=0, le=1, description="strength of the AdaIN draft or warm start"
    )
    on_nonfinite: Literal["fail", "keep_best"] = Field(
        default="fail", description="what to do when the loss stops being a number"
    )
    format: OutputFormat = Field(default="png", description="of the result")
    quality: int = Field(default=92, ge=1, le=100, description="of a JPEG or WebP result")

    @classmethod
    def parse(cls, values: Mapping[str, Any], *, file: str | None = None) -> StyleParams:
        """Validate plain values.

        Raises:
            ParamsError: naming every wrong key at once.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            what, key = summarise(problems(error, cls.model_fields))
            raise ParamsError(
                what,
                file=file,
                key=key,
                remedy="see `nstd stylize --help` for the parameters and their ranges",
            ) from error

    def recipe(self) -> Recipe:
        """The preset's recipe with this request's changes applied."""
        base = PRESETS[self.preset]
        is_draft = base.iterations == 0
        return dataclasses.replace(
            base,
            init=self.init or base.init,
            # A draft has no iterations to change: asking for some turns it into another preset.
            iterations=0 if is_draft else self.iterations or base.iterations,
            learning_rate=self.learning_rate or base.learning_rate,
            content_weight=base.content_weight * self.content_weight,
            style_weight=base.style_weight * self.style_weight,
            tv_weight=base.tv_weight * self.tv_weight,
            alpha=self.alpha,
        )

    def long_side(self, content: int) -> int:
        """The result's long side for a content image with this one, both in pixels."""
        wanted = self.size or min(content, DEFAULT_LONG_SIDE)
        return wanted if self.upscale else min(wanted, content)
