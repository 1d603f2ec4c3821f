"""Pictures in: bounded decoding to float sRGB.

Everything here is meant for files that a stranger dropped: a picture is opened without following
links or blocking, its size is judged from the header alone, and whatever a decoder says about
damaged data comes out as an `ImageError` that names the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from PIL import ExifTags, Image, ImageFile, PngImagePlugin
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from nstd import color, metadata
from nstd.errors import ImageError, ImageTooLargeError, MissingInputError
from nstd.resampling import fit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nstd.color import FloatArray

_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FAULTS = {  # any other failure, such as too many open files, isn't the picture's fault
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "does not exist",
    errno.ENAMETOOLONG: "does not exist",
    errno.ELOOP: "is a symbolic link",
    errno.EACCES: "may not be read",
    errno.EPERM: "may not be read",
    errno.ENXIO: "is not a regular file",
    errno.ENODEV: "is not a regular file",
}

# What Pillow's decoders raise on damaged data; MemoryError is no sign of damage.
_DECODER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# A colour profile or a comment may take this much of a PNG when unpacked; Pillow's one MiB is less
# than profiles made of tables have, as scanners and printers do.
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20

_HEAD_BYTES = 30  # enough to tell the format, and a WebP's size
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = 5  # orientations from here on swap width and height


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How large an input may be: bytes of its file, pixels it decodes to, frames or pages.

    Only the first frame is ever used; a TIFF's pages are not counted, see `ImageHeader`.
    """

    image_bytes: int = 256 * 2**20
    image_pixels: int = 120_000_000
    image_frames: int = 100


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a file says about its picture.

    Attributes:
        width: pixels across, after its orientation was applied.
        height: pixels down, after its orientation was applied.
        format: JPEG, PNG, WEBP or TIFF.
        mode: Pillow's name for how its samples are stored.
        frames: frames of an animation or pages of a document. A TIFF's pages are not counted,
            for there may be millions: 2 stands for any number above one.
    """

    width: int
    height: int
    format: str
    mode: str
    frames: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        rgb: [H, W, 3] float32 in [0, 1], sRGB. Hidden colours are filled in.
        alpha: [H, W] float32 in [0, 1], not multiplied into rgb; None where all is opaque.
        header: what the file said; its size is that before any reduction.
        notes: what a user may want to know about how the file was read.
        exif: what of its metadata is about the picture, see `nstd.metadata`; without the mark.
    """

    rgb: FloatArray
    alpha: FloatArray | None
    header: ImageHeader
    notes: tuple[str, ...] = ()
    exif: bytes = b""


def read_header(
    source: Path | BinaryIO, *, limits: ImageLimits, name: str | None = None
) -> ImageHeader:
    """Read a picture's header, without decoding a pixel.

    A PNG whose EXIF block follows its pixels is reported unturned; `load` sees the block.

    Args:
        source: the file, or one that is open for reading and will be closed.
        limits: what is too large.
        name: what to call it in an error; its own name by default.

    Raises:
        MissingInputError: there is no such regular file, or it may not be read.
        ImageTooLargeError: it exceeds a limit.
        ImageError: it isn't a picture of an accepted format, or its header is damaged.
    """
    file, name = _open_regular(source, name)
    with file, _identified(file, limits, name) as image:
        return _header(image, image.size, _orientation(image))


def load(
    source: Path | BinaryIO,
    *,
    limits: ImageLimits,
    name: str | None = None,
    max_side: int | None = None,
) -> Picture:
    """Decode a picture to upright sRGB; of an animation or document, the first frame.

    Pillow keeps 8 bits of 16-bit colour; 16-bit grey keeps them all.

    Args:
        source: the file, or one that is open for reading and will be closed.
        limits: what is too large.
        name: what to call it in an error; its own name by default.
        max_side: reduce it so that its long side is at most this many pixels.

    Raises:
        MissingInputError: there is no such regular file, or it may not be read.
        ImageTooLargeError: it exceeds a limit.
        ImageError: it isn't a picture of an accepted format, or it is damaged, or its samples
            have no agreed meaning, or it is transparent all over.
    """
    file, name = _open_regular(source, name)
    with file, _identified(file, limits, name) as image:
        stored_size = image.size
        size = _reduced_size(stored_size, max_side)
        # Lab pictures are converted by their definition; a profile could only describe RGB.
        profile = None if image.mode == "LAB" else image.info.get("icc_profile")
        color.scale_transparent_color(image)
        if isinstance(image, JpegImageFile):
            # Let the decoder skip detail, but leave the resampling below at least half of it.
            image.draft(None, (2 * size[0], 2 * size[1]))
        image.load()
        orientation = _orientation(image)
        header = _header(image, stored_size, orientation)
        exif = _metadata(image)
        pixels = color.plain(image, name)
    if pixels.size != size:
        # Beside an edge of alpha, Lanczos would overshoot in colour but be clipped in alpha, which
        # draws a bright seam; the Hamming kernel has no negative lobes.
        kernel = Image.Resampling.HAMMING if pixels.mode.endswith("A") else Image.Resampling.LANCZOS
        pixels = pixels.resize(size, kernel, reducing_gap=3)
    if orientation in _TURNS:
        pixels = pixels.transpose(_TURNS[orientation])
    pixels, alpha = color.split_alpha(pixels)
    rgb, profile_note = color.to_srgb(pixels, profile)
    if alpha is not None:
        if not alpha.any():
            raise ImageError(
                "is transparent all over", file=name, remedy="save it without its alpha channel"
            )
        rgb = color.fill_hidden(rgb, alpha)
    frames_note = "only the first of its frames or pages is used" if header.frames > 1 else None
    notes = tuple(note for note in (frames_note, profile_note) if note)
    return Picture(rgb, alpha, header, notes, exif)


@contextlib.contextmanager
def _identified(file: BinaryIO, limits: ImageLimits, name: str) -> Iterator[ImageFile.ImageFile]:
    """A picture, checked against the limits; decoders' errors within become ImageError."""
    size = os.fstat(file.fileno()).st_size
    if size > limits.image_bytes:
        raise ImageTooLargeError(
            f"has {size:,} bytes, more than the {limits.image_bytes:,} allowed",
            file=name,
            remedy="save it smaller, or raise limits.image_bytes in the configuration",
        )
    try:
        yield _identify(file, limits, name)
    except _DECODER_ERRORS as error:
        raise ImageError(
            f"is damaged and can't be decoded ({error})",
            file=name,
            remedy="copy it again, or open it in an image editor and save it again",
        ) from error


def _open_regular(source: Path | BinaryIO, name: str | None) -> tuple[BinaryIO, str]:
    """The open file, and what to call it."""
    if not isinstance(source, os.PathLike):
        return source, name or "the image"
    name = name or source.name
    try:
        descriptor = os.open(source, _OPEN_FLAGS)
    except OSError as error:
        if error.errno not in _OPEN_FAULTS:
            raise
        raise MissingInputError(
            _OPEN_FAULTS[error.errno], file=name, remedy="put a readable image file there"
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MissingInputError(
            "is not a regular file", file=name, remedy="put a readable image file there"
        )
    return os.fdopen(descriptor, "rb"), name


def _identify(file: BinaryIO, limits: ImageLimits, name: str) -> ImageFile.ImageFile:
    """Read the header with the decoder that the first bytes ask for, and check the pixels.

    `Image.open` is avoided: it compares the size with Pillow's own limit before ours can be, and
    asks decoders that nobody needs. An MPO, as many phones write it, is read as the JPEG it
    starts with.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    image: ImageFile.ImageFile
    if head.startswith(b"\xff\xd8\xff"):
        image = JpegImageFile(file)
    elif head.startswith(b"\x89PNG\r\n\x1a\n"):
        image = PngImagePlugin.PngImageFile(file)
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        # The decoder takes memory for all pixels as soon as it is made.
        _check_pixels(_webp_size(head), limits, name)
        image = WebPImageFile(file)
    elif head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        image = TiffImageFile(file)
        # A tile may be larger than the picture, and is decoded whole.
        _check_pixels(
            (image.tag_v2.get(TILEWIDTH, 1), image.tag_v2.get(TILELENGTH, 1)), limits, name
        )
    else:
        raise ImageError(
            "is not a JPEG, PNG, WebP or TIFF picture" if head else "is empty",
            file=name,
            remedy="save it as JPEG, PNG, WebP or TIFF",
        )
    _check_pixels(image.size, limits, name)
    frames = _frames(image)
    if frames > limits.image_frames:
        raise ImageTooLargeError(
            f"has {frames:,} frames, more than the {limits.image_frames:,} allowed",
            file=name,
            remedy="save one frame alone, or raise limits.image_frames in the configuration",
        )
    return image


def _webp_size(head: bytes) -> tuple[int, int]:
    """Read width and height from the first chunk: extended, lossless or lossy."""
    chunk = head[12:16]
    if chunk == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
        return width + 1, height + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("a WebP file that doesn't begin with a picture")


def _check_pixels(size: tuple[int, int], limits: ImageLimits, name: str) -> None:
    width, height = size
    pixels = width * height
    if pixels > limits.image_pixels:
        raise ImageTooLargeError(
            f"has {width} x {height} pixels, more than the {limits.image_pixels:,} allowed",
            file=name,
            remedy="save it smaller, or raise limits.image_pixels in the configuration",
        )
    # The WebP and TIFF decoders compare with a number that only the whole process has. It is
    # left alone until a picture that our limit admits would be stopped by it, and only raised.
    if Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = limits.image_pixels


def _header(image: ImageFile.ImageFile, size: tuple[int, int], orientation: int) -> ImageHeader:
    width, height = size[::-1] if orientation >= _SIDEWAYS else size
    return ImageHeader(width, height, str(image.format), image.mode, _frames(image))


def _frames(image: ImageFile.ImageFile) -> int:
    """As `ImageHeader.frames` has it."""
    if isinstance(image, TiffImageFile):
        return 2 if image.is_animated else 1  # n_frames would walk through all pages
    return int(getattr(image, "n_frames", 1))


def _orientation(image: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation that is still to be applied, 1 to 8."""
    if isinstance(image, TiffImageFile):
        return 1  # Pillow turns these itself, and reports their turned size
    try:
        # PngImageFile.getexif would decode the picture to look behind it.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except _DECODER_ERRORS:
        return 1  # a damaged EXIF block is no reason to refuse the pixels
    return value if value in _TURNS else 1


def _metadata(image: ImageFile.ImageFile) -> bytes:
    """Return the EXIF block to hand on, empty if there is none or it is damaged."""
    try:
        return metadata.descriptive(image)
    except _DECODER_ERRORS:
        return b""


def _reduced_size(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    if max_side is None or max(size) <= max_side:
        return size
    return fit(*size, max_side)
