"""From whatever a file stores to sRGB: sample layouts, colour profiles, transparency.

A decoded picture takes three steps: `plain` brings its samples into one of the few modes that
can be resampled, `split_alpha` takes the transparency off, `to_srgb` applies the colour profile.
They are apart so that a picture can be reduced after the first and the costly last step sees only
the pixels that are kept. `fill_hidden` then gives the pixels nobody sees a harmless colour.
"""

from __future__ import annotations

import functools
import io
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile, TiffImagePlugin

from nstd.errors import ImageError
from nstd.resampling import resample

FloatArray: TypeAlias = NDArray[np.float32]

_PLAIN_MODES = {"1": "L", "P": "RGB", "YCbCr": "RGB", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}
_WITH_ALPHA = {"L": "LA", "RGB": "RGBA"}
_DEPTH_REMEDY = "save it with 8 or 16 bits per channel"

# Raw mode of a PNG -> factor and right shift that Pillow applies to its samples.
_SAMPLE_SCALES = {"L;2": (85, 0), "L;4": (17, 0), "RGB;16B": (1, 8)}

# Alpha from which a pixel's own colour is believed in full. Below it, colours that were stored
# multiplied by alpha in 8 bits are off by more than four levels, and off without bound near zero.
_TRUSTED_ALPHA = 1 / 8


def scale_transparent_color(image: ImageFile.ImageFile) -> None:
    """Bring a PNG's transparent colour to the depth at which Pillow decodes its samples.

    Pillow widens 2 and 4 bit grey and narrows 16 bit colour, but reports the transparent colour
    as it is in the file. Must be called before the picture is decoded.
    """
    color = image.info.get("transparency")
    if color is None:
        return
    factor, shift = _SAMPLE_SCALES.get(str(image.tile[0].args), (1, 0))
    if isinstance(color, tuple):
        image.info["transparency"] = tuple(value >> shift for value in color)
    elif isinstance(color, int):
        image.info["transparency"] = color * factor


def plain(image: ImageFile.ImageFile, name: str) -> Image.Image:
    """Convert a decoded picture to a mode that can be resampled, still in its own colours.

    Args:
        image: the picture, decoded.
        name: what to call it in an error.

    Returns:
        An image of mode L, LA, RGB, RGBA, CMYK or, for grey of more than 8 bits, F in [0, 1].

    Raises:
        ImageError: its samples have no agreed meaning.
    """
    if image.mode == "I":
        raise ImageError(
            "has 32-bit or signed integer samples, whose white is anybody's guess",
            file=name,
            remedy=_DEPTH_REMEDY,
        )
    if image.mode == "F" or image.mode.startswith("I;16"):
        return _deep_grey(image, name)
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _apply(ImageCms.ImageCmsProfile(lab), image)
    mode = _PLAIN_MODES.get(image.mode, image.mode)
    if image.has_transparency_data:
        mode = _WITH_ALPHA.get(mode, mode)
    return image.convert(mode)


def _deep_grey(image: ImageFile.ImageFile, name: str) -> Image.Image:
    """Scale 12 and 16-bit grey to [0, 1], which Pillow's own conversion would clip at 255."""
    stored = np.asarray(image)
    bits, inverted = 16, False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (bits,))[0]
        inverted = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    if image.mode == "F":
        if not (np.isfinite(stored).all() and stored.min() >= 0 and stored.max() <= 1):
            raise ImageError(
                "has floating-point samples outside 0 to 1, whose white is anybody's guess",
                file=name,
                remedy=_DEPTH_REMEDY,
            )
        values = stored
    else:
        values = stored.astype(np.float32) / np.float32(2**bits - 1)
    if inverted:  # the file counts from white to black, and Pillow leaves these depths as they are
        values = 1 - values
    if "transparency" not in image.info:
        return Image.fromarray(values)
    # Pillow has no deep grey with alpha; keeping the transparency matters more than the depth.
    opaque = stored != image.info["transparency"]
    layers = np.stack([values * 255 + 0.5, opaque * 255], axis=-1)
    return Image.fromarray(layers.astype(np.uint8))


def split_alpha(image: Image.Image) -> tuple[Image.Image, FloatArray | None]:
    """Separate a plain picture's colour from its alpha.

    Returns:
        The picture in mode L, RGB, CMYK or F, its hidden colours untouched; and alpha as [H, W]
        float32 in [0, 1], or None where every pixel is opaque.
    """
    if image.mode not in _WITH_ALPHA.values():
        return image, None
    alpha = np.asarray(image.getchannel("A"))
    color = image.convert(image.mode[:-1])
    return color, None if alpha.min() == 255 else _unit(alpha)  # noqa: PLR2004


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[FloatArray, str | None]:
    """Convert a picture to sRGB.

    Colours go through the profile by the relative colorimetric intent with black point
    compensation: what sRGB can show comes out exactly, where the perceptual intent would shift
    every colour by a rule of the profile's maker, and shadows of CMYK don't close up. What sRGB
    can't show is clipped to the nearest it can. Without a profile, grey and RGB are taken as sRGB
    and CMYK as ideal inks.

    Args:
        image: the picture in mode L, RGB, CMYK or F in [0, 1].
        profile: the ICC profile that came with it.

    Returns:
        The picture as [H, W, 3] float32 in [0, 1], and a note if its profile couldn't be used.
    """
    if image.mode not in {"L", "F"}:
        converted, note = _convert(image, profile)
        return _unit(np.asarray(converted)), note
    # The colour engine would cut deep grey to 256 levels, so grey goes by a curve of 256 points:
    # 8 bits look theirs up, more bits fall in between.
    ramp, note = _convert(Image.frombytes("L", (256, 1), bytes(range(256))), profile)
    curves, values = _unit(np.asarray(ramp))[0], np.asarray(image)
    if image.mode == "L":
        return curves[values], note
    levels = np.linspace(0, 1, len(curves))
    channels = [np.interp(values, levels, curve).astype(np.float32) for curve in curves.T]
    return np.stack(channels, axis=-1), note


def _convert(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    """Convert L, RGB or CMYK to RGB, falling back on no profile where that one is unusable."""
    if not profile:
        return image.convert("RGB"), None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
            image = image.convert("RGB")
        if image.mode == "RGB" and _is_srgb(source):
            return image, None
        return _apply(source, image), None
    except (ImageCms.PyCMSError, OSError, ValueError):
        note = "its colour profile is broken or of another kind than its pixels, and was ignored"
        return image.convert("RGB"), note


def _is_srgb(source: ImageCms.ImageCmsProfile) -> bool:
    """Say whether a profile is sRGB by whatever name: it moves no colour by more than a level.

    Leaving such pictures alone is faster, and what nstd wrote comes back bit for bit.
    """
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(_apply(source, Image.fromarray(grid)))
    return bool(np.abs(moved.astype(int) - grid).max() <= 1)


def _apply(source: ImageCms.ImageCmsProfile, image: Image.Image) -> Image.Image:
    """Convert to sRGB, exactly for grey, elsewhere by the colour engine's finest table."""
    precision = ImageCms.Flags.NOOPTIMIZE if image.mode == "L" else ImageCms.Flags.HIGHRESPRECALC
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        image.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION | precision,
    )
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # None is only for conversion in place  # noqa: S101
    return converted


@functools.cache
def srgb_profile() -> bytes:
    """Return the ICC profile of sRGB; the same bytes in every process."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # Bytes 24 to 36 of the header are the time of creation, which would make two runs with the
    # same pixels differ.
    profile[24:36] = np.array([2000, 1, 1, 0, 0, 0], ">u2").tobytes()
    return bytes(profile)


def fill_hidden(rgb: FloatArray, alpha: FloatArray) -> FloatArray:
    """Replace the colours that transparency hides by what surrounds them.

    A transparent pixel may store any colour, often black or white, which would bleed into the
    painting at the edge. Hidden pixels get the smooth continuation of the visible ones instead:
    each level of a pyramid of weighted means supplies what the finer level can't see. From alpha
    1/8 up, a pixel keeps its colour; below, the continuation takes over.

    Args:
        rgb: [H, W, 3] float32 in [0, 1].
        alpha: [H, W] float32 in [0, 1]; not all zero.

    Returns:
        [H, W, 3] float32 in [0, 1].
    """
    weight = np.minimum(alpha / np.float32(_TRUSTED_ALPHA), 1)[..., None] ** 2
    return np.clip(_pull_push(np.concatenate([rgb * weight, weight], axis=-1)), 0, 1)


def _pull_push(layer: FloatArray) -> FloatArray:
    """Complete [H, W, 4], colours multiplied by the weight in the last channel."""
    height, width = layer.shape[:2]
    color, weight = layer[..., :3], layer[..., 3:]
    if height == width == 1:
        return color / weight
    coarse = resample(layer, (-(-height // 2), -(-width // 2)), Image.Resampling.BOX)
    # One seen pixel of four is enough to know the coarse one.
    seen = coarse[..., 3:]
    coarse *= np.minimum(1, 4 * seen) / np.maximum(seen, np.finfo(np.float32).tiny)
    behind = resample(_pull_push(coarse), (height, width), Image.Resampling.BILINEAR)
    return color + (1 - weight) * behind


def _unit(levels: NDArray[np.uint8]) -> FloatArray:
    """Map 8-bit levels to [0, 1]."""
    return np.divide(levels, 255, dtype=np.float32)
