"""What is written, and that it reads back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, JpegImagePlugin

from nstd import encoding, images, names
from nstd.errors import ImageError, ParamsError
from nstd.images import ImageLimits

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.color import FloatArray

LIMITS = ImageLimits()


def noise(height: int = 24, width: int = 32) -> np.ndarray:
    """Make a picture that no codec can shorten to almost nothing."""
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture(name="rgb")
def _rgb() -> FloatArray:
    return noise().astype(np.float32) / np.float32(255)


@pytest.fixture(name="alpha")
def _alpha() -> FloatArray:
    alpha = np.linspace(32, 255, 24 * 32).round().reshape(24, 32) / 255
    return alpha.astype(np.float32)


@pytest.fixture(name="output", params=encoding.EXTENSIONS)
def _output(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Any]:
    return tmp_path / "out.part", request.param


def test_extensions_can_be_read_back() -> None:
    """Every output's extension is also an accepted suffix."""
    assert set(encoding.EXTENSIONS.values()) <= set(names.IMAGE_SUFFIXES)


def test_encode_writes_the_format(output: tuple[Path, Any], rgb: FloatArray) -> None:
    """The format is the one asked for, whatever the path ends in, and is tagged as sRGB."""
    path, kind = output
    encoding.encode(rgb, path, format=kind)
    with Image.open(path) as image:
        assert image.format == kind.upper()
        assert b"sRGB" in image.info["icc_profile"].replace(b"\0", b"")
    assert images.load(path, limits=LIMITS).notes == ()


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_lossless_round_trip(tmp_path: Path, rgb: FloatArray, kind: Any) -> None:
    """What PNG and TIFF hold is read back bit for bit."""
    encoding.encode(rgb, tmp_path / "out", format=kind)
    assert_array_equal(images.load(tmp_path / "out", limits=LIMITS).rgb, rgb)


@pytest.mark.parametrize("kind", ["png", "webp", "tiff"])
def test_alpha_round_trip(tmp_path: Path, rgb: FloatArray, alpha: FloatArray, kind: Any) -> None:
    """Alpha is kept exactly where the format has any."""
    encoding.encode(rgb, tmp_path / "out", format=kind, alpha=alpha)
    picture = images.load(tmp_path / "out", limits=LIMITS)
    assert picture.alpha is not None
    assert_array_equal(picture.alpha, alpha)


def test_jpeg_shows_alpha_on_white(tmp_path: Path) -> None:
    """JPEG gets colour * alpha + 1 - alpha."""
    red = np.zeros((16, 16, 3), np.float32)
    red[..., 0] = 1
    encoding.encode(red, tmp_path / "a", format="jpeg", alpha=np.full((16, 16), 0.25, np.float32))
    picture = images.load(tmp_path / "a", limits=LIMITS)
    assert picture.alpha is None
    assert_allclose(picture.rgb[8, 8], [1, 0.75, 0.75], atol=0.01)


def test_jpeg_keeps_full_color_resolution(tmp_path: Path, rgb: FloatArray) -> None:
    """JPEG is written 4:4:4."""
    encoding.encode(rgb, tmp_path / "a", format="jpeg")
    with Image.open(tmp_path / "a") as image:
        assert JpegImagePlugin.get_sampling(image) == 0


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_quality_matters(tmp_path: Path, rgb: FloatArray, kind: Any) -> None:
    """A lower quality makes a smaller file."""
    encoding.encode(rgb, tmp_path / "high", format=kind, quality=95)
    encoding.encode(rgb, tmp_path / "low", format=kind, quality=30)
    assert (tmp_path / "low").stat().st_size < (tmp_path / "high").stat().st_size


def test_encode_rounds_to_nearest(tmp_path: Path) -> None:
    """Values go to the nearest level, halves up, and beyond [0, 1] to the ends."""
    values = np.array([-0.5, 0.49 / 255, 0.51 / 255, 0.5, 254.4 / 255, 1.5], np.float32)
    encoding.encode(values[None, :, None].repeat(3, axis=2), tmp_path / "a", format="png")
    with Image.open(tmp_path / "a") as image:
        assert np.asarray(image)[0, :, 0].tolist() == [0, 0, 1, 128, 254, 255]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_encode_refuses_what_is_no_number(
    output: tuple[Path, Any], rgb: FloatArray, value: float
) -> None:
    """A NaN or infinity is refused and leaves no file."""
    path, kind = output
    rgb[3, 4, 1] = value
    with pytest.raises(ImageError, match="not numbers"):
        encoding.encode(rgb, path, format=kind)
    assert not path.exists()


@pytest.mark.parametrize(("kind", "side"), [("webp", 16_384), ("jpeg", 65_501)])
def test_encode_refuses_a_side_too_long(tmp_path: Path, kind: Any, side: int) -> None:
    """A side that the format can't hold is refused with a format that can."""
    with pytest.raises(ImageError, match=rf"1 x {side} pixels.*Choose png or tiff"):
        encoding.encode(np.zeros((side, 1, 3), np.float32), tmp_path / "a", format=kind)


def test_encode_replaces_what_is_there(tmp_path: Path, rgb: FloatArray) -> None:
    """A longer file of old leaves nothing behind the new."""
    encoding.encode(rgb, tmp_path / "a", format="png")
    expected = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(bytes(100_000))
    encoding.encode(rgb, tmp_path / "a", format="png")
    assert (tmp_path / "a").read_bytes() == expected


def test_encode_reports_a_folder_that_is_not_there(tmp_path: Path, rgb: FloatArray) -> None:
    """Trouble with the disk is the caller's to handle, as an OSError."""
    with pytest.raises(FileNotFoundError):
        encoding.encode(rgb, tmp_path / "no" / "a", format="png")


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_are_exact(tmp_path: Path, kind: Any, channels: int) -> None:
    """Every one of 65,536 levels can be told apart, alpha's too."""
    levels = np.linspace(0, 65535, 40 * 30 * channels).round().reshape(30, 40, channels)
    values = (levels / 65535).astype(np.float32)
    path = tmp_path / "deep"
    alpha = values[..., 3] if channels == 4 else None
    encoding.encode(values[..., :3], path, format=kind, depth=16, alpha=alpha)
    found = tifffile.imread(path) if kind == "tiff" else read_deep_png(path)
    assert found.dtype == np.uint16
    assert np.abs(found.astype(int) - levels).max() <= 1  # float32 has 24 bits


def read_deep_png(path: Path) -> np.ndarray:
    """Read a 16-bit PNG with an independent decoder: TensorFlow's libpng."""
    return np.asarray(tf.io.decode_png(path.read_bytes(), dtype=tf.uint16))


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_sixteen_bits_are_refused_where_there_are_none(tmp_path: Path, kind: Any) -> None:
    """The message names the key and the remedy."""
    with pytest.raises(ParamsError, match=r"depth: a .* has 8 bits.*format: png or tiff"):
        encoding.encode(np.zeros((4, 4, 3), np.float32), tmp_path / "x", format=kind, depth=16)


@pytest.mark.parametrize("source", ["in.jpg", "in.png", "in.webp", "in.tiff"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
def test_metadata_is_carried_over(tmp_path: Path, kind: Any, source: str) -> None:
    """What is said of the picture is in the result; what is said of its pixels is not."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 8, "maker"
    if source != "in.tiff":  # where Pillow would take the first three at their word
        exif[0x0100], exif[0x0101], exif[0x0103] = 5000, 4000, 7  # width, height, compression
        details = exif.get_ifd(0x8769)
        details[0x9003], details[0xA002] = "2026:01:02 03:04:05", 5000
    Image.fromarray(noise()).save(tmp_path / source, exif=exif)
    picture = images.load(tmp_path / source, limits=LIMITS)
    half = picture.rgb[::2, ::2]
    encoding.encode(half, tmp_path / "out", format=kind, exif=picture.exif)
    with Image.open(tmp_path / "out") as image:
        image.load()
        assert image.size == half.shape[1::-1]
        found = image.getexif()
        inner = found.get_ifd(0x8769)
    assert found.get(0x010F) == "maker"
    assert inner.get(0x9003) == ("2026:01:02 03:04:05" if source != "in.tiff" else None)
    assert 0x0112 not in found or (kind == "tiff" and found[0x0112] == 1)
    assert found.get(0x0100, half.shape[1]) == half.shape[1]
    assert found.get(0x0103) != 7
    assert 0xA002 not in inner


@pytest.mark.parametrize("mode", ["CMYK", "P", "1"])
def test_metadata_of_a_tiff_do_not_spoil_another(tmp_path: Path, mode: str) -> None:
    """Its palette, samples and inks are its own."""
    source = tmp_path / "in.tiff"
    Image.fromarray(noise()).convert(mode).save(source, compression="tiff_adobe_deflate")
    picture = images.load(source, limits=LIMITS)
    encoding.encode(picture.rgb, tmp_path / "out.tiff", format="tiff", exif=picture.exif)
    with Image.open(tmp_path / "out.tiff") as image:
        assert np.asarray(image).shape == picture.rgb.shape


def test_more_metadata_than_a_jpeg_holds(tmp_path: Path) -> None:
    """It is known before; a block of just that size fits."""
    exif = Image.Exif()
    exif[0x010E] = "x"
    exif[0x010E] = "x" * (65_527 - len(exif.tobytes()) + 6 + 1)
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    assert encoding.has_room(block[:65_527], "jpeg")
    assert not encoding.has_room(block + b"x", "jpeg")
    assert encoding.has_room(block + b"x", "png")
    rgb = np.zeros((4, 4, 3), np.float32)
    encoding.encode(rgb, tmp_path / "a", format="jpeg", exif=block[:65_527])
