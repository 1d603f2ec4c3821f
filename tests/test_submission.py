"""A drop that is complete or not there."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from conftest import save_picture
from jobs import configure, scan, tree

from nstd import submission
from nstd.config import Limits
from nstd.domain import WeightedFile
from nstd.errors import (
    CannotWriteError,
    ImageError,
    ImageTooLargeError,
    InboxAbsentError,
    MissingInputError,
    UsageError,
)
from nstd.spool import files, layout, renaming
from nstd.submission import Order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nstd.spool.desk import Desk

STYLES = ["x.style1.jpg", "x.style2.jpg"]


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Save three of them outside of the inbox."""
    folder = tmp_path / "mine"
    return [save_picture(folder / f"{name}.JPG", seed=seed) for seed, name in enumerate("xyz")]


def hidden(desk: Desk) -> list[str]:
    """List what is left under hidden names."""
    return [p.name for p in desk.inbox.iterdir() if p.name.startswith(".") and p.name != ".nstd"]


def submit(
    desk: Desk,
    content: Path | None,
    /,
    *styles: Path,
    name: str | None = None,
    weights: Sequence[float] = (1, 1),
    **values: Any,
) -> str:
    """Submit to a desk's inbox."""
    weighted = [
        WeightedFile(style, str(style), w) for style, w in zip(styles, weights, strict=False)
    ]
    return submission.submit(desk.config, Order(content, weighted, values), name)


def test_what_is_dropped_is_a_job(desk: Desk, pictures: list[Path]) -> None:
    """Content, style and parameters as they were given; nothing else is left behind."""
    assert submit(desk, *pictures[:2], preset="fast", priority=3, output="painted") == "x"
    assert tree(desk.inbox) == {"x.jpg", "x.style.jpg", "x.yaml"}
    assert (desk.inbox / "x.jpg").read_bytes() == pictures[0].read_bytes()
    (found,) = scan(desk).values()
    assert found.sidecar is not None
    assert (found.sidecar.params.preset, found.sidecar.priority) == ("fast", 3)
    assert found.sidecar.output == "painted"
    assert [source.relative.name for source in found.sources] == ["x.jpg", "x.style.jpg"]


def test_blends_textures_and_starts(desk: Desk, pictures: list[Path]) -> None:
    """Several styles, no content, a picture to start from: each beside the sidecar."""
    assert submit(desk, None, *pictures[:2], init=str(pictures[2])) == "x"
    (found,) = scan(desk).values()
    assert [(source.role, source.relative.name) for source in found.sources] == [
        ("style", "x.style1.jpg"),
        ("style", "x.style2.jpg"),
        ("init", "x.init.jpg"),
    ]


@pytest.mark.parametrize(
    ("weights", "written"),
    [
        ((2, 0.5), [{"image": STYLES[0], "weight": 2}, {"image": STYLES[1], "weight": 0.5}]),
        ((3, 3), STYLES),
    ],
)
def test_shares_of_a_blend(
    desk: Desk, pictures: list[Path], weights: list[float], written: list[Any]
) -> None:
    """They are in the sidecar where they differ, for the daemon and whoever reads it."""
    submit(desk, *pictures, weights=weights)
    assert yaml.safe_load((desk.inbox / "x.yaml").read_text())["style"] == written
    (found,) = scan(desk).values()
    styles = [source for source in found.sources if source.role == "style"]
    assert styles[0].weight / styles[1].weight == weights[0] / weights[1]


def test_masks_are_dropped_beside_the_others(desk: Desk, pictures: list[Path]) -> None:
    """Under names of the job's own, which its sidecar knows; one that is named twice is one."""
    sky, sea = str(pictures[1]), str(pictures[2])
    submit(
        desk, *pictures[:2], content_mask={"sky": sky, "sea": sea}, style_mask={"sky": sky}, seed=3
    )
    (found,) = scan(desk).values()
    assert found.sidecar is not None
    assert found.sidecar.params.content_mask == {"sky": "x.mask1.jpg", "sea": "x.mask2.jpg"}
    assert found.sidecar.params.style_mask == [{"sky": "x.mask1.jpg"}]
    assert [source.role for source in found.sources] == ["content", "style", "mask", "mask"]
    assert (desk.inbox / "x.mask2.jpg").read_bytes() == pictures[2].read_bytes()


def test_masks_that_are_none_are_refused(desk: Desk, pictures: list[Path]) -> None:
    """By the parameter's name, before anything is written."""
    for mask in (7, "labels", {"sky": 7}):
        with pytest.raises(UsageError, match="--set: content_mask"):
            submit(desk, *pictures[:2], content_mask=mask)
    assert tree(desk.inbox) == set()


def test_a_start_that_is_no_picture_is_a_parameter(desk: Desk, pictures: list[Path]) -> None:
    """`random` is not looked for on the disk."""
    submit(desk, *pictures[:2], init="random")
    (found,) = scan(desk).values()
    assert found.sidecar is not None
    assert found.sidecar.params.init == "random"


@pytest.mark.parametrize("taken", ["x.jpg", "x.style.jpg", "x.yaml", "x.yml"])
def test_a_name_that_is_taken_gets_a_number(desk: Desk, pictures: list[Path], taken: str) -> None:
    """Whichever of the files has it; nothing is replaced, nothing half done is left."""
    (desk.inbox / taken).write_text("another's")
    assert submit(desk, *pictures[:2]) == "x-2"
    assert tree(desk.inbox) == {taken, "x-2.jpg", "x-2.style.jpg", "x-2.yaml"}
    assert (desk.inbox / taken).read_text() == "another's"
    assert hidden(desk) == []


@pytest.mark.parametrize("taken", ["mine.jpg", "mine.style.jpg", "mine.yaml", "mine.yml"])
def test_a_name_that_was_given_must_be_free(desk: Desk, pictures: list[Path], taken: str) -> None:
    """Whoever names it counts on it."""
    (desk.inbox / taken).write_text("another's")
    with pytest.raises(UsageError, match="mine: this name is taken in the inbox"):
        submit(desk, *pictures[:2], name="mine")
    assert tree(desk.inbox) == {taken}
    assert hidden(desk) == []


def test_the_name_of_a_hot_folders_file_is_taken(desk: Desk, pictures: list[Path]) -> None:
    """A job called `nstd` would change those of everybody else."""
    with pytest.raises(UsageError, match="nstd: this name is taken in the inbox"):
        submit(desk, *pictures[:2], name="nstd")
    assert tree(desk.inbox) == set()


@pytest.mark.parametrize("name", [".x", "a/b", "..", "x\n", "x.tmp", "~x", "n" * 201, "\udce9"])
def test_names_that_would_not_be_seen_or_fit(desk: Desk, pictures: list[Path], name: str) -> None:
    """Hidden, temporary, elsewhere, too long, or no text."""
    with pytest.raises(UsageError, match="is no plain name"):
        submit(desk, *pictures[:2], name=name)
    assert tree(desk.inbox) == set()


@pytest.mark.parametrize("pattern", ["draft*", "*.yaml"])
def test_names_that_the_configuration_ignores(
    desk: Desk, pictures: list[Path], pattern: str
) -> None:
    """The scan would never see them."""
    configure(desk, ignore=[pattern])
    with pytest.raises(UsageError, match="is no plain name"):
        submit(desk, *pictures[:2], name="draft1")
    assert tree(desk.inbox) == set()


@pytest.mark.parametrize(
    ("values", "clause"),
    [
        ({"itterations": 3}, "did you mean 'iterations'"),
        ({"size": 3}, "16 to 32768"),
        ({"content": "x.jpg"}, "--set content: is no parameter"),
        ({"style": "x.jpg"}, "--set style: is no parameter"),
    ],
)
def test_parameters_are_checked_before_anything_is_written(
    desk: Desk, pictures: list[Path], values: dict[str, Any], clause: str
) -> None:
    """As the daemon would, and exit code 2."""
    with pytest.raises(UsageError, match=clause):
        submit(desk, *pictures[:2], **values)
    assert tree(desk.inbox) == set()


def test_images_are_checked_before_anything_is_written(
    desk: Desk, pictures: list[Path], tmp_path: Path
) -> None:
    """One that isn't there, that is a folder or a FIFO, that is no image, that is too large."""
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    os.mkfifo(tmp_path / "fifo.jpg")
    for wrong, error in (
        (tmp_path / "none.jpg", MissingInputError),
        (tmp_path, MissingInputError),
        (tmp_path / "fifo.jpg", MissingInputError),
        (text, ImageError),
    ):
        with pytest.raises(error, match=wrong.name):
            submit(desk, pictures[0], wrong)
    configure(desk, limits=Limits(image_pixels=10))
    with pytest.raises(ImageTooLargeError):
        submit(desk, *pictures[:2])
    assert tree(desk.inbox) == set()
    assert hidden(desk) == []


def test_an_empty_mount_point_is_no_inbox(desk: Desk, pictures: list[Path]) -> None:
    """What is dropped there would be gone when the share is mounted over it."""
    (layout.control(desk.config) / "marker").unlink()
    with pytest.raises(InboxAbsentError, match="not mounted"):
        submit(desk, *pictures[:2])
    configure(desk, inbox=desk.config.root / "none")
    with pytest.raises(InboxAbsentError):
        submit(desk, *pictures[:2])


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_disk_that_is_full_leaves_nothing(
    desk: Desk, pictures: list[Path], monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """At any of the three names, the earlier ones are taken back."""
    count = 0
    real = renaming.place

    def place(temporary: Path, target: Path) -> None:
        nonlocal count
        count += 1
        if count == failing:
            raise OSError(28, "No space left on device")
        real(temporary, target)

    monkeypatch.setattr(renaming, "place", place)
    with pytest.raises(CannotWriteError, match="No space left"):
        submit(desk, *pictures[:2])
    assert tree(desk.inbox) == set()
    assert hidden(desk) == []


def test_the_sidecar_comes_last(
    desk: Desk, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is seen, the images are there."""
    seen: list[set[str]] = []
    real = files.place

    def place(temporary: Path, target: Path) -> None:
        seen.append(tree(desk.inbox) - set(hidden(desk)))
        real(temporary, target)

    monkeypatch.setattr(files, "place", place)
    submit(desk, *pictures[:2])
    assert seen == [{"x.jpg", "x.style.jpg"}]


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o640), (0o022, 0o644), (0o002, 0o664)])
def test_the_daemon_may_read_them(desk: Desk, pictures: list[Path], umask: int, mode: int) -> None:
    """It may be another user of the inbox's group."""
    before = os.umask(umask)
    try:
        submit(desk, *pictures[:2])
    finally:
        os.umask(before)
    modes = {stat.S_IMODE((desk.inbox / name).stat().st_mode) for name in tree(desk.inbox)}
    assert modes == {mode}
