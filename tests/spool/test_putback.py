"""A failed job's way back into the inbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jobs import PAIR, again, configure, drop, end, failed, other_disk, published, scan, tree

from nstd.entry import State
from nstd.errors import InboxAbsentError, RequestRefusedError
from nstd.spool import crashpoint, files, layout, putback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.entry import Entry
    from nstd.spool.desk import Desk


@pytest.fixture(params=["one file system", "two"])
def any_disk(desk: Desk, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """Keep failed/ on the inbox's disk, or on another."""
    if request.param == "one file system":
        yield desk
        return
    for folder in other_disk(desk.config.root):
        configure(desk, failed=folder / "failed")
        yield desk
        return
    pytest.skip("there is no second file system")


def filed(desk: Desk, name: str = "a", folder: str = ".") -> Entry:
    """Drop a pair whose job fails; its files are in failed/."""
    entry = failed(desk, name, folder)
    end(desk, entry)
    return again(desk, entry)


def in_failed(desk: Desk) -> set[str]:
    """List failed/."""
    return tree(desk.config.folder("failed"))


def seen(desk: Desk) -> set[str]:
    """List the inbox."""
    return tree(desk.inbox)


def test_the_set_is_a_new_submission(any_disk: Desk) -> None:
    """Files and folders as they were; the reason and what is empty go; the old row stays."""
    desk = any_disk
    entry = filed(desk, folder="sub")
    assert seen(desk) == set()
    after = putback.put_back(desk, entry)
    assert seen(desk) == {f"sub/{name}" for name in PAIR}
    assert in_failed(desk) == set()
    assert not (desk.config.folder("failed") / "sub").exists()
    assert again(desk, entry) == after
    assert (after.state, after.home, after.settled) == (State.FAILED, None, True)
    (found,) = scan(desk).values()
    assert found.path == Path("sub/a.yaml")


def test_what_was_corrected_goes_back_corrected(desk: Desk) -> None:
    """That is what the reason asks for."""
    entry = filed(desk)
    (desk.config.folder("failed") / "a.yaml").write_text("preset: fast\n")
    (desk.config.folder("failed") / "a.jpg").write_bytes(b"another")
    putback.put_back(desk, entry)
    assert (desk.inbox / "a.yaml").read_text() == "preset: fast\n"
    assert (desk.inbox / "a.jpg").read_bytes() == b"another"


def test_a_set_with_a_folder_of_its_own(desk: Desk) -> None:
    """Its names were taken in failed/; they are free in the inbox."""
    first, second = filed(desk), filed(desk)
    assert second.home == desk.config.folder("failed") / second.job_id
    putback.put_back(desk, second)
    assert seen(desk) == PAIR
    assert in_failed(desk) == {*PAIR, "a.reason.json", "a.reason.txt"}
    assert again(desk, first).home is not None


@pytest.mark.parametrize("name", sorted(PAIR))
def test_a_name_that_is_taken_is_refused(any_disk: Desk, name: str) -> None:
    """Everything stays where it is."""
    desk = any_disk
    entry = filed(desk)
    (desk.inbox / name).write_text("another's")
    before = in_failed(desk)
    with pytest.raises(RequestRefusedError, match=rf"a: {name} is in the inbox already"):
        putback.put_back(desk, entry)
    assert seen(desk) == {name}
    assert (desk.inbox / name).read_text() == "another's"
    assert in_failed(desk) == before


@pytest.mark.parametrize("name", ["a.style.png", "a.yaml"])
def test_a_name_that_is_taken_meanwhile_undoes_all(
    any_disk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the move; what had moved goes back."""
    desk = any_disk
    entry = filed(desk)
    before = in_failed(desk)

    def take(point: str) -> None:
        if point == "image_put_back":
            (desk.inbox / name).touch()

    monkeypatch.setattr(crashpoint, "hook", take)
    with pytest.raises(RequestRefusedError, match=f"{name} is in the inbox already"):
        putback.put_back(desk, entry)
    assert seen(desk) == {name}
    assert in_failed(desk) == before
    monkeypatch.setattr(crashpoint, "hook", None)
    (desk.inbox / name).unlink()
    putback.put_back(desk, entry)
    assert seen(desk) == PAIR


def test_an_image_that_others_kept_in_the_inbox_is_there_already(any_disk: Desk) -> None:
    """Failed/ had a copy; the same bytes need no second place."""
    desk = any_disk
    entry = filed(desk)
    original = (desk.config.folder("failed") / "a.jpg").read_bytes()
    (desk.inbox / "a.jpg").write_bytes(original)
    kept = files.identity(desk.inbox / "a.jpg")
    putback.put_back(desk, entry)
    assert seen(desk) == PAIR
    assert files.identity(desk.inbox / "a.jpg") == kept
    assert in_failed(desk) == set()


def test_an_image_that_is_gone_is_asked_for_by_the_sidecar(desk: Desk) -> None:
    """Its owner may have another in mind; the new job will say what it lacks."""
    entry = filed(desk)
    (desk.config.folder("failed") / "a.jpg").unlink()
    putback.put_back(desk, entry)
    assert seen(desk) == PAIR - {"a.jpg"}


def test_a_set_that_its_owner_has_taken_is_refused(desk: Desk) -> None:
    """The reason files that they left stay too."""
    entry = filed(desk)
    (desk.config.folder("failed") / "a.yaml").rename(desk.config.root / "a.yaml")
    with pytest.raises(RequestRefusedError, match=r"a\.yaml isn't in failed/ any more"):
        putback.put_back(desk, entry)
    assert seen(desk) == set()
    assert "a.reason.txt" in in_failed(desk)


def test_what_can_not_be_tried_again(desk: Desk) -> None:
    """A job that is done, one that is on its way to failed/, one that was put back already."""
    done = published(desk, "d")
    end(desk, done)
    moving = failed(desk, "m")
    back = putback.put_back(desk, filed(desk, "b"))
    for entry, why in (
        (again(desk, done), "it is retired, not failed"),
        (moving, "still on their way"),
        (back, "aren't in failed/ any more"),
    ):
        with pytest.raises(RequestRefusedError, match=why):
            putback.put_back(desk, entry)


def test_another_failed_folder_is_another_matter(desk: Desk) -> None:
    """What lies outside of it is not looked for."""
    entry = filed(desk)
    configure(desk, failed=desk.config.root / "elsewhere")
    with pytest.raises(RequestRefusedError, match=r"outside of failed/"):
        putback.put_back(desk, entry)


def test_an_inbox_that_is_gone_is_waited_for(desk: Desk) -> None:
    """It is not refused: the request can be done when the share is back."""
    entry = filed(desk)
    (layout.control(desk.config) / "marker").unlink()
    with pytest.raises(InboxAbsentError):
        putback.put_back(desk, entry)
    assert "a.yaml" in in_failed(desk)


def test_a_link_in_the_way_leads_nowhere(desk: Desk, tmp_path: Path) -> None:
    """Neither in the inbox nor in failed/."""
    entry = filed(desk, folder="sub")
    outside = tmp_path / "outside"
    outside.mkdir()
    (desk.inbox / "sub").rmdir()
    (desk.inbox / "sub").symlink_to(outside)
    with pytest.raises(RequestRefusedError):
        putback.put_back(desk, entry)
    assert not list(outside.iterdir())
    assert "sub/a.yaml" in in_failed(desk)


def test_what_failed_again_is_retained_anew(desk: Desk) -> None:
    """The old filing is forgotten, or retention would count from it."""
    entry = filed(desk)
    putback.put_back(desk, entry)
    failed_root = desk.config.folder("failed")
    assert desk.ledger.filed_before(failed_root, 1e12, 100) == []


def test_a_file_dropped_while_it_goes_back_is_safe(desk: Desk) -> None:
    """Another job's files with other names are nobody's business."""
    entry = filed(desk)
    drop(desk, "b")
    putback.put_back(desk, entry)
    assert seen(desk) == {*PAIR, "b.yaml", "b.jpg", "b.style.png"}
