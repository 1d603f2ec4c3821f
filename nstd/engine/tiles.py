"""How an image larger than memory is divided: pure geometry, in pixels.

A tile owns a rectangle of the image and sees a halo around it, wide enough that the network's
activations at every position that the tile owns are those of the whole image. Tiles own all
positions of every layer exactly once, because they and their halos begin at multiples of the
deepest layer's stride: pooling then cuts each of them as it cuts the whole image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nstd.params import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Alive = Callable[[], None]  # called after each tile, for somebody may be waiting

# The stride of block5, the deepest. Layers above it have divisors of it.
ALIGNMENT = 16
_CONVOLUTION_RADIUS = 1


def nobody_waits() -> None:
    """Tell nobody that a tile is done."""


def stride(layer: str) -> int:
    """Pixels between two positions of a layer."""
    return 1 << (int(layer.removeprefix("block").split("_")[0]) - 1)


def radius(layers: Iterable[str]) -> int:
    """Pixels beyond its own that a position of the deepest of `layers` sees in each direction.

    Each 3x3 convolution adds one position of its own layer; pooling looks at a position's own
    pixels only. block5_conv1 sees 70 pixels, block5_conv2 86.
    """
    deepest = max(map(LAYERS.index, layers))
    return sum(_CONVOLUTION_RADIUS * stride(layer) for layer in LAYERS[: deepest + 1])


def halo(pixels: int) -> int:
    """The narrowest aligned halo of at least so many pixels."""
    return -(-pixels // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of an image: rows [top, bottom), columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        """Its rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Its columns."""
        return self.right - self.left


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of an image.

    Attributes:
        owned: what is summed up here and nowhere else.
        seen: with the halo, which ends at the image's border: only there is anything padded.
    """

    owned: Box
    seen: Box

    @property
    def owned_within(self) -> tuple[int, int, int, int]:
        """(top, bottom, left, right) of what is owned, counted from the corner of what is seen."""
        return (
            self.owned.top - self.seen.top,
            self.owned.bottom - self.seen.top,
            self.owned.left - self.seen.left,
            self.owned.right - self.seen.left,
        )

    def cut(self, image: Any) -> Any:  # noqa: ANN401 - an array or a tensor
        """What is seen of an image [1, H, W, C]."""
        return image[:, self.seen.top : self.seen.bottom, self.seen.left : self.seen.right]

    def cut_all(self, images: tuple[Any, ...]) -> tuple[Any, ...]:
        """What is seen of each of some images."""
        return tuple(self.cut(image) for image in images)

    def add(self, whole: Any, part: Any) -> None:  # noqa: ANN401 - arrays
        """Add a part's gradient to the whole image's, both [1, H, W, C], in place.

        All of it: the pixels of the halo bear upon what the tile owns too.
        """
        self.cut(whole)[...] += part

    def put(self, whole: Any, part: Any) -> None:  # noqa: ANN401 - arrays
        """Set what is owned in the whole image, [1, H, W, C], from a part, in place."""
        top, bottom, left, right = self.owned_within
        rows = slice(self.owned.top, self.owned.bottom)
        columns = slice(self.owned.left, self.owned.right)
        whole[:, rows, columns] = part[:, top:bottom, left:right]


@dataclass(frozen=True, slots=True)
class Grid:
    """A way to divide images of any size.

    Attributes:
        side: of a tile, which may be shorter, or 15 pixels longer at the image's end; a multiple
            of `ALIGNMENT`.
        halo: likewise a multiple.
    """

    side: int
    halo: int

    def tiles(self, height: int, width: int) -> tuple[Tile, ...]:
        """The tiles of an image, row by row."""
        return tuple(
            Tile(
                Box(*rows, *columns), Box(*self._wider(rows, height), *self._wider(columns, width))
            )
            for rows in self._spans(height)
            for columns in self._spans(width)
        )

    def visited(self, image: Any, alive: Alive) -> Iterator[Tile]:  # noqa: ANN401 - an array or a tensor
        """The tiles of an image [1, H, W, C]; `alive` is called when one has been dealt with."""
        for tile in self.tiles(*image.shape[1:3]):
            yield tile
            alive()

    def longest(self, length: int) -> int:
        """What a tile sees at most along an axis on which the image has this length."""
        seen = [self._wider(span, length) for span in self._spans(length)]
        return max(end - start for start, end in seen)

    def _spans(self, length: int) -> list[tuple[int, int]]:
        """[start, end) along one axis, of about equal lengths; the last has the odd remainder."""
        units = max(1, length // ALIGNMENT)
        count = -(-units // (self.side // ALIGNMENT))
        starts = [index * units // count * ALIGNMENT for index in range(count)]
        return list(zip(starts, [*starts[1:], length], strict=True))

    def _wider(self, span: tuple[int, int], length: int) -> tuple[int, int]:
        return max(0, span[0] - self.halo), min(length, span[1] + self.halo)
