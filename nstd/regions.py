"""How masks are written in a sidecar: which file shows which region of which picture.

A mask is one of two things. Grey images show one region each: white belongs to it, black doesn't,
and grey does in part. A label image shows several: each colour is a region, called `#rrggbb`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, PlainValidator

from nstd import names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Mask = str | dict[str, str]  # a label image, or a grey one for each region

ALL: Final = "all"  # in place of a style's grey image: the whole of the style
MOST: Final = 16  # regions; each costs statistics of every style layer in every iteration
_SUFFIXES = ", ".join(names.IMAGE_SUFFIXES)


def files(mask: Any) -> tuple[str, ...]:  # noqa: ANN401 - checked or not
    """The image files that masks name, each once, in order; anything else is left out."""
    if isinstance(mask, str):
        return (mask,) if names.is_image(mask) else ()
    parts = list(mask.values()) if isinstance(mask, dict) else mask
    if not isinstance(parts, list):
        return ()
    return tuple(dict.fromkeys(file for part in parts for file in files(part)))


def renamed(mask: Any, called: Mapping[str, str]) -> Any:  # noqa: ANN401 - of any of these kinds
    """The same masks, their files called otherwise."""
    if isinstance(mask, str):
        return called.get(mask, mask)
    if isinstance(mask, dict):
        return {region: renamed(file, called) for region, file in mask.items()}
    if isinstance(mask, list):
        return [renamed(one, called) for one in mask]
    return mask


def _content_mask(value: Any) -> Mask | None:  # noqa: ANN401 - whatever stood there
    return None if value is None else _mask(value, names.is_image, "an image file")


def _style_masks(value: Any) -> list[Mask | None] | None:  # noqa: ANN401 - whatever stood there
    """One mask for each style; that of an only style needs no list."""
    if value is None:
        return None
    if value == []:
        raise ValueError("should have a mask, or null, for each style")
    return [
        None if one is None else _mask(one, _is_image_or_all, f"`{ALL}` or an image file")
        for one in (value if isinstance(value, list) else [value])
    ]


def _mask(value: Any, is_fit: Callable[[str], bool], wanted: str) -> Mask:  # noqa: ANN401 - whatever stood there
    """One message in place of one for each kind of mask."""
    if isinstance(value, str) and names.is_image(value):
        return value
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value):
        raise ValueError(
            "should be a label image, or {region: grey image}; images end in " + _SUFFIXES
        )
    if not 1 <= len(value) <= MOST:
        raise ValueError(f"should have 1 to {MOST} regions")
    for region, file in value.items():
        if not isinstance(file, str) or not is_fit(file):
            raise ValueError(f"{region!r} should be {wanted} that ends in {_SUFFIXES}")
    return value


def _is_image_or_all(value: str) -> bool:
    return value == ALL or names.is_image(value)


# The types that pydantic knows: how they are written, for the schema, and what checks them.
_Written = str | Annotated[dict[str, str], Field(min_length=1, max_length=MOST)]
ContentMask = Annotated[
    str | dict[str, str] | None,
    PlainValidator(_content_mask, json_schema_input_type=_Written | None),
]
StyleMasks = Annotated[
    list[str | dict[str, str] | None] | None,
    PlainValidator(_style_masks, json_schema_input_type=_Written | list[_Written | None] | None),
]
