"""Files in, files out: what is refused and why, what is read, what is written."""

from __future__ import annotations

import os
import random
import socket
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from nstd import images
from nstd.errors import ImageError, ImageTooLargeError, MissingInputError
from nstd.images import ImageLimits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


LIMITS = ImageLimits()
ORIENTATION = 0x0112
LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {},
    "webp": {"lossless": True},
    "tiff": {"compression": "tiff_lzw"},
}
FORMATS = ["jpeg", *LOSSLESS]


def noise(height: int = 24, width: int = 32, channels: int = 3) -> np.ndarray:
    """Make a picture that no codec can shorten to almost nothing."""
    return np.random.default_rng(7).integers(0, 256, (height, width, channels), np.uint8)


def save(path: Path, levels: np.ndarray, **options: Any) -> Path:
    """Write 8-bit levels in the format that the path ends in, losslessly if it can."""
    Image.fromarray(levels).save(path, **LOSSLESS.get(path.suffix[1:], {}), **options)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    """Make a PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int) -> bytes:
    """Make a tiny PNG that claims a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def webp_of(width: int, height: int) -> bytes:
    """Make the head of an extended WebP that claims a size."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff_with_tile(side: int) -> bytes:
    """Make a 1 x 1 grey TIFF that is stored as one huge tile."""
    tile = zlib.compress(bytes(1000))
    tags = [(256, 1), (257, 1), (258, 8), (259, 8), (262, 1), (277, 1)]
    tags += [(322, side), (323, side), (324, 8 + 2 + 10 * 12 + 4), (325, len(tile))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + tile


# Opening


@pytest.mark.parametrize("reader", [images.read_header, images.load])
@pytest.mark.timeout(10)
def test_fifo_is_refused_at_once(tmp_path: Path, reader: Callable[..., object]) -> None:
    """A FIFO that nobody writes to is refused and never waited for."""
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(MissingInputError, match=r"a\.png: is not a regular file"):
        reader(tmp_path / "a.png", limits=LIMITS)


def test_directory_is_refused(tmp_path: Path) -> None:
    """A directory with a picture's name is no picture."""
    with pytest.raises(MissingInputError, match="is not a regular file"):
        images.load(tmp_path, limits=LIMITS)


def test_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket with a picture's name is no picture."""
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.png")
        with pytest.raises(MissingInputError, match="is not a regular file"):
            images.load(tmp_path / "a.png", limits=LIMITS)


def test_symlink_is_refused(tmp_path: Path) -> None:
    """A link is not followed, even to a good picture."""
    save(tmp_path / "real.png", noise())
    (tmp_path / "a.png").symlink_to("real.png")
    with pytest.raises(MissingInputError, match="is a symbolic link"):
        images.load(tmp_path / "a.png", limits=LIMITS)


def test_missing_file_is_named_as_told(tmp_path: Path) -> None:
    """An error uses the name that the caller gave, not the path it read."""
    with pytest.raises(MissingInputError) as caught:
        images.load(tmp_path / "content", limits=LIMITS, name="holiday/harbour.jpg")
    assert str(caught.value).startswith("holiday/harbour.jpg: does not exist. Put")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    """A file without permission to read is reported as such."""
    save(tmp_path / "a.png", noise()).chmod(0)
    with pytest.raises(MissingInputError, match="may not be read"):
        images.load(tmp_path / "a.png", limits=LIMITS)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    """An empty file is reported as empty."""
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ImageError, match=r"a\.jpg: is empty"):
        images.read_header(tmp_path / "a.jpg", limits=LIMITS)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "PPM", "ICO"])
def test_other_formats_are_refused(tmp_path: Path, kind: str) -> None:
    """A format beside the accepted ones is refused, whatever the name ends in."""
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png", kind)
    with pytest.raises(ImageError, match="Save it as JPEG, PNG, WebP or TIFF"):
        images.read_header(tmp_path / "a.png", limits=LIMITS)


def test_large_file_is_refused(tmp_path: Path) -> None:
    """A file over the limit on bytes is refused with both numbers and the key to change."""
    path = save(tmp_path / "a.png", noise())
    size = path.stat().st_size
    images.read_header(path, limits=ImageLimits(image_bytes=size))
    with pytest.raises(ImageTooLargeError, match=rf"{size:,} bytes.*limits\.image_bytes"):
        images.read_header(path, limits=ImageLimits(image_bytes=size - 1))


@pytest.mark.parametrize("reader", [images.read_header, images.load])
@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png_of(60_000, 60_000), "60000 x 60000"),
        (png_of(12_000, 10_001), "12000 x 10001"),  # over our limit, under Pillow's
        (webp_of(16_384, 16_384), "16384 x 16384"),
        (tiff_with_tile(60_000), "60000 x 60000"),
    ],
    ids=["png", "png-just-over", "webp", "tiff-tile"],
)
def test_decompression_bomb_is_refused(
    tmp_path: Path, data: bytes, size: str, reader: Callable[..., object]
) -> None:
    """A small file that claims too many pixels is refused from its header."""
    (tmp_path / "bomb").write_bytes(data)
    with pytest.raises(ImageTooLargeError, match=rf"{size} pixels.*limits\.image_pixels"):
        reader(tmp_path / "bomb", limits=LIMITS)


@pytest.mark.parametrize("suffix", FORMATS)
def test_only_the_given_limit_counts(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture within the limit is read even where Pillow's own check would stop it."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = save(tmp_path / f"a.{suffix}", noise())
    assert images.load(path, limits=LIMITS).rgb.shape == (24, 32, 3)


def test_pillows_limit_is_left_alone(tmp_path: Path) -> None:
    """Reading an ordinary picture, or refusing a bomb, changes nothing in Pillow."""
    before = Image.MAX_IMAGE_PIXELS
    images.load(save(tmp_path / "a.png", noise()), limits=LIMITS)
    (tmp_path / "bomb").write_bytes(png_of(60_000, 60_000))
    with pytest.raises(ImageTooLargeError):
        images.load(tmp_path / "bomb", limits=LIMITS)
    assert before == Image.MAX_IMAGE_PIXELS


# Damage


@pytest.mark.filterwarnings("ignore")  # Pillow warns of a TIFF's missing tags before it fails
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", FORMATS)
def test_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    """A file that ends early is damaged, wherever it ends; it never yields half a picture."""
    path = save(tmp_path / f"a.{suffix}", noise(96, 96))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ImageError, match=rf"a\.{suffix}: .*damaged.*save it again"):
        images.load(path, limits=LIMITS)


@pytest.mark.filterwarnings("ignore")  # Pillow warns of some damage that it can live with
@pytest.mark.parametrize("suffix", FORMATS)
def test_flipped_bytes_never_surprise(tmp_path: Path, suffix: str) -> None:
    """Random damage either goes unnoticed or is an ImageError; nothing else gets out."""
    path = save(tmp_path / f"a.{suffix}", noise())
    data = path.read_bytes()
    dice = random.Random(suffix)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(dice.randint(1, 8)):
            damaged[dice.randrange(12, len(data))] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            images.load(path, limits=ImageLimits(image_pixels=10_000))
        except ImageError as error:
            assert error.file == path.name  # noqa: PT017
            assert error.remedy  # noqa: PT017


@pytest.mark.filterwarnings("ignore")
def test_broken_exif_is_overlooked(tmp_path: Path) -> None:
    """A damaged EXIF block doesn't spoil the picture."""
    path = save(tmp_path / "a.jpeg", noise(), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(9))
    assert images.load(path, limits=LIMITS).rgb.shape == (24, 32, 3)


# Reading


@pytest.mark.parametrize("suffix", FORMATS)
def test_header(tmp_path: Path, suffix: str) -> None:
    """A header gives size, format, mode and number of frames."""
    path = save(tmp_path / f"a.{suffix}", noise())
    header = images.read_header(path, limits=LIMITS)
    assert header == images.ImageHeader(32, 24, suffix.upper(), "RGB", 1)
    assert images.load(path, limits=LIMITS).header == header


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_levels_are_exact(tmp_path: Path, suffix: str) -> None:
    """Without a profile, a level n is read as n / 255."""
    picture = images.load(save(tmp_path / f"a.{suffix}", noise()), limits=LIMITS)
    assert picture.rgb.dtype == np.float32
    assert_array_equal(picture.rgb, noise().astype(np.float32) / np.float32(255))
    assert picture.alpha is None
    assert picture.notes == ()


UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", FORMATS)
def test_orientation_is_applied(tmp_path: Path, suffix: str, orientation: int) -> None:
    """All eight EXIF orientations come out upright, in the header too."""
    corners = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[9, 9, 9]] * 3], np.uint8)
    stored = corners.repeat(16, axis=0).repeat(16, axis=1)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = save(tmp_path / f"a.{suffix}", stored, exif=exif)
    picture = images.load(path, limits=LIMITS)
    assert_allclose(picture.rgb[8::16, 8::16] * 255, UPRIGHT[orientation](corners), atol=3)
    assert (picture.header.height, picture.header.width) == picture.rgb.shape[:2]
    assert images.read_header(path, limits=LIMITS) == picture.header


def test_orientation_behind_the_pixels_is_applied(tmp_path: Path) -> None:
    """A PNG's EXIF block counts even where it follows the pixels."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    data = save(tmp_path / "a.png", noise()).read_bytes()
    late = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "a.png").write_bytes(data[:-12] + late + data[-12:])
    picture = images.load(tmp_path / "a.png", limits=LIMITS)
    assert_array_equal(picture.rgb * 255, np.rot90(noise(), -1))
    assert (picture.header.width, picture.header.height) == (24, 32)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_first_frame_is_used(tmp_path: Path, suffix: str) -> None:
    """Of an animation or a document the first frame is read, and a note says so."""
    frames = [Image.new("RGB", (8, 6), name) for name in ("red", "lime", "blue")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **LOSSLESS[suffix])
    picture = images.load(path, limits=LIMITS)
    assert picture.header.frames == (2 if suffix == "tiff" else 3)
    assert_array_equal(picture.rgb, np.broadcast_to([1, 0, 0], (6, 8, 3)))
    assert picture.notes == ("only the first of its frames or pages is used",)


def test_mpo_is_read_as_jpeg(tmp_path: Path) -> None:
    """A JPEG with further pictures behind it, as phones write, is read as the first."""
    first, second = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (16, 16), "blue")
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    picture = images.load(tmp_path / "a.jpg", limits=LIMITS)
    assert (picture.header.format, picture.header.frames, picture.notes) == ("JPEG", 1, ())
    assert_allclose(picture.rgb[0, 0], [1, 0, 0], atol=0.02)


@pytest.mark.parametrize("suffix", FORMATS)
def test_one_pixel(tmp_path: Path, suffix: str) -> None:
    """A picture of one pixel is a picture."""
    path = save(tmp_path / f"a.{suffix}", np.full((1, 1, 3), 200, np.uint8))
    picture = images.load(path, limits=LIMITS, max_side=64)
    assert_allclose(picture.rgb, np.full((1, 1, 3), 200 / 255), atol=0.01)


@pytest.mark.parametrize("suffix", ["jpeg", "png", "tiff"])
def test_long_strip(tmp_path: Path, suffix: str) -> None:
    """20000 x 10 pixels are read whole, or reduced to a line."""
    strip = np.linspace(0, 255, 20_000).astype(np.uint8)[None, :, None].repeat(10, 0).repeat(3, 2)
    path = save(tmp_path / f"a.{suffix}", strip)
    assert_allclose(images.load(path, limits=LIMITS).rgb * 255, strip, atol=2)
    line = images.load(path, limits=LIMITS, max_side=1000).rgb
    assert line.shape == (1, 1000, 3)
    assert_allclose(line[0, :, 0], np.linspace(0, 1, 1000), atol=0.01)


@pytest.mark.parametrize("suffix", FORMATS)
def test_reduced_load(tmp_path: Path, suffix: str) -> None:
    """A reduced picture keeps its aspect and content; its header keeps the full size."""
    down, across = np.mgrid[:600, :900]
    levels = np.stack([across * 0.28, down * 0.4, 0 * down + 128], axis=-1).astype(np.uint8)
    picture = images.load(save(tmp_path / f"a.{suffix}", levels), limits=LIMITS, max_side=90)
    assert picture.rgb.shape == (60, 90, 3)
    assert (picture.header.width, picture.header.height) == (900, 600)
    means = levels.reshape(60, 10, 90, 10, 3).mean(axis=(1, 3)) / 255
    assert_allclose(picture.rgb[2:-2, 2:-2], means[2:-2, 2:-2], atol=0.02)


def test_load_never_enlarges(tmp_path: Path) -> None:
    """A picture smaller than asked for keeps its size."""
    path = save(tmp_path / "a.jpeg", noise())
    assert images.load(path, limits=LIMITS, max_side=1000).rgb.shape == (24, 32, 3)


# Sizes
