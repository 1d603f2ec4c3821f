"""Small pictures and their cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from conftest import save_picture

from nstd.images import ImageLimits
from nstd.spool import beneath
from nstd.web.pictures import Found
from nstd.web.thumbnails import Thumbnails

if TYPE_CHECKING:
    from pathlib import Path


def found(path: Path) -> Found:
    """Open a picture as the page does."""
    file = path.open("rb")
    return Found(file, beneath.identity_of(os.fstat(file.fileno())))


def test_a_picture_is_decoded_once(tmp_path: Path) -> None:
    """What is in the cache is taken as it is, also by the next process."""
    path = save_picture(tmp_path / "a.png")
    small = Thumbnails(tmp_path / "cache", ImageLimits()).jpeg(found(path), 32)
    (cached,) = (tmp_path / "cache").iterdir()
    assert cached.read_bytes() == small
    cached.write_bytes(b"as it is")
    assert Thumbnails(tmp_path / "cache", ImageLimits()).jpeg(found(path), 32) == b"as it is"


def test_the_cache_is_its_owners(tmp_path: Path) -> None:
    """Nobody else may look into the folder."""
    Thumbnails(tmp_path / "cache", ImageLimits()).jpeg(found(save_picture(tmp_path / "a.png")), 32)
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_the_cache_stays_within_its_bound(tmp_path: Path) -> None:
    """Those that were not asked for longest go first."""
    cache = tmp_path / "cache"
    paths = [save_picture(tmp_path / f"{seed}.png", seed=seed) for seed in range(8)]
    one = Thumbnails(cache, ImageLimits()).jpeg(found(paths[0]), 32)
    assert one is not None
    (first,) = cache.iterdir()
    bound = 4 * len(one)
    small = Thumbnails(cache, ImageLimits(), most_bytes=bound)
    for number, path in enumerate(paths[1:]):
        os.utime(first, ns=(0, 2**62))  # asked for all the time
        small.jpeg(found(path), 32)
        assert sum(file.stat().st_size for file in cache.iterdir()) <= bound, number
    assert first.exists()


def test_a_cache_that_refuses_costs_time_and_nothing_else(tmp_path: Path) -> None:
    """The picture is made for each who asks."""
    blocked = tmp_path / "cache"
    blocked.write_text("a file")
    small = Thumbnails(blocked, ImageLimits()).jpeg(found(save_picture(tmp_path / "a.png")), 32)
    assert small is not None
    assert small.startswith(b"\xff\xd8")


def test_what_can_not_be_decoded_is_not_tried_again(tmp_path: Path) -> None:
    """Until it is another version."""
    path = save_picture(tmp_path / "a.png")
    whole = path.read_bytes()
    path.write_bytes(whole[:60])
    small = Thumbnails(tmp_path / "cache", ImageLimits())
    bad = found(path)
    assert small.jpeg(bad, 32) is None
    assert bad.file.closed
    remembered = Found(save_picture(tmp_path / "b.png").open("rb"), bad.identity)
    assert small.jpeg(remembered, 32) is None
    path.write_bytes(whole)
    assert small.jpeg(found(path), 32) is not None


def test_transparency_is_shown_on_white(tmp_path: Path) -> None:
    """A JPEG has none."""
    import io  # noqa: PLC0415

    from PIL import Image  # noqa: PLC0415

    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 0, 255))
    image.save(tmp_path / "a.png")
    data = Thumbnails(tmp_path / "cache", ImageLimits()).jpeg(found(tmp_path / "a.png"), 32)
    assert data is not None
    with Image.open(io.BytesIO(data)) as shown:
        assert min(shown.getpixel((20, 20))) > 250
