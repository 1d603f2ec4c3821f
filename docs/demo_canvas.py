"""What both demonstration pictures are drawn with: noise, ramps, blending and saving."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
Colour = tuple[float, float, float]


def rgb(code: str) -> Colour:
    """Turn a hexadecimal colour such as ``f2c14e`` into three numbers from 0 to 1."""
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    """Rise smoothly from 0 at `low` to 1 at `high` (or fall, when `low` is the larger)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def mix(first: Floats | Colour, second: Floats | Colour, share: Floats | float) -> Floats:
    """Blend two colours, or two pictures, by a share for each pixel."""
    weight = np.asarray(share, np.float32)
    if weight.ndim:
        weight = weight[..., None]
    return np.asarray(first, np.float32) * (1 - weight) + np.asarray(second, np.float32) * weight


def ramp(value: Floats, stops: list[tuple[float, Colour]]) -> Floats:
    """Look colours up on a gradient that is given as (position, colour) stops."""
    positions = [position for position, _ in stops]
    channels = [np.interp(value, positions, [colour[i] for _, colour in stops]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def sample(picture: Floats, x: Floats, y: Floats) -> Floats:
    """Read a picture between its pixels, repeating it beyond its edges."""
    height, width = picture.shape[:2]
    left, top = np.floor(x), np.floor(y)
    fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)
    if picture.ndim == 3:
        fx, fy = fx[..., None], fy[..., None]
    x0, y0 = left.astype(np.int32) % width, top.astype(np.int32) % height
    x1, y1 = (x0 + 1) % width, (y0 + 1) % height
    upper = picture[y0, x0] * (1 - fx) + picture[y0, x1] * fx
    lower = picture[y1, x0] * (1 - fx) + picture[y1, x1] * fx
    return upper * (1 - fy) + lower * fy


class Noise:
    """A cloudy texture without seams, with mean 0 and deviation 1.

    It is shaped in the frequency domain, so that it repeats without an edge and can be read at any
    place: `roughness` is the power with which its fine detail fades (1 is rough, 2 is soft).
    """

    def __init__(self, rng: np.random.Generator, roughness: float = 1.5, size: int = 512) -> None:
        spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
        across = np.fft.rfftfreq(size)[None, :]
        down = np.fft.fftfreq(size)[:, None]
        frequency = np.hypot(across, down)
        # The very lowest frequencies would make one half of the texture darker than the other.
        frequency[frequency < 4 / size] = np.inf
        texture = np.fft.irfft2(spectrum / frequency**roughness)
        self._texture = ((texture - texture.mean()) / texture.std()).astype(np.float32)

    def __call__(self, x: Floats, y: Floats, scale: float = 1.0) -> Floats:
        """Read the texture at x, y, with its features made `scale` times as large."""
        return sample(self._texture, x / scale, y / scale)


def shrink(picture: Floats, size: tuple[int, int]) -> Image.Image:
    """Reduce a supersampled picture to its final (width, height)."""
    pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)


def save_jpeg(picture: Image.Image, path: Path, quality: int) -> None:
    """Save without chroma subsampling, which would smear the small strong colours."""
    picture.save(path, quality=quality, subsampling=0, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
