"""The Python API: stylise arrays or files in this process, without folders or daemons."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nstd import images, masks, resampling
from nstd.domain import Region, StyleImage, StyleRequest
from nstd.engine import weights
from nstd.engine.build import build
from nstd.errors import ImageError, ParamsError
from nstd.params import MAX_STYLE_WEIGHT, StyleParams

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nstd.domain import Checkpoint, Float32Image, StyleResult
    from nstd.engine.device import Precision
    from nstd.engine.engine import Engine
    from nstd.engine.transfer import Transfer

Source: TypeAlias = "str | Path | Float32Image"

_CHANNELS = 3
_MASK_AXES = 2
_OVERSHOT = 0.5  # by a resampling with a kernel that rings, at most


def stylize(
    content: Source | None,
    style: Source | Sequence[Source],
    params: StyleParams | None = None,
    *,
    style_weights: Sequence[float] | None = None,
    init: Source | None = None,
    regions: Sequence[Region] | None = None,
    using: Engine | None = None,
) -> StyleResult:
    """Paint `content` in the manner of `style`.

    Args:
        content: a file, or float RGB [H, W, 3] in [0, 1], beyond which what a resampling may have
            overshot by is clipped; None makes a texture of the style.
        style: likewise, or several that blend.
        params: default: the default preset at the content's size, up to 1024 pixels.
        style_weights: the styles' shares in the blend, above 0, one for each; default: equal.
        init: a picture to start from, in place of what `params.init` says; stretched to the
            result's size.
        regions: which parts of the content are painted how, in place of what `content_mask` and
            `style_mask` of the parameters say.
        using: see `engine`; default: one with the default settings.

    Returns:
        The result; its `image` is float32 RGB [H, W, 3] in [0, 1].

    Raises:
        ImageError: an image can't be decoded, is too large or too small, or isn't an image.
        ParamsError: there is no style, or a weight is none; or masks don't match, or are empty.
        TooLargeError: even by tiles, it would take more than `params.max_memory`, or than the
            machine has.
        WeightsError: the network's weights can't be had.
        NonFiniteLossError: the optimisation diverged.
    """
    return start(
        content,
        style,
        params,
        style_weights=style_weights,
        init=init,
        regions=regions,
        using=using,
    ).result()


def start(
    content: Source | None,
    style: Source | Sequence[Source],
    params: StyleParams | None = None,
    *,
    style_weights: Sequence[float] | None = None,
    init: Source | None = None,
    regions: Sequence[Region] | None = None,
    using: Engine | None = None,
    saving: Checkpoint | None = None,
) -> Transfer:
    """As `stylize`, but returns the transfer to iterate over, one `Iterate` at a time.

    `Transfer.image` is the picture as it stands, `Transfer.estimate` what it will take. With
    `saving`, a folder and an interval, the transfer leaves a checkpoint there and goes on from
    the one that it finds.
    """
    params = params or StyleParams()
    if isinstance(style, str | Path | np.ndarray):
        style = [style]
    pictures = [_pixels(one, "style") for one in style]
    if not pictures:
        raise ParamsError("there is no style", remedy="pass one picture or more")
    pixels = pictures[0] if content is None else _pixels(content, "content")
    height, width = pixels.shape[:2]
    width, height = resampling.fit(width, height, params.long_side(max(height, width)))
    if content is not None and pixels.shape[:2] != (height, width):
        pixels = resampling.resize(pixels, (height, width))
    begin = params.init_file if init is None else init
    if regions is None:
        side = max(height, width, round(max(height, width) * params.style_scale))
        regions = masks.regions(params, len(pictures), lambda name: _pixels(name, "mask"), side)
    request = StyleRequest(
        None if content is None else pixels,
        _weighted(pictures, style_weights),
        params,
        texture_shape=(height, width),
        start=None if begin is None else _pixels(begin, "init"),
        regions=_checked(regions, len(pictures)),
    )
    return (using or engine()).transfer(request, saving)


def engine(
    precision: Precision = "auto", threads: int = 0, *, deterministic: bool = False
) -> Engine:
    """This process's engine of these settings, built on first use; fetches weights if need be.

    Args:
        precision: of the convolutions.
        threads: for a CPU; 0 takes every core.
        deterministic: the same request gives the same bytes each time; for the whole process,
            so ask for it first, and hand the engine over with `using`.

    Raises:
        WeightsError: the network's weights can't be had.
        RuntimeError: another engine has computed with another number of threads.
    """
    return _engine(precision, threads, deterministic)


@functools.cache
def _engine(precision: Precision, threads: int, deterministic: bool) -> Engine:  # noqa: FBT001 - as `engine`, however that is called
    return build(weights.resolve(None), precision, threads, deterministic=deterministic)


def _weighted(
    pictures: Sequence[Float32Image], given: Sequence[float] | None
) -> tuple[StyleImage, ...]:
    """Style images with their shares."""
    shares = [1.0] * len(pictures) if given is None else given
    if len(shares) != len(pictures):
        raise ParamsError(
            f"style_weights: {len(shares)} for {len(pictures)} style images",
            remedy="pass one for each, in their order",
        )
    for share in shares:
        if not 0 < share <= MAX_STYLE_WEIGHT:
            raise ParamsError(
                f"style_weights: {share} is no share",
                remedy=f"pass numbers above 0 and up to {MAX_STYLE_WEIGHT:g}",
            )
    return tuple(StyleImage(rgb, float(share)) for rgb, share in zip(pictures, shares, strict=True))


def _checked(regions: Iterable[Region], styles: int) -> tuple[Region, ...]:
    """The regions, if they have what the engine takes for granted."""
    checked = tuple(map(_in_float32, regions))
    for region in checked:
        found = [mask for mask in region.styles if mask is not None]
        if len(region.styles) != styles or not found:
            raise ParamsError(
                f"region {region.name!r} has {len(region.styles)} masks for {styles} styles, "
                f"{len(found)} of them not None",
                remedy="pass one for each style, and one at least that is an array",
            )
        for mask in (region.content, *found):
            in_range = mask.ndim == _MASK_AXES and mask.size and 0 <= mask.min() <= mask.max() <= 1
            if not in_range or not mask.max():
                raise ParamsError(
                    f"a mask of region {region.name!r} is empty or no array [H, W] in [0, 1]",
                    remedy="pass one that is 1 where the region is",
                )
    return checked


def _in_float32(region: Region) -> Region:
    """The same region; masks may come as truth values or float64 too."""
    content, *styles = (
        None if mask is None else np.asarray(mask, np.float32)
        for mask in (region.content, *region.styles)
    )
    assert content is not None  # noqa: S101 - a region without is no Region
    return Region(region.name, content, tuple(styles))


def _pixels(source: Source, role: str) -> Float32Image:
    if isinstance(source, str | Path):
        return images.load(Path(source), limits=images.ImageLimits(), name=str(source)).rgb
    given = np.asarray(source)
    pixels = given.astype(np.float32)
    is_picture = pixels.ndim == _CHANNELS and pixels.shape[2] == _CHANNELS and pixels.size
    if not is_picture or not np.isfinite(pixels).all():
        raise ImageError(
            f"the {role} array must be finite and of shape [H, W, 3], not {pixels.shape}",
            remedy="pass float32 RGB in [0, 1]",
        )
    in_range = -_OVERSHOT <= pixels.min() <= pixels.max() <= 1 + _OVERSHOT
    if given.dtype.kind != "f" or not in_range:
        raise ImageError(
            f"the {role} array must hold floats in [0, 1], not {given.dtype} from "
            f"{given.min():g} to {given.max():g}",
            remedy="divide bytes by 255",
        )
    return np.clip(pixels, 0.0, 1.0)
