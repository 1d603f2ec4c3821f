"""Pictures that do harm, and pictures that are hard to read right."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes) -> bytes:
    """Make a PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deflated_zeros(size: int) -> bytes:
    """Compress zeros without ever holding them."""
    packer, block = zlib.compressobj(9), bytes(2**20)
    parts = [packer.compress(block) for _ in range(size // len(block))]
    return b"".join([*parts, packer.compress(bytes(size % len(block))), packer.flush()])


def png(width: int, height: int, depth: int, pixels: bytes, *more: bytes) -> bytes:
    """Make a grey PNG of compressed pixels, with more chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    body = [chunk(b"IHDR", header), *more, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return _SIGNATURE + b"".join(body)


def png_bomb() -> bytes:
    """40,000 x 40,000 pixels in 200 kB: 1.6 GB when decoded."""
    return png(40_000, 40_000, 1, deflated_zeros(40_000 * 5_001))


def profile_bomb() -> bytes:
    """64 x 48 pixels whose colour profile is 160 MB of zeros in 160 kB."""
    pixels = zlib.compress(b"".join(b"\0" + bytes(range(0, 192, 3)) for _ in range(48)))
    profile = chunk(b"iCCP", b"icc\0\0" + deflated_zeros(160 * 2**20))
    return png(64, 48, 8, pixels, profile)


def text_bomb() -> bytes:
    """64 x 48 pixels with a comment of 160 MB in 160 kB."""
    pixels = zlib.compress(b"".join(b"\0" + bytes(range(0, 192, 3)) for _ in range(48)))
    comment = chunk(b"zTXt", b"Comment\0\0" + deflated_zeros(160 * 2**20))
    return png(64, 48, 8, pixels, comment)


def pixel_bomb() -> bytes:
    """64 x 48 pixels whose data goes on for 160 MB after the last of them."""
    rows = b"".join(b"\0" + bytes(range(0, 192, 3)) for _ in range(48))
    packer, block = zlib.compressobj(9), bytes(2**20)
    parts = [packer.compress(rows), *(packer.compress(block) for _ in range(160))]
    return png(64, 48, 8, b"".join([*parts, packer.flush()]))


def webp_bomb() -> bytes:
    """A lossless WebP whose header alone asks for 16383 x 16383 pixels."""
    bits = 16382 | 16382 << 14
    data = b"\x2f" + struct.pack("<I", bits) + bytes(64)
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_bomb() -> bytes:
    """A TIFF of 60,000 x 60,000 pixels in one strip of a few kB."""
    entries = [(256, 4, 60_000), (257, 4, 60_000), (258, 3, 8), (259, 3, 8), (262, 3, 1)]
    entries += [(273, 4, 200), (277, 3, 1), (278, 4, 60_000), (279, 4, 2000)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)
    return head.ljust(200, b"\0") + deflated_zeros(2**21)[:2000].ljust(2000, b"\0")


def frames_bomb() -> bytes:
    """An animation of 400 frames, each of few bytes."""
    frames = [Image.new("L", (64, 48), number % 256) for number in range(400)]
    target = io.BytesIO()
    frames[0].save(target, "PNG", save_all=True, append_images=frames[1:])
    return target.getvalue()


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "pixels in a PNG": ("png", png_bomb),
    "pixels in a WebP": ("webp", webp_bomb),
    "pixels in a TIFF": ("tif", tiff_bomb),
    "frames": ("png", frames_bomb),
}
LATE_BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "profile": ("png", profile_bomb),
    "text": ("png", text_bomb),
    "data after the pixels": ("png", pixel_bomb),
}

# -- pictures that are hard to read right ----------------------------------------------------


def scene(width: int = 96, height: int = 64) -> np.ndarray:
    """Make uint8 RGB [height, width, 3]: six plain blocks, three across and two down."""
    colours = np.array(
        [
            [(200, 60, 50), (70, 160, 70), (60, 80, 190)],
            [(220, 200, 80), (120, 120, 120), (30, 40, 60)],
        ],
        np.uint8,
    )
    rows = np.repeat(colours, -(-height // 2), axis=0)[:height]
    return np.repeat(rows, -(-width // 3), axis=1)[:, :width]


def grey_scene() -> np.ndarray:
    """Make the scene as grey, uint8 [64, 96]."""
    return np.asarray(Image.fromarray(scene()).convert("L"))


def save_cmyk(path: Path) -> np.ndarray:
    """Inks without a profile, as Pillow's own conversion has them."""
    Image.fromarray(scene()).convert("CMYK").save(path, quality=95)
    return scene()


def save_cmyk_tiff(path: Path) -> np.ndarray:
    """Inks in a TIFF."""
    Image.fromarray(scene()).convert("CMYK").save(path)
    return scene()


def save_deep(path: Path) -> np.ndarray:
    """Sixteen bits for each of three channels."""
    tifffile.imwrite(path, scene().astype(np.uint16) * 257, photometric="rgb")
    return scene()


def save_deep_grey(path: Path) -> np.ndarray:
    """Sixteen bits of grey."""
    Image.fromarray(grey_scene().astype(np.uint16) * 257).save(path)
    return np.stack([grey_scene()] * 3, axis=-1)


def save_palette(path: Path) -> np.ndarray:
    """Numbers of colours."""
    Image.fromarray(scene()).quantize(16).save(path)
    return scene()


def save_grey(path: Path) -> np.ndarray:
    """One channel."""
    Image.fromarray(grey_scene()).save(path, quality=95)
    return np.stack([grey_scene()] * 3, axis=-1)


def save_animation(path: Path) -> np.ndarray:
    """Three frames, of which the first is meant."""
    frames = [Image.fromarray(pixels) for pixels in (scene(), 255 - scene(), scene()[::-1])]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    return scene()


def save_rotated(path: Path) -> np.ndarray:
    """Stored on its side, with the EXIF note that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(scene()).copy()).save(path, exif=exif, quality=95)
    return scene()


def save_wide_gamut(path: Path) -> np.ndarray:
    """Numbers of a colour space whose red and green are swapped against sRGB's."""
    swapped = scene()[..., [1, 0, 2]].copy()
    Image.fromarray(swapped).save(path, icc_profile=swapped_profile(), quality=95)
    return scene()


def swapped_profile() -> bytes:
    """Make sRGB's profile with the first two primaries exchanged: a picture read raw is wrong."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")


def save_alpha(path: Path) -> np.ndarray:
    """Opaque but for the last block, which hides a glaring colour."""
    pixels = np.dstack([scene(), np.full((64, 96), 255, np.uint8)])
    pixels[32:, 64:] = (255, 0, 255, 0)
    Image.fromarray(pixels).save(path)
    return scene()


HARD: dict[str, tuple[str, Callable[[Path], np.ndarray]]] = {
    "cmyk": ("jpg", save_cmyk),
    "cmyk-tiff": ("tif", save_cmyk_tiff),
    "deep": ("tif", save_deep),
    "deep-grey": ("png", save_deep_grey),
    "palette": ("png", save_palette),
    "grey": ("jpg", save_grey),
    "webp-animation": ("webp", save_animation),
    "apng": ("png", save_animation),
    "rotated": ("jpg", save_rotated),
    "wide-gamut": ("jpg", save_wide_gamut),
    "alpha": ("png", save_alpha),
}
