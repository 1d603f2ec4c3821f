"""From mask images to regions: which parts of the content take their style from where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from nstd.domain import Region
from nstd.errors import ParamsError
from nstd.regions import ALL, MOST
from nstd.resampling import fit, resample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from nstd.domain import Float32Image, Float32Mask
    from nstd.params import StyleParams
    from nstd.regions import Mask

    Load = Callable[[str], Float32Image]

_LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)
_BLACK: Final = 1 / 255  # below the first step of grey
# The whole of a picture, whatever its size: masks are stretched.
WHOLE: Final = np.ones((1, 1), np.float32)


def regions(params: StyleParams, styles: int, load: Load, side: int) -> tuple[Region, ...]:
    """The regions that `content_mask` and `style_mask` speak of.

    Args:
        params: name the images.
        styles: how many there are.
        load: from such a name to its picture, float32 RGB [H, W, 3] in [0, 1].
        side: pixels beyond which a mask needs no detail, on the long side.

    Returns:
        One for each region of the content; none without a `content_mask`.

    Raises:
        ParamsError: masks and styles don't match, a region is empty or has no style, or a label
            image has too many colours.
    """
    if params.content_mask is None:
        if params.style_mask is None:
            return ()
        raise ParamsError(
            "has no content_mask beside it that says where its regions are to be painted",
            key="style_mask",
            remedy="add content_mask, with regions of the same names",
        )
    written = [None] * styles if params.style_mask is None else params.style_mask
    if len(written) != styles:
        raise ParamsError(
            f"has {len(written)} entries for {styles} style{'s' if styles > 1 else ''}",
            key="style_mask",
            remedy="give one for each style, in their order; null for a style that needs none",
        )
    content = _read(params.content_mask, load, side, "content_mask")
    of_styles = [_of_style(one, content.keys(), load, side) for one in written]
    found = tuple(
        Region(name, mask, tuple(style.get(name) for style in of_styles))
        for name, mask in content.items()
    )
    for region in found:
        if all(mask is None for mask in region.styles):
            raise ParamsError(
                f"region {region.name!r} of content_mask has no style",
                key="style_mask",
                remedy=f"add it to the mask of a style; `{ALL}` means the whole style",
            )
    return found


def _of_style(
    mask: Mask | None, wanted: Collection[str], load: Load, side: int
) -> dict[str, Float32Mask]:
    """The masks that one style has for the content's regions."""
    if mask is None:
        return dict.fromkeys(wanted, WHOLE)
    if isinstance(mask, dict) and (unknown := sorted(mask.keys() - wanted)):
        raise ParamsError(
            f"content_mask has no region {unknown[0]!r}",
            key="style_mask",
            remedy=f"name regions of content_mask: {', '.join(wanted)}",
        )
    found = _read(mask, load, side, "style_mask")
    return {name: found[name] for name in wanted if name in found}


def _read(mask: Mask, load: Load, side: int, key: str) -> dict[str, Float32Mask]:
    """The regions of a label image, or of several grey ones."""
    if isinstance(mask, str):
        return _labels(load(mask), side, mask, key)
    return {
        name: WHOLE if file == ALL else _grey(load(file), side, name, file, key)
        for name, file in mask.items()
    }


def _grey(rgb: Float32Image, side: int, name: str, file: str, key: str) -> Float32Mask:
    mask = _reduced(np.asarray(rgb @ _LUMA), side)
    if mask.max() < _BLACK:
        raise ParamsError(
            f"region {name!r} is empty: all of it is black",
            file=file,
            key=key,
            remedy="paint white what belongs to the region",
        )
    return mask


def _labels(rgb: Float32Image, side: int, file: str, key: str) -> dict[str, Float32Mask]:
    """A mask for each colour, named by it."""
    bytes_of = np.rint(rgb * 255).astype(np.uint32)
    codes = (bytes_of[..., 0] << 16) | (bytes_of[..., 1] << 8) | bytes_of[..., 2]
    colors = np.unique(codes)
    if len(colors) > MOST:
        raise ParamsError(
            f"has {len(colors):,} colours; of a label image each is a region, {MOST} at most",
            file=file,
            key=key,
            remedy="save it without smoothing and losslessly, as PNG; a grey mask is written "
            "{region: file}",
        )
    return {
        f"#{color:06x}": _reduced((codes == color).astype(np.float32), side) for color in colors
    }


def _reduced(mask: Float32Mask, side: int) -> Float32Mask:
    """No larger than needed; edges become soft where detail is lost, and don't ring."""
    height, width = mask.shape
    if max(height, width) <= side:
        return mask
    width, height = fit(width, height, side)
    return resample(mask, (height, width), Image.Resampling.BILINEAR)
