"""Claiming: the sidecar is taken, the images are copied, and all of it can be undone."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from jobs import FAILURE, again, candidate, claimed, configure, drop, queued, scan, tree

from nstd.domain import Failure
from nstd.entry import State
from nstd.errors import CancelledError, CannotWriteError, MissingInputError, UntouchableError
from nstd.spool import claim, files, layout, renaming

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.spool.desk import Desk


def test_a_row_is_written_before_any_file_is_touched(desk: Desk) -> None:
    """Admitting leaves the inbox as it is; the row knows the files as they were seen."""
    entry = claim.admit(desk, candidate(desk, folder="deep/er"))
    assert tree(desk.inbox) == {f"deep/er/{name}" for name in ("a.yaml", "a.jpg", "a.style.png")}
    assert again(desk, entry) == entry
    assert entry.name == "deep/er/a"
    assert entry.state is State.QUEUED
    assert [one.identity for one in entry.inputs] == [
        files.identity(desk.inbox / "deep/er" / name) for name in ("a.jpg", "a.style.png")
    ]


def test_the_sidecar_alone_is_taken(desk: Desk) -> None:
    """It goes where its name and folder survive the ledger; the images stay."""
    entry = queued(desk, folder="deep")
    assert tree(desk.inbox) == {"deep/a.jpg", "deep/a.style.png"}
    token = layout.claimed(desk.config) / entry.job_id / "deep" / "a.yaml"
    assert token.read_text() == "preset: draft\n"


def test_a_refused_sidecar_has_its_failure_from_the_start(desk: Desk) -> None:
    """The row of one that can't become a job says why; that of a cancelled one too."""
    found = candidate(desk)
    assert claim.admit(desk, found, FAILURE).state is State.FAILED
    cancelled = Failure.of(CancelledError("cancelled by a.cancel"))
    assert claim.admit(desk, found, cancelled).state is State.CANCELLED


def test_the_images_are_copied_and_hashed(desk: Desk) -> None:
    """The copies are ours, and the row has the hash and the version of each."""
    entry = claimed(desk)
    assert again(desk, entry) == entry
    assert entry.state is State.CLAIMED
    assert len(entry.fingerprint) == 64
    for one in entry.inputs:
        copy = layout.work(desk.config) / entry.job_id / one.copy
        assert copy.read_bytes() == one.source.path.read_bytes()
        assert one.sha256 == files.sha256(copy)
        assert one.identity == files.identity(one.source.path)


def test_ids_are_unique_and_sorted_by_time() -> None:
    """A folder of ids lists in the order of the claims, to the second."""
    ids = [claim.new_id() for _ in range(100)]
    assert len(set(ids)) == 100
    stamps = [job_id.split("-")[0] for job_id in ids]
    assert sorted(stamps) == stamps
    assert all(claim.is_id(job_id) for job_id in ids)


@pytest.mark.parametrize("text", ["", "a", "20260101T000000-0123456g", "20260101T000000-01234567x"])
def test_other_names_are_no_ids(text: str) -> None:
    """What nstd removes by its name has to be surely its own."""
    assert not claim.is_id(text)


def test_an_image_used_twice_is_copied_once(desk: Desk) -> None:
    """A picture may be content and style of the same job."""
    entry = claimed(desk, text="style: a.jpg\n")
    assert entry.inputs[0].copy == entry.inputs[1].copy
    assert len(tree(layout.work(desk.config) / entry.job_id)) == 1
    assert [one.source.role for one in entry.inputs] == ["content", "style"]


def test_the_fingerprint_is_of_images_and_parameters(desk: Desk) -> None:
    """The same again has the same; another parameter or another picture has another."""
    first = claimed(desk)
    same = claimed(desk, "b")
    assert first.fingerprint == same.fingerprint
    assert claimed(desk, "c", text="preset: fast\n").fingerprint != first.fingerprint
    save_picture(desk.inbox / "d.style.png", seed=9)
    (desk.inbox / "d.yaml").write_text("preset: draft\ncontent: a.jpg\n")
    taken = claim.take(desk, claim.admit(desk, scan(desk)["d.yaml"]))
    assert taken is not None
    assert claim.copy(desk, taken).fingerprint != first.fingerprint


def test_the_job_carries_copies_names_and_weights(desk: Desk) -> None:
    """The worker sees our copies only, and the names that its messages should use."""
    entry = claimed(desk, text="style: [{image: a.style.png, weight: 3}]\n")
    job = claim.job(desk.config, entry)
    assert job.content is not None
    assert job.content.path.is_relative_to(layout.work(desk.config))
    assert (job.content.name, job.styles[0].name, job.styles[0].weight) == (
        "a.jpg",
        "a.style.png",
        3,
    )


def test_the_job_carries_the_picture_to_start_from(desk: Desk) -> None:
    """It is claimed, copied and hashed as every other input."""
    start = save_picture(desk.inbox / "sketch.png", seed=4)
    entry = claimed(desk, text="init: sketch.png\n")
    job = claim.job(desk.config, entry)
    assert job.start is not None
    assert job.start.name == "sketch.png"
    assert job.start.path.is_relative_to(layout.work(desk.config))
    assert job.start.path.read_bytes() == start.read_bytes()


def test_the_job_carries_the_masks(desk: Desk) -> None:
    """In the order in which the parameters name them; each copied and hashed as every input."""
    sky = save_picture(desk.inbox / "sky.png", seed=4)
    save_picture(desk.inbox / "sea.png", seed=5)
    entry = claimed(desk, text="content_mask: {sky: sky.png, sea: sea.png}\nstyle_mask: sky.png\n")
    job = claim.job(desk.config, entry)
    assert [mask.name for mask in job.masks] == ["sky.png", "sea.png"] == [*job.params.mask_files]
    assert job.masks[0].path.read_bytes() == sky.read_bytes()
    assert all(mask.path.is_relative_to(layout.work(desk.config)) for mask in job.masks)


def test_every_attempt_has_a_folder_of_its_own(desk: Desk) -> None:
    """Failures of the worker and deaths of the daemon both count."""
    entry = claimed(desk)
    first = claim.job(desk.config, entry).work
    entry = desk.ledger.advance(entry, attempts=1, crashes=2)
    assert claim.job(desk.config, entry).work == first.with_name("4")


def test_a_texture_has_no_content(desk: Desk) -> None:
    """`content: none` copies the style alone."""
    entry = claimed(desk, text="content: none\n")
    job = claim.job(desk.config, entry)
    assert job.content is None
    assert [one.name for one in job.styles] == ["a.style.png"]


def test_giving_back_undoes_a_claim(desk: Desk) -> None:
    """The inbox is as it was; no copy, folder or row is left, and its images are wanted there."""
    entry = claimed(desk, folder="deep")
    claim.give_back(desk, entry)
    assert tree(desk.inbox) == {f"deep/{name}" for name in ("a.yaml", "a.jpg", "a.style.png")}
    assert list(layout.work(desk.config).iterdir()) == []
    assert list(layout.claimed(desk.config).iterdir()) == []
    assert desk.ledger.entry(entry.job_id) is None
    assert all(desk.is_wanted_by_sidecar(one.source) for one in entry.inputs)


def test_giving_back_replaces_nothing(desk: Desk) -> None:
    """A sidecar of the same name that came meanwhile is a job of its own."""
    entry = claimed(desk)
    (desk.inbox / "a.yaml").write_text("priority: 3")
    claim.give_back(desk, entry)
    assert (desk.inbox / "a.yaml").read_text() == "priority: 3"
    assert (desk.inbox / f"a.{entry.job_id}.yaml").read_text() == "preset: draft\n"


def test_a_vanished_sidecar_is_no_job(desk: Desk) -> None:
    """Somebody took it back in time; no row is left."""
    entry = claim.admit(desk, candidate(desk))
    (desk.inbox / "a.yaml").unlink()
    assert claim.take(desk, entry) is None
    assert desk.ledger.entry(entry.job_id) is None
    assert list(layout.claimed(desk.config).iterdir()) == []


def test_a_replaced_sidecar_is_given_back(desk: Desk) -> None:
    """What was read isn't what was taken: the new version is for the next scan."""
    entry = claim.admit(desk, candidate(desk))
    (desk.inbox / "a.yaml").write_text("preset: quality\n")
    assert claim.take(desk, entry) is None
    assert (desk.inbox / "a.yaml").read_text() == "preset: quality\n"
    assert desk.ledger.entry(entry.job_id) is None


def test_a_vanished_image_is_named(desk: Desk) -> None:
    """The row is as it was: the caller decides what becomes of the job."""
    entry = queued(desk)
    (desk.inbox / "a.jpg").unlink()
    with pytest.raises(MissingInputError, match=r"a\.jpg: can't be read"):
        claim.copy(desk, entry)
    assert again(desk, entry).state is State.QUEUED


def test_an_image_that_became_a_link_is_not_followed(desk: Desk) -> None:
    """21. Swapping the file for a link between scan and claim gains nothing."""
    entry = queued(desk)
    secret = save_picture(desk.config.root / "secret.jpg")
    (desk.inbox / "a.jpg").unlink()
    (desk.inbox / "a.jpg").symlink_to(secret)
    with pytest.raises(MissingInputError):
        claim.copy(desk, entry)


def test_an_image_replaced_before_the_copy_is_used_as_it_is(desk: Desk) -> None:
    """The row then has the version that was copied, not the one that was scanned."""
    entry = queued(desk)
    save_picture(desk.inbox / "a.jpg", seed=7)
    entry = claim.copy(desk, entry)
    assert entry.inputs[0].identity == files.identity(desk.inbox / "a.jpg")
    assert entry.inputs[0].sha256 == files.sha256(desk.inbox / "a.jpg")


def test_no_room_for_copies_is_a_resource_problem(desk: Desk) -> None:
    """A work folder that refuses is no fault of the job's."""
    entry = queued(desk)
    layout.work(desk.config).rmdir()
    layout.work(desk.config).write_text("in the way")
    with pytest.raises(CannotWriteError):
        claim.copy(desk, entry)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EXDEV])
def test_a_folder_that_lets_nothing_out_is_named(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The sidecar stays where it is, and nothing half made is left."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    entry = claim.admit(desk, candidate(desk, folder="theirs"))
    monkeypatch.setattr(renaming, "no_replace", refuse)
    with pytest.raises(UntouchableError, match=r"a\.yaml"):
        claim.take(desk, entry)
    assert (desk.inbox / "theirs" / "a.yaml").exists()
    assert list(layout.claimed(desk.config).iterdir()) == []


def test_a_name_that_is_not_utf8_is_claimed_like_any_other(desk: Desk) -> None:
    """12. Names are bytes, from the inbox to the work folder."""
    name = os.fsdecode(b"caf\xe9\nnoir")
    entry = claimed(desk, name)
    assert os.fsencode(again(desk, entry).sidecar) == b"caf\xe9\nnoir.yaml"
    assert again(desk, entry) == entry


def test_putting_back_makes_the_folders_that_are_gone(desk: Desk, tmp_path: Path) -> None:
    """An owner may have tidied up since; the file comes back all the same."""
    (tmp_path / "a.jpg").write_bytes(b"x")
    layout_place = (desk.inbox / "gone/deep/a.jpg").relative_to(desk.inbox)
    assert claim.put_back(desk.inbox, tmp_path / "a.jpg", layout_place, "tag") == layout_place
    assert (desk.inbox / "gone/deep/a.jpg").read_bytes() == b"x"


def test_putting_back_never_leads_through_a_link(desk: Desk, tmp_path: Path) -> None:
    """21. A folder that was swapped for a link outside receives nothing."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "a.jpg").write_bytes(b"x")
    (desk.inbox / "sub").symlink_to(outside)
    place = (desk.inbox / "sub/a.jpg").relative_to(desk.inbox)
    with pytest.raises(CannotWriteError):
        claim.put_back(desk.inbox, tmp_path / "a.jpg", place, "tag")
    assert list(outside.iterdir()) == []
    assert (tmp_path / "a.jpg").exists()


def test_only_empty_folders_are_removed(tmp_path: Path) -> None:
    """A file that nobody expected keeps its folder."""
    (tmp_path / "x/empty/deep").mkdir(parents=True)
    (tmp_path / "x/full").mkdir()
    (tmp_path / "x/full/file").write_text("x")
    claim.remove_empty(tmp_path / "x")
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["full"]


def test_defaults_of_the_configuration_are_part_of_the_job(desk: Desk) -> None:
    """What a sidecar doesn't say is what the operator said."""
    configure(desk, defaults={"preset": "draft", "size": 96})
    drop(desk, text="# nothing\n")
    entry = claim.admit(desk, scan(desk)["a.yaml"])
    assert entry.params is not None
    assert (entry.params.preset, entry.params.size) == ("draft", 96)
