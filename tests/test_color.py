"""Every way to store samples, colour profiles from the closed form, hidden colours."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageCms

from nstd import color, images
from nstd.errors import ImageError
from nstd.images import ImageLimits, Picture

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.color import FloatArray

GAMMA = 563 / 256  # as exactly as an ICC curve of one number can hold 2.2
# Columns: red, green and blue of the space as XYZ under D50.
DISPLAY_P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)


def load(path: Path, **options: Any) -> Picture:
    """Load with the usual limits."""
    return images.load(path, limits=ImageLimits(), **options)


def encoded(linear: np.ndarray) -> np.ndarray:
    """Clip linear light to [0, 1] and apply the sRGB curve."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


# ICC profiles, version 2, from nothing


def icc(space: bytes, kind: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Assemble a profile."""
    white = struct.pack(">3i", 63190, 65536, 54061)  # D50
    head = struct.pack(">8xI4s4s4s12x4s28x", 0x02400000, kind, space, pcs, b"acsp")
    head += white
    head += bytes(128 - len(head))
    body, index = b"", struct.pack(">I", len(tags) + 1)
    for name, data in {**tags, b"wtpt": b"XYZ \0\0\0\0" + white}.items():
        offset = 128 + 4 + 12 * (len(tags) + 1) + len(body)
        index += struct.pack(">4sII", name, offset, len(data))
        body += data + bytes(-len(data) % 4)
    profile = head + index + body
    return struct.pack(">I", len(profile)) + profile[4:]


def gamma_curve(gamma: float) -> bytes:
    """Make a curve tag of one exponent."""
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def rgb_profile(primaries: np.ndarray) -> bytes:
    """Make a matrix profile with the exponent GAMMA."""
    tags = {}
    for letter, xyz in zip(b"rgb", primaries.T, strict=True):
        fixed = struct.pack(">3i", *np.round(xyz * 65536).astype(int))
        tags[bytes([letter]) + b"XYZ"] = b"XYZ \0\0\0\0" + fixed
        tags[bytes([letter]) + b"TRC"] = gamma_curve(GAMMA)
    return icc(b"RGB ", b"mntr", b"XYZ ", tags)


def linear_grey_profile() -> bytes:
    """Make a profile of grey in linear light."""
    return icc(b"GRAY", b"mntr", b"XYZ ", {b"kTRC": gamma_curve(1)})


def black_only_profile() -> bytes:
    """Make a CMYK profile of a press whose only ink that shows is black."""
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = bytes(range(256))
    corners = b"".join(bytes([0 if black else 255, 128, 128]) for black in [0, 1] * 8)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + 4 * ramp + corners + 3 * ramp
    return icc(b"CMYK", b"prtr", b"Lab ", {b"A2B0": table})


COLORS = np.array(
    [[[255, 0, 0], [0, 255, 0], [200, 100, 60], [40, 120, 90], [255, 255, 255], [10, 20, 30]]],
    np.uint8,
)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_wide_gamut_is_converted(tmp_path: Path, suffix: str) -> None:
    """Display P3 colours come out as the closed form says, clipped to sRGB."""
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    image = Image.fromarray(COLORS)
    image.save(tmp_path / f"a.{suffix}", icc_profile=rgb_profile(DISPLAY_P3), **options)
    linear = (COLORS / 255) ** GAMMA @ DISPLAY_P3.T @ np.linalg.inv(SRGB).T
    picture = load(tmp_path / f"a.{suffix}")
    assert_allclose(picture.rgb, encoded(linear), atol=2 / 255)
    assert_array_equal(picture.rgb[0, 0], [1, 0, 0])  # P3's red is beyond sRGB's
    assert picture.notes == ()


@pytest.mark.parametrize("mebibytes", [2, 12])
def test_a_large_profile_is_a_profile(tmp_path: Path, mebibytes: int) -> None:
    """One of a PNG may have tables of more than Pillow's one MiB, and still converts."""
    tables = np.random.default_rng(0).bytes(mebibytes << 20)
    profile = rgb_profile(DISPLAY_P3) + tables
    profile = struct.pack(">I", len(profile)) + profile[4:]
    Image.fromarray(COLORS).save(tmp_path / "a.png", icc_profile=profile)
    linear = (COLORS / 255) ** GAMMA @ DISPLAY_P3.T @ np.linalg.inv(SRGB).T
    picture = load(tmp_path / "a.png")
    assert_allclose(picture.rgb, encoded(linear), atol=2 / 255)
    assert picture.notes == ()


def test_wide_gamut_jpeg_is_converted_when_reduced(tmp_path: Path) -> None:
    """The profile of a JPEG that is decoded at a fraction of its size still counts."""
    image = Image.new("RGB", (640, 480), (200, 100, 60))
    image.save(tmp_path / "a.jpg", icc_profile=rgb_profile(DISPLAY_P3), quality=95)
    linear = (np.array([200, 100, 60]) / 255) ** GAMMA @ DISPLAY_P3.T @ np.linalg.inv(SRGB).T
    rgb = load(tmp_path / "a.jpg", max_side=64).rgb
    assert rgb.shape == (48, 64, 3)
    assert_allclose(rgb[24, 32], encoded(linear), atol=3 / 255)


def test_profile_of_rgb_fits_grey(tmp_path: Path) -> None:
    """Grey with an RGB profile, a common mistake, is read as that RGB's grey."""
    image = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    image.save(tmp_path / "a.png", icc_profile=rgb_profile(DISPLAY_P3))
    picture = load(tmp_path / "a.png")
    grey = encoded((np.arange(256) / 255) ** GAMMA)
    assert_allclose(picture.rgb[0], grey[:, None].repeat(3, axis=1), atol=2 / 255)
    assert picture.notes == ()


def test_profile_of_grey_is_used(tmp_path: Path) -> None:
    """Grey in linear light gets the sRGB curve."""
    image = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    image.save(tmp_path / "a.png", icc_profile=linear_grey_profile())
    expected = encoded(np.arange(256) / 255)[:, None].repeat(3, axis=1)
    assert_allclose(load(tmp_path / "a.png").rgb[0], expected, atol=2 / 255)


def test_profile_of_cmyk_is_used(tmp_path: Path) -> None:
    """Inks show as the profile says, not as Pillow's guess."""
    inks = Image.fromarray(np.array([[[255, 255, 0, 0], [0, 0, 0, 255]]], np.uint8), "CMYK")
    inks.save(tmp_path / "a.tiff", icc_profile=black_only_profile())
    picture = load(tmp_path / "a.tiff")
    assert_allclose(picture.rgb[0], [[1, 1, 1], [0, 0, 0]], atol=2 / 255)
    assert picture.notes == ()


def test_a_grey_profile_with_a_damaged_head_is_ignored(tmp_path: Path) -> None:
    """Its colour space is no word."""
    profile = bytearray(linear_grey_profile())
    profile[16:20] = b"\xff\xfe\xfd\xfc"
    grey = Image.fromarray(COLORS[..., 0])
    grey.save(tmp_path / "a.png", icc_profile=bytes(profile))
    assert len(load(tmp_path / "a.png").notes) == 1


@pytest.mark.parametrize(
    "profile", [b"no profile at all", rgb_profile(DISPLAY_P3)[:300], black_only_profile()]
)
def test_unusable_profile_is_ignored_with_a_note(tmp_path: Path, profile: bytes) -> None:
    """A broken profile, or one for other samples, leaves the levels and a note."""
    Image.fromarray(COLORS).save(tmp_path / "a.png", icc_profile=profile)
    picture = load(tmp_path / "a.png")
    assert_array_equal(picture.rgb, COLORS.astype(np.float32) / np.float32(255))
    assert picture.notes == (
        "its colour profile is broken or of another kind than its pixels, and was ignored",
    )


def test_srgb_by_any_name_changes_nothing(tmp_path: Path) -> None:
    """A profile that is sRGB leaves every level as it is."""
    levels = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png", icc_profile=color.srgb_profile())
    assert_array_equal(load(tmp_path / "a.png").rgb, levels.astype(np.float32) / np.float32(255))


def test_srgb_profile_is_the_same_every_time() -> None:
    """The profile that outputs carry bears no time of its making, and is valid."""
    profile = color.srgb_profile()
    assert struct.unpack(">6H", profile[24:36]) == (2000, 1, 1, 0, 0, 0)
    assert struct.unpack(">I", profile[:4]) == (len(profile),)
    parsed = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert ImageCms.getProfileDescription(parsed).startswith("sRGB")


# Ways to store samples


def png(width: int, depth: int, kind: int, row: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Make a PNG one pixel high, with chunks before its pixels."""
    head = struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def grey_tiff(width: int, row: bytes, *, bits: int, white_is: int, kind: int = 1) -> bytes:
    """Make an uncompressed grey TIFF one pixel high."""
    tags = [(256, width), (257, 1), (258, bits), (259, 1), (262, int(white_is != 0))]
    tags += [(273, 8 + 2 + 9 * 12 + 4), (277, 1), (279, len(row)), (339, kind)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + row


def greys(picture: Picture) -> FloatArray:
    """Return the first row of a picture that must be grey."""
    assert_array_equal(picture.rgb, picture.rgb[..., :1].repeat(3, axis=2))
    return picture.rgb[0, :, 0]


def test_one_bit(tmp_path: Path) -> None:
    """Black and white are 0 and 1."""
    Image.fromarray(np.array([[True, False, True]])).save(tmp_path / "a.png")
    assert greys(load(tmp_path / "a.png")).tolist() == [1, 0, 1]


def test_one_bit_is_reduced_to_grey(tmp_path: Path) -> None:
    """A fine pattern of black and white becomes grey, not one of both."""
    board = np.indices((64, 64)).sum(axis=0) % 2 == 0
    Image.fromarray(board).save(tmp_path / "a.png")
    assert_allclose(load(tmp_path / "a.png", max_side=8).rgb[2:-2, 2:-2], 0.5, atol=0.02)


def test_palette(tmp_path: Path) -> None:
    """A palette's colours are looked up."""
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 51, 0, 0, 0, 255])
    image.save(tmp_path / "a.png")
    expected = np.array([[255, 0, 0], [0, 51, 0], [0, 0, 255]]) / 255
    assert_allclose(load(tmp_path / "a.png").rgb[0], expected, rtol=1e-6)


@pytest.mark.parametrize("transparency", [1, b"\xff\x00\xff", b"\xff\x40\xff"])
def test_palette_with_transparency(tmp_path: Path, transparency: int | bytes) -> None:
    """A palette's transparent entries become alpha."""
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 51, 0, 0, 0, 255])
    image.save(tmp_path / "a.png", transparency=transparency)
    picture = load(tmp_path / "a.png")
    hidden = transparency[1] / 255 if isinstance(transparency, bytes) else 0.0
    assert picture.alpha is not None
    assert_allclose(picture.alpha, [[1, hidden, 1]])


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk_without_profile(tmp_path: Path, suffix: str) -> None:
    """Without a profile, ink takes away the light of its complement."""
    inks = [[255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 255], [0, 0, 0, 0]]
    blocks = np.array([inks], np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    Image.fromarray(blocks, "CMYK").save(tmp_path / f"a.{suffix}")
    rgb = load(tmp_path / f"a.{suffix}").rgb[4, 4::8]
    assert_allclose(rgb, [[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], atol=0.02)


def test_ycbcr(tmp_path: Path) -> None:
    """A TIFF of luma and chroma is read as the colours it means."""
    image = Image.new("RGB", (8, 8), (200, 100, 60)).convert("YCbCr")
    image.save(tmp_path / "a.tiff")
    assert_allclose(load(tmp_path / "a.tiff").rgb[4, 4] * 255, [200, 100, 60], atol=2)


def test_lab(tmp_path: Path) -> None:
    """A TIFF in CIE L*a*b* is read by its definition; mid grey is L* = 53.6."""
    lab = np.array([[[255, 0, 0], [137, 0, 0], [0, 0, 0]]], np.uint8)
    Image.fromarray(lab, "LAB").save(tmp_path / "a.tiff")
    assert_allclose(load(tmp_path / "a.tiff").rgb[0, :, 1] * 255, [255, 128, 0], atol=2)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_deep_grey_keeps_its_levels(tmp_path: Path, suffix: str) -> None:
    """16-bit grey is scaled by 65535, and no two levels are merged."""
    ramp = np.arange(0, 65536, 8, dtype=np.uint16)
    Image.fromarray(ramp[None]).save(tmp_path / f"a.{suffix}")
    row = greys(load(tmp_path / f"a.{suffix}"))
    assert_allclose(row, ramp / 65535, atol=1e-6)
    assert (np.diff(row) > 0).all()


def test_deep_grey_of_either_byte_order(tmp_path: Path) -> None:
    """A big-endian 16-bit TIFF is read alike."""
    image = Image.frombytes("I;16B", (3, 1), struct.pack(">3H", 0, 1000, 65535))
    image.save(tmp_path / "a.tiff")
    assert_allclose(greys(load(tmp_path / "a.tiff")), [0, 1000 / 65535, 1], atol=1e-6)


def test_deep_grey_with_profile_keeps_its_levels(tmp_path: Path) -> None:
    """A profile is applied to 16-bit grey without cutting it to 256 levels."""
    ramp = np.linspace(20_000, 60_000, 2000).astype(np.uint16)
    Image.fromarray(ramp[None]).save(tmp_path / "a.png", icc_profile=linear_grey_profile())
    row = greys(load(tmp_path / "a.png"))
    assert_allclose(row, encoded(ramp / 65535), atol=2 / 255)
    assert len(np.unique(row)) > 1000
    assert (np.diff(row) >= 0).all()


def test_deep_grey_is_reduced(tmp_path: Path) -> None:
    """16-bit grey is averaged at its full depth."""
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(64, axis=0)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    row = greys(load(tmp_path / "a.png", max_side=64))
    assert_allclose(row[2:-2], (ramp[0].reshape(64, 4).mean(axis=1) / 65535)[2:-2], atol=2e-3)


def test_grey_of_12_bits(tmp_path: Path) -> None:
    """12-bit grey is scaled by 4095."""
    data = grey_tiff(2, bytes([0xFF, 0xF8, 0x00]), bits=12, white_is=1)
    (tmp_path / "a.tiff").write_bytes(data)
    assert_allclose(greys(load(tmp_path / "a.tiff")), [1, 2048 / 4095], atol=1e-6)


def test_deep_grey_that_counts_from_white(tmp_path: Path) -> None:
    """A 16-bit TIFF in which 0 is white isn't read as a negative."""
    data = grey_tiff(3, struct.pack("<3H", 0, 13107, 65535), bits=16, white_is=0)
    (tmp_path / "a.tiff").write_bytes(data)
    assert_allclose(greys(load(tmp_path / "a.tiff")), [1, 0.8, 0], atol=1e-6)


def test_float_samples(tmp_path: Path) -> None:
    """Floating-point grey within [0, 1] is taken as it is."""
    Image.fromarray(np.array([[0, 0.25, 1]], np.float32)).save(tmp_path / "a.tiff")
    assert_allclose(greys(load(tmp_path / "a.tiff")), [0, 0.25, 1], atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 1.5, 255])
def test_float_samples_without_a_scale_are_refused(tmp_path: Path, value: float) -> None:
    """Floating-point grey beyond [0, 1] could mean anything, so it is refused."""
    Image.fromarray(np.array([[0, value]], np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(ImageError, match=r"a\.tiff: .*8 or 16 bits"):
        load(tmp_path / "a.tiff")


def test_integer_samples_without_a_scale_are_refused(tmp_path: Path) -> None:
    """32-bit grey could mean anything, so it is refused."""
    Image.fromarray(np.array([[0, 70_000]], np.int32)).save(tmp_path / "a.tiff")
    with pytest.raises(ImageError, match=r"a\.tiff: .*8 or 16 bits"):
        load(tmp_path / "a.tiff")


def test_deep_color_keeps_8_bits(tmp_path: Path) -> None:
    """16-bit colour is read with 8 bits' precision."""
    row = struct.pack(">6H", 65535, 32768, 0, 1000, 20_000, 60_000)
    (tmp_path / "a.png").write_bytes(png(2, 16, 2, row))
    expected = np.array([[65535, 32768, 0], [1000, 20_000, 60_000]]) / 65535
    assert_allclose(load(tmp_path / "a.png").rgb[0], expected, atol=1 / 255)


# Transparency

GREYS = bytes([0b00_01_10_11])


@pytest.mark.parametrize(
    ("data", "alpha"),
    [
        (png(4, 2, 0, GREYS, (b"tRNS", b"\0\2")), [1, 1, 0, 1]),
        (png(2, 4, 0, b"\x3c", (b"tRNS", b"\0\x0c")), [1, 0]),
        (png(2, 8, 0, b"\x07\x09", (b"tRNS", b"\0\x07")), [0, 1]),
        (png(8, 1, 0, b"\xf0", (b"tRNS", b"\0\1")), [0] * 4 + [1] * 4),
        (png(2, 16, 0, b"\1\2\1\3", (b"tRNS", b"\1\2")), [0, 1]),
        (png(2, 8, 2, b"\1\2\3\1\2\4", (b"tRNS", b"\0\1\0\2\0\3")), [0, 1]),
        (png(2, 16, 2, b"\1\0\2\0\3\0" * 2, (b"tRNS", b"\1\0\2\0\4\0")), None),
        (png(2, 16, 2, b"\1\0\2\0\3\0\x09\0\2\0\3\0", (b"tRNS", b"\1\0\2\0\3\0")), [0, 1]),
    ],
    ids=["grey2", "grey4", "grey8", "grey1", "grey16", "color8", "color16-none", "color16"],
)
def test_transparent_color(tmp_path: Path, data: bytes, alpha: list[int] | None) -> None:
    """A PNG's transparent colour becomes alpha at every depth."""
    (tmp_path / "a.png").write_bytes(data)
    found = load(tmp_path / "a.png").alpha
    assert (None if found is None else found[0].tolist()) == alpha


def test_grey_with_alpha(tmp_path: Path) -> None:
    """Grey with alpha gives grey and alpha."""
    Image.fromarray(np.array([[[100, 255], [200, 128]]], np.uint8), "LA").save(tmp_path / "a.png")
    picture = load(tmp_path / "a.png")
    assert_allclose(greys(picture), [100 / 255, 200 / 255])
    assert picture.alpha is not None
    assert_allclose(picture.alpha, [[1, 128 / 255]])


def test_opaque_alpha_is_dropped(tmp_path: Path) -> None:
    """An alpha channel that hides nothing is none."""
    Image.new("RGBA", (4, 4), (1, 2, 3, 255)).save(tmp_path / "a.png")
    assert load(tmp_path / "a.png").alpha is None


def test_visible_colors_are_kept(tmp_path: Path) -> None:
    """A pixel from alpha 1/8 up keeps its own colour, unmixed."""
    levels = np.random.default_rng(5).integers(32, 256, (9, 13, 4), np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    assert_allclose(load(tmp_path / "a.png").rgb * 255, levels[..., :3], atol=1e-3)


@pytest.mark.parametrize("max_side", [None, 50])
def test_hidden_colors_do_not_bleed(tmp_path: Path, max_side: int | None) -> None:
    """Garbage under alpha 0 is replaced by the visible surroundings, reduced or not."""
    levels = np.zeros((80, 120, 4), np.uint8)
    levels[20:60, 30:90] = [200, 100, 50, 255]
    levels[::2, :20, :3] = 255
    Image.fromarray(levels).save(tmp_path / "a.png")
    picture = load(tmp_path / "a.png", max_side=max_side)
    assert_allclose(picture.rgb * 255, np.broadcast_to([200, 100, 50], picture.rgb.shape), atol=3)
    assert picture.alpha is not None
    assert picture.alpha.min() == 0


def test_hidden_colors_continue_their_neighbours() -> None:
    """A gap is filled from both sides, each nearer side prevailing."""
    rgb = np.zeros((8, 64, 3), np.float32)
    rgb[:, 48:] = 1
    alpha = np.ones((8, 64), np.float32)
    alpha[:, 16:48] = 0
    row = color.fill_hidden(rgb, alpha)[4, :, 0]
    assert row[18] < 0.25
    assert 0.4 < row[31:33].mean() < 0.6
    assert row[45] > 0.75


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (3, 2), (33, 17)])
def test_fill_of_a_constant_is_that_constant(shape: tuple[int, int]) -> None:
    """One visible pixel is enough to fill a picture of any shape."""
    rgb = np.zeros((*shape, 3), np.float32)
    alpha = np.zeros(shape, np.float32)
    rgb[0, -1], alpha[0, -1] = [0.2, 0.4, 0.6], 1
    filled = color.fill_hidden(rgb, alpha)
    assert_allclose(filled, np.broadcast_to([0.2, 0.4, 0.6], filled.shape), atol=1e-5)


def test_wholly_transparent_picture_is_refused(tmp_path: Path) -> None:
    """A picture of which nothing shows is refused, with the way out."""
    Image.new("RGBA", (4, 4), (9, 9, 9, 0)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"a\.png: is transparent all over\. Save it without"):
        load(tmp_path / "a.png")
