"""What can't be painted, told before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstd.errors import ImageTooSmallError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nstd.domain import StyleRequest
    from nstd.engine.masking import Masks
    from nstd.params import StyleParams

    Sized = tuple[str, tuple[int, int]]  # a picture's name and its (height, width)

_GIBIBYTE = 2**30


def refuse_large(request: StyleRequest, needed: float, machine: int | None) -> None:
    """Refuse what has no room even by tiles: the whole image is there several times over.

    Args:
        request: its `max_memory` goes before the machine's.
        needed: bytes, as estimated.
        machine: bytes of its memory; None: nothing tells.

    Raises:
        TooLargeError: there is less.
    """
    wanted = request.params.max_memory
    limit, what = wanted, f"max_memory: {wanted:g}" if wanted else ""
    if wanted is None and machine is not None:
        limit = machine / _GIBIBYTE
        what = f"the {limit:.1f} GiB of this machine"
    if limit is None or needed <= limit * _GIBIBYTE:
        return
    height, width = request.shape
    raise TooLargeError(
        f"{width}x{height} pixels would take about {needed / _GIBIBYTE:.1f} GiB "
        f"even by tiles, more than {what}",
        file=request.name,
        key="size",
        remedy="lower size" if wanted is None else "lower size, or raise max_memory",
    )


def refuse_small(
    pictures: Iterable[Sized], needed: int, params: StyleParams, scale_key: str
) -> None:
    """Refuse a picture that has no position left at the deepest layer.

    Args:
        pictures: at the coarsest scale: the content, then the styles.
        needed: pixels on the short side.
        params: of the request.
        scale_key: which of them the coarsest scale comes from.

    Raises:
        ImageTooSmallError: one is smaller.
    """
    for index, (name, (height, width)) in enumerate(pictures):
        if min(height, width) >= needed:
            continue
        keys = [scale_key]
        if index and params.style_scale < 1:
            keys.insert(0, "style_scale")
        raise ImageTooSmallError(
            f"is {width}x{height} pixels at the coarsest scale; preset {params.preset} needs "
            f"{needed} on the short side",
            file=name,
            key=keys[0],
            remedy=f"raise {' or '.join(keys)}, or use a larger or less narrow picture",
        )


def refuse_vanishing(masks: Masks, pictures: Iterable[Sized], stride: int) -> None:
    """Refuse a region of which no position is left at the deepest layer.

    Args:
        masks: of the regions.
        pictures: at the coarsest scale: the content, then the styles.
        stride: of the deepest layer.

    Raises:
        ImageTooSmallError: one is smaller, in the content or in one of its styles.
    """
    for index, (name, size) in enumerate(pictures):
        region = masks.vanishing(index - 1 if index else None, size, stride)
        if region is not None:
            raise ImageTooSmallError(
                f"region {region!r} is so small that nothing of it is left in the network, at "
                f"{size[1]}x{size[0]} pixels",
                file=name,
                key="style_mask" if index else "content_mask",
                remedy="enlarge the region, or raise size or min_scale",
            )
