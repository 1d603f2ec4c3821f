"""The parameters of a style transfer: the one definition that the sidecar, the configuration's
defaults, the command line and the Python API share.

A preset is a complete recipe; these parameters say what to change about it. Weights multiply the
preset's own, so that 1 always means "as the preset has it". docs/parameters.md is generated from
this class.
"""  # noqa: D205 - the sentence doesn't fit one line

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from nstd import names
from nstd.errors import ParamsError
from nstd.recipes import (
    PRESETS,
    Init,
    Keep,
    Layers,
    Optimizer,
    Pooling,
    PreserveColor,
    Preset,
    Recipe,
    normalised,
)
from nstd.recipes import StyleLossName as StyleLossName  # noqa: PLC0414 - part of this module
from nstd.regions import ContentMask, StyleMasks, files
from nstd.validation import problems, suggestion, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping

OutputFormat = Literal["png", "jpeg", "webp", "tiff"]
FORMATS: Final[Mapping[str, OutputFormat]] = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
}

DEFAULT_LONG_SIDE = 1024
MAX_STYLE_WEIGHT: Final = 1e6
_SIDES = (16, 32768)
_INITS = ("adain", "content", "random", "style_stats")
LAYERS: tuple[str, ...] = tuple(
    f"block{block}_conv{index}"
    for block, convolutions in enumerate((2, 2, 4, 4, 4), start=1)
    for index in range(1, convolutions + 1)
)


def _known_layers(weights: dict[str, float]) -> dict[str, float]:
    """Layer weights whose layers exist and whose sum isn't zero."""
    for layer in weights:
        if layer not in LAYERS:
            raise ValueError(
                f"unknown layer {layer!r}{suggestion(layer, LAYERS)}, "
                "layers are block1_conv1 to block5_conv4"
            )
    if not sum(weights.values()):
        raise ValueError("one weight at least must be above zero")
    return weights


def _size(value: Any) -> int | Literal["original"] | None:  # noqa: ANN401 - whatever stood there
    """A long side in pixels, `original`, or nothing; one message instead of one for each kind."""
    if value is None or value == "original":
        return value  # type: ignore[no-any-return] # it is one of the two
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("should be a whole number of pixels, or `original`")  # noqa: TRY004 - pydantic wants it
    if not _SIDES[0] <= value <= _SIDES[1]:
        raise ValueError(f"should be from {_SIDES[0]} to {_SIDES[1]} pixels")
    return value


def _init(value: Any) -> str | None:  # noqa: ANN401 - whatever stood there
    """A kind of start, or the name of an image file; one message instead of one for each."""
    if value is None or value in _INITS:
        return value  # type: ignore[no-any-return] # it is one of the two
    if not isinstance(value, str) or not names.is_image(value):
        raise ValueError(
            f"should be one of {', '.join(_INITS)}, or an image file that ends in "
            f"{', '.join(names.IMAGE_SUFFIXES)}"
        )
    return value


Size = Annotated[
    int | Literal["original"] | None,
    PlainValidator(
        _size,
        json_schema_input_type=Annotated[int, Field(ge=_SIDES[0], le=_SIDES[1])]
        | Literal["original"]
        | None,
    ),
]
Start = Annotated[
    Literal["adain", "content", "random", "style_stats"] | str | None,  # noqa: PYI051 - for the page
    PlainValidator(_init, json_schema_input_type=str | None),
]
LayerWeights = Annotated[
    dict[str, Annotated[float, Field(ge=0, le=1e6)]],
    Field(min_length=1),
    AfterValidator(_known_layers),
]


class StyleParams(BaseModel):
    """What a user may ask for; everything has a default and a range."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    preset: Preset = Field(default="quality", description="Recipe that the others modify.")
    size: Size = Field(
        default=None,
        description="Long side of the result in pixels; `original`: the content's. "
        f"Default: the content's, up to {DEFAULT_LONG_SIDE}.",
    )
    upscale: bool = Field(default=False, description="Let `size` exceed the content's long side.")
    strength: float = Field(
        default=1.0, ge=0.1, le=10, description="Style against content; also the draft's alpha."
    )
    iterations: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Iterations at the final scale, each an evaluation of loss and gradient; "
        "coarser scales follow in proportion. Default: the preset's.",
    )
    min_scale: int | None = Field(
        default=None,
        ge=32,
        le=32768,
        description="Long side of the coarsest scale in pixels; scales grow by the root of two. "
        "Default: the preset's.",
    )
    optimizer: Optimizer = Field(
        default="adam",
        description="What moves the pixels. `lbfgs` (the paper's) learns its steps' lengths from "
        "the gradients; a step takes one iteration or, where a first try is refused, several.",
    )
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Adam's step in units of the [0, 1] pixel range; of L-BFGS, the first step. "
        "Default: the preset's.",
    )
    init: Start = Field(
        default=None,
        description="What the result starts as: the AdaIN draft, the content, noise, noise in the "
        "style's colours, or an image file (in a sidecar, beside it), stretched to the result's "
        "size. A draft has no start but itself. Default: the preset's.",
    )
    content_weight: float = Field(default=1.0, ge=0, le=1e6, description="Times the preset's.")
    style_weight: float = Field(default=1.0, ge=0, le=1e6, description="Times the preset's.")
    tv_weight: float = Field(
        default=1.0, ge=0, le=1e6, description="Total variation (smoothness), times the preset's."
    )
    content_layers: LayerWeights | None = Field(
        default=None,
        description="Layers of the content loss, {layer: weight}; weights are normalised. "
        "Default: the preset's.",
    )
    style_layers: LayerWeights | None = Field(
        default=None,
        description="Layers of the style loss, {layer: weight}; weights are normalised. "
        "Default: the preset's.",
    )
    style_loss: StyleLossName | None = Field(
        default=None,
        description="What is compared: Gram matrices (`gram`, or scaled per layer), or Gaussians "
        "fitted to the features by their Wasserstein distance (`w2`). Default: the preset's.",
    )
    pooling: Pooling | None = Field(
        default=None,
        description="Pooling of the network: `max` is its own; `average` (the paper's) is scaled "
        "so that activations keep their size. Default: the preset's, max.",
    )
    style_scale: float = Field(
        default=1.0,
        ge=0.1,
        le=4,
        description="Long side of the style relative to the content's: larger strokes above 1. "
        "A style is never enlarged.",
    )
    preserve_color: PreserveColor = Field(
        default="none",
        description="Keep the content's colours: `luminance` paints brightness only, `match` "
        "gives the style the content's colours first (their mean and covariance), `histogram` "
        "does so more closely (their whole distribution), but grainier where the two differ much.",
    )
    content_mask: ContentMask = Field(
        default=None,
        description="Regions of the content: a label image, whose colours are the regions "
        "(`#rrggbb`), or {region: grey image}, white where the region is. In a sidecar, files "
        "beside it; stretched to the content's size. What no region covers stays as it is.",
    )
    style_mask: StyleMasks = Field(
        default=None,
        description="Where in the style the regions are found: masks like `content_mask`, or "
        "{region: all}; with several styles, a list with one for each, or null. Regions of a "
        "style without mask: its whole.",
    )
    alpha: float = Field(
        default=1.0, ge=0, le=1, description="Share of the style in the AdaIN draft or warm start."
    )
    average_decay: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Decay of the average of late iterates. Default: the preset's.",
    )
    keep: Keep | None = Field(
        default=None,
        description="Which picture is the result: the `best` iterate, the `average`, the `last`, "
        "or whichever of best and average has the `lower` loss. Default: the preset's.",
    )
    tolerance: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="End a scale when the loss has fallen by less than this share over 20 "
        "iterations. 0: never.",
    )
    time_limit: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="Seconds for the optimisation; at its end the result so far is brought to "
        "its size. One iteration is always run. Default: none.",
    )
    max_memory: float | None = Field(
        default=None,
        gt=0,
        le=1e5,
        description="Gibibytes that the job may take. A picture that would take more is computed "
        "by tiles, with the same result but more slowly; one that would even so is refused. "
        "Default: three quarters of the machine's memory, or what is free; on a GPU, all of it.",
    )
    snapshots: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Leave a JPEG of the picture every so many iterations in `NAME.snapshots`. "
        "Default: none.",
    )
    report: bool = Field(
        default=False,
        description="Leave a page `NAME.report.html` beside the result: the pictures side by side, "
        "the losses' curves, parameters and timings.",
    )
    seed: int = Field(
        default=0, ge=0, le=2**31 - 1, description="Of a start in noise; the rest uses no chance."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Of the convolutions; `auto` is the engine's setting. All else is float32.",
    )
    on_nonfinite: Literal["fail", "keep_best"] = Field(
        default="fail", description="What to do when the loss stops being a number."
    )
    format: OutputFormat = Field(default="png", description="Of the result.")
    quality: int = Field(
        default=92, ge=1, le=100, description="Of a JPEG or WebP result, in per cent."
    )
    depth: Literal[8, 16] = Field(
        default=8, description="Bits per channel; 16 for PNG and TIFF only."
    )
    keep_metadata: bool = Field(
        default=False,
        description="Copy the content's EXIF data, but for orientation and thumbnail, to the "
        "result. Off, because EXIF tells where a picture was taken.",
    )

    @field_validator("depth")
    @classmethod
    def _fits_the_format(cls, depth: int, others: ValidationInfo) -> int:
        """Told before anything is computed, and not only when the result is to be written."""
        if depth != 8 and others.data.get("format") in {"jpeg", "webp"}:  # noqa: PLR2004 - bits
            raise ValueError("should be 8, as the format has no more; png and tiff have 16")
        return depth

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
                remedy="docs/parameters.md lists all parameters with their ranges",
            ) from error

    def recipe(self, long_side: int = DEFAULT_LONG_SIDE) -> Recipe:
        """The preset's recipe with this request's changes applied.

        Args:
            long_side: of the result in pixels; `iterations` are those at its final scale.
        """
        base = PRESETS[self.preset]
        recipe = dataclasses.replace(
            base,
            init=self._start(base),
            content_layers=_layers(self.content_layers, base.content_layers),
            style_layers=_layers(self.style_layers, base.style_layers),
            style_loss=self.style_loss or base.style_loss,
            # The same as to multiply the style's weight, but that losses keep their magnitude.
            content_weight=base.content_weight * self.content_weight / self.strength,
            style_weight=base.style_weight * self.style_weight,
            tv_weight=base.tv_weight * self.tv_weight,
            pooling=self.pooling or base.pooling,
            min_scale=self.min_scale or base.min_scale,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate or base.learning_rate,
            average_decay=_given(self.average_decay, base.average_decay),
            keep=self.keep or base.keep,
            alpha=min(1.0, self.alpha * self.strength),
            style_scale=self.style_scale,
            preserve_color=self.preserve_color,
        )
        if self.iterations is None:
            return recipe
        # A draft has no stages, so iterations don't turn it into another preset.
        return recipe.with_final_iterations(self.iterations, long_side)

    @property
    def init_file(self) -> str | None:
        """The image file that `init` names, if it names one."""
        return None if self.init in (None, *_INITS) else self.init

    @property
    def image_files(self) -> tuple[tuple[str, str], ...]:
        """(key, name) of each image file that the parameters name: first the start, then masks."""
        start = [("init", self.init_file)] if self.init_file else []
        content, style = files(self.content_mask), files(self.style_mask)
        return (
            *start,
            *(("content_mask", name) for name in content),
            *(("style_mask", name) for name in style if name not in content),
        )

    @property
    def mask_files(self) -> tuple[str, ...]:
        """The images that `content_mask` and `style_mask` name, each once."""
        return tuple(name for key, name in self.image_files if key != "init")

    def _start(self, base: Recipe) -> Init:
        if not base.schedule:
            return base.init  # a draft's start is its result
        if self.init_file:
            return "image"
        return cast("Init", self.init or base.init)

    def long_side(self, content: int) -> int:
        """The result's long side for a content image with this one, both in pixels."""
        if self.size == "original":
            return content
        wanted = self.size or min(content, DEFAULT_LONG_SIDE)
        return wanted if self.upscale else min(wanted, content)


def _layers(given: Mapping[str, float] | None, base: Layers) -> Layers:
    return normalised({name: w for name, w in given.items() if w}) if given else base


def _given(value: float | None, base: float) -> float:
    return base if value is None else value
