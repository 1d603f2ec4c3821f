"""Which images a scan finds for a sidecar, waits for, refuses, or keeps for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from scanning import drop, paths, settled

from nstd.spool.scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable

    from clocks import Clock


def test_missing_images_are_waited_for_and_then_named(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """An incomplete pair waits for its time, then is rejected with the name of what is missing."""
    path = drop(inbox, text="style: starry.jpg")
    scanner = make_scanner()
    scan = settled(scanner, clock)
    assert [waiting.reason for waiting in scan.waiting] == ["starry.jpg is not there"]
    clock.now += 60
    (rejection,) = scanner.scan().rejected
    assert inbox / rejection.candidate.path == path
    assert paths(rejection.candidate) == ["a.jpg"]
    assert rejection.failure.code == "missing_input"
    assert "starry.jpg" in rejection.failure.message
    assert "limits.incomplete_seconds" in rejection.failure.message


def test_a_style_that_is_nowhere_is_looked_for_in_the_library(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock, tmp_path: Path
) -> None:
    """And it is said so, where there is one."""
    drop(inbox, text="style: starry.jpg")
    scanner = make_scanner()
    scanner._config = scanner._config.model_copy(update={"styles": [tmp_path / "none"]})
    (waiting,) = settled(scanner, clock).waiting
    assert waiting.reason == "starry.jpg is not there, nor in the style library"


def test_an_image_that_comes_late_completes_the_pair(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """The order of arrival doesn't matter."""
    drop(inbox, text="style: starry.jpg")
    scanner = make_scanner()
    settled(scanner, clock)
    clock.now += 30
    save_picture(inbox / "starry.jpg", seed=2)
    assert len(settled(scanner, clock).ready) == 1


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"certainly not a picture"])
def test_an_unreadable_header_is_waited_for_and_then_rejected(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock, content: bytes
) -> None:
    """A preallocated file may be filled yet; one that never becomes a picture is named."""
    drop(inbox)
    (inbox / "a.jpg").write_bytes(content)
    scanner = make_scanner()
    (waiting,) = settled(scanner, clock).waiting
    why = "is not a JPEG, PNG, WebP or TIFF picture" if content else "is empty"
    assert waiting.reason == f"a.jpg can't be read yet: it {why}"
    clock.now += 60
    scan = scanner.scan()
    if content:
        (rejection,) = scan.rejected
        assert rejection.failure.file == "a.jpg"
        assert rejection.failure.code == "image"
    else:
        assert not scan.rejected, "an empty file is ignored until it grows"


def test_a_preallocated_file_that_is_filled_is_taken(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """Zeros of the final size first, the content later."""
    drop(inbox)
    data = (inbox / "a.jpg").read_bytes()
    (inbox / "a.jpg").write_bytes(bytes(len(data)))
    scanner = make_scanner()
    assert not settled(scanner, clock).ready
    clock.now += 30
    (inbox / "a.jpg").write_bytes(data)
    assert len(settled(scanner, clock).ready) == 1


def test_an_oversized_picture_is_rejected_at_once(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """Waiting doesn't make it smaller; the limit's key is named."""
    drop(inbox)
    (rejection,) = settled(make_scanner(image_pixels=1000), clock).rejected
    assert rejection.failure.code == "image_too_large"
    assert "limits.image_pixels" in rejection.failure.message


def test_several_images_that_fit_are_too_many(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """With a.jpg and a.png beside it, the sidecar has to say which."""
    drop(inbox)
    save_picture(inbox / "a.png")
    (rejection,) = settled(make_scanner(), clock).rejected
    assert rejection.failure.key == "content"
    assert "a.jpg, a.png" in rejection.failure.message


def test_images_may_lie_below_the_sidecar(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """A folder of contents beside the sidecars is fine."""
    drop(inbox, text="content: pics/c.jpg")
    save_picture(inbox / "pics" / "c.jpg")
    (candidate,) = settled(make_scanner(), clock).ready
    assert paths(candidate) == ["pics/c.jpg", "a.style.png"]


def test_the_picture_to_start_from_is_waited_for(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """A sidecar that names one isn't complete without it, and wants it as its other images."""
    drop(inbox, text="init: pics/sketch.png")
    scanner = make_scanner()
    (waiting,) = settled(scanner, clock).waiting
    assert "pics/sketch.png is not there" in waiting.reason
    save_picture(inbox / "pics" / "sketch.png")
    (candidate,) = settled(scanner, clock).ready
    assert paths(candidate) == ["a.jpg", "a.style.png", "pics/sketch.png"]
    assert candidate.sources[-1].role == "init"


def test_masks_are_waited_for(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """A sidecar that names some isn't complete without all of them."""
    drop(inbox, text="content_mask: {sky: sky.png, sea: masks/sea.png}")
    save_picture(inbox / "sky.png")
    scanner = make_scanner()
    (waiting,) = settled(scanner, clock).waiting
    assert "masks/sea.png is not there" in waiting.reason
    save_picture(inbox / "masks" / "sea.png")
    (candidate,) = settled(scanner, clock).ready
    assert paths(candidate) == ["a.jpg", "a.style.png", "sky.png", "masks/sea.png"]
    assert [source.role for source in candidate.sources[2:]] == ["mask", "mask"]


def test_suffixes_in_capitals_are_found(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """Cameras write .JPG."""
    drop(inbox)
    (inbox / "a.jpg").rename(inbox / "a.JPG")
    (candidate,) = settled(make_scanner(), clock).ready
    assert paths(candidate) == ["a.JPG", "a.style.png"]


def test_a_texture_waits_for_its_style_alone(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """`content: none` has no content image to wait for, whatever lies there."""
    drop(inbox, text="content: none")
    (candidate,) = settled(make_scanner(), clock).ready
    assert paths(candidate) == ["a.style.png"]


def test_a_link_is_no_image(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock, tmp_path: Path
) -> None:
    """A symbolic link counts as absent; where it leads is never opened."""
    drop(inbox, text="content: link.jpg")
    save_picture(tmp_path / "outside.jpg")
    (inbox / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    scan = settled(make_scanner(), clock)
    assert [waiting.reason for waiting in scan.waiting] == [
        "link.jpg is a symbolic link, not a file"
    ]
    assert scan.oddities == ((Path("link.jpg"), "a symbolic link"),)


def test_only_sidecars_that_stay_want_images(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """23. What waits asks for its images, there or not; what is ready or refused is a job soon."""
    drop(inbox, "ready")
    drop(inbox, "wrong", "size: big")
    drop(inbox, "waits", "style: absent.jpg")
    wanted = settled(make_scanner(), clock).wanted
    assert wanted.images == {Path("waits.jpg"), Path("absent.jpg")}
    assert wanted.unread == {}


def test_a_sidecar_that_is_not_read_yet_may_want_anything_below_it(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """23. In its own folder and those within; not beside or above, nor before it was seen."""
    drop(inbox / "sub")
    wanted = make_scanner().scan().wanted
    assert wanted.unread == {Path("sub"): clock.now}
    assert wanted.may_have(Path("sub/other.jpg"), clock.now)
    assert wanted.may_have(Path("sub/deep/other.jpg"), clock.now)
    assert not wanted.may_have(Path("other.jpg"), clock.now)
    assert not wanted.may_have(Path("beside/other.jpg"), clock.now)
    assert not wanted.may_have(Path("sub/other.jpg"), clock.now - 1)


def test_a_sidecar_that_never_settles_wants_nothing_for_ever(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """23. After `incomplete_seconds` of changes it no longer keeps its folder's images."""
    path = drop(inbox / "sub")
    scanner = make_scanner()
    for _ in range(61):
        scan = scanner.scan()
        path.write_text(f"# {clock.now}\n")
        clock.now += 1
    assert scan.settling
    assert scan.wanted.unread == {}


def test_a_cancelled_sidecar_takes_the_images_that_it_names_along(
    make_scanner: Callable[..., Scanner], inbox: Path
) -> None:
    """Not only those of its own name: nobody else would ever ask for them."""
    drop(inbox, text="style: other.png")
    save_picture(inbox / "other.png", seed=2)
    (inbox / "a.cancel").touch()
    (rejection,) = make_scanner().scan().rejected
    assert {source.relative for source in rejection.candidate.sources} == {
        Path("a.jpg"),
        Path("other.png"),
    }


def test_a_style_may_be_of_the_library(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock, tmp_path: Path
) -> None:
    """Named, and not beside the sidecar; what lies beside it comes first; a content never."""
    library = tmp_path / "styles"
    save_picture(library / "dutch" / "starry.jpg", seed=3)
    save_picture(library / "own.jpg", seed=3)
    drop(inbox, text="style: [dutch/starry.jpg, own.jpg]")
    save_picture(inbox / "own.jpg", seed=4)
    scanner = make_scanner()
    scanner._config = scanner._config.model_copy(update={"styles": [library]})
    (candidate,) = settled(scanner, clock).ready
    content, starry, own = candidate.sources
    assert (starry.stays, starry.path) == (True, library / "dutch" / "starry.jpg")
    assert (own.stays, own.path) == (False, inbox / "own.jpg")
    assert not content.stays


def test_a_library_is_not_left_through_a_link(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock, tmp_path: Path
) -> None:
    """21. A link in it counts as absent."""
    library = tmp_path / "styles"
    library.mkdir()
    save_picture(tmp_path / "secret.jpg")
    (library / "s.jpg").symlink_to(tmp_path / "secret.jpg")
    drop(inbox, text="style: s.jpg")
    scanner = make_scanner()
    scanner._config = scanner._config.model_copy(update={"styles": [library]})
    (waiting,) = settled(scanner, clock).waiting
    assert waiting.reason == "s.jpg is not there, nor in the style library"


def test_ignored_names_are_not_images_either(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """The operator's patterns hold for all files."""
    drop(inbox)
    save_picture(inbox / "a.png")
    scanner = make_scanner()
    assert len(settled(scanner, clock).rejected) == 1
    config = scanner._config.model_copy(update={"ignore": ["*.png"]})
    (waiting,) = settled(Scanner(config, clock), clock).waiting
    assert waiting.reason.startswith("a.style.jpg")
