"""Claiming, releasing and recovering."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from claims import candidate, claimed, tree
from conftest import save_picture

from nstd.errors import CannotWriteError, InputChangedError, MissingInputError
from nstd.spool import claim, files, layout

if TYPE_CHECKING:
    from nstd.config import Config


def test_a_claim_takes_the_sidecar_and_copies_the_images(config: Config) -> None:
    """The sidecar leaves the inbox; the images stay, and the copies have their hashes."""
    found = claimed(config, folder="deep/er")
    inbox = config.folder("inbox")
    assert tree(inbox / "deep") == {"er/a.jpg", "er/a.style.png"}
    assert found.token == layout.claimed(config) / found.job_id / "deep/er/a.yaml"
    assert found.token.exists()
    for image in (found.content, *found.styles):
        assert image.copy.read_bytes() == image.source.read_bytes()
        assert image.sha256 == files.sha256(image.source)
    assert found.name == "deep/er/a"


def test_ids_are_unique_and_sorted_by_time() -> None:
    """A folder of ids lists in the order of the claims, to the second."""
    ids = [claim.new_id() for _ in range(100)]
    assert len(set(ids)) == 100
    stamps = [job_id.split("-")[0] for job_id in ids]
    assert sorted(stamps) == stamps


def test_an_image_used_twice_is_copied_once(config: Config) -> None:
    """A picture may be content and style of the same job."""
    wanted = candidate(config)
    wanted = dataclasses.replace(wanted, styles=(wanted.content,))
    found = claim.claim(wanted, config)
    assert found.styles[0] == found.content
    assert len(tree(layout.work(config) / found.job_id)) == 1


def test_the_job_carries_the_picture_to_start_from(config: Config) -> None:
    """It is claimed, copied and hashed as every other input."""
    wanted = candidate(config, text="init: sketch.png")
    start = save_picture(config.folder("inbox") / "sketch.png", seed=4)
    found = claim.claim(dataclasses.replace(wanted, start=start), config)
    job = claim.job(found, config)
    assert job.start is not None
    assert job.start.name == "sketch.png"
    assert job.start.path.is_relative_to(layout.work(config))
    assert job.start.path.read_bytes() == start.read_bytes()
    assert found.start in found.images


def test_the_job_carries_copies_names_and_weights(config: Config) -> None:
    """The worker sees our copies only, and the names that its messages should use."""
    text = "style: [{image: a.style.png, weight: 3}]"
    found = claimed(config, text=text)
    job = claim.job(found, config)
    assert job.content.path.is_relative_to(layout.work(config))
    assert (job.content.name, job.styles[0].name, job.styles[0].weight) == (
        "a.jpg",
        "a.style.png",
        3,
    )


def test_a_release_puts_everything_back(config: Config) -> None:
    """The inbox is as it was before the claim, and no copy is left."""
    wanted = candidate(config, folder="deep")
    before = tree(config.folder("inbox"))
    claim.release(claim.claim(wanted, config), config)
    assert tree(config.folder("inbox")) == before
    assert tree(layout.work(config)) == set()
    assert list(layout.claimed(config).iterdir()) == []


def test_a_release_replaces_nothing(config: Config) -> None:
    """A sidecar of the same name that came meanwhile is a job of its own."""
    found = claimed(config)
    (config.folder("inbox") / "a.yaml").write_text("priority: 3")
    claim.release(found, config)
    assert (config.folder("inbox") / "a.yaml").read_text() == "priority: 3"
    assert (config.folder("inbox") / f"a.{found.job_id}.yaml").read_text() == "preset: draft\n"


def test_recovery_undoes_what_a_dead_daemon_had_claimed(config: Config) -> None:
    """Sidecars go back to their own folders, private copies go."""
    claimed(config, "a")
    claimed(config, "b", folder="deep/er")
    restored = claim.recover(config)
    inbox = config.folder("inbox")
    assert set(restored) == {inbox / "a.yaml", inbox / "deep/er/b.yaml"}
    assert tree(layout.work(config)) == set()
    assert list(layout.claimed(config).iterdir()) == []


def test_a_vanished_sidecar_is_nobodys_fault(config: Config) -> None:
    """Somebody took it back in time; there is nothing to undo."""
    wanted = candidate(config)
    wanted.path.unlink()
    with pytest.raises(InputChangedError):
        claim.claim(wanted, config)
    assert tree(layout.claimed(config)) == set()


def test_a_vanished_image_undoes_the_claim(config: Config) -> None:
    """The sidecar is back in the inbox, where the next scan sees what is missing."""
    wanted = candidate(config)
    wanted.content.unlink()
    with pytest.raises(MissingInputError, match=r"a\.jpg: can't be read"):
        claim.claim(wanted, config)
    assert wanted.path.exists()
    assert tree(layout.work(config)) == set()


def test_an_image_that_became_a_link_is_not_followed(config: Config) -> None:
    """Swapping the file for a link between scan and claim gains nothing."""
    wanted = candidate(config)
    secret = save_picture(config.root / "secret.jpg")
    wanted.content.unlink()
    wanted.content.symlink_to(secret)
    with pytest.raises(MissingInputError):
        claim.claim(wanted, config)
    assert wanted.path.exists()


def test_no_room_for_copies_undoes_the_claim(config: Config) -> None:
    """A work folder that refuses is no fault of the job's."""
    wanted = candidate(config)
    layout.work(config).rmdir()
    layout.work(config).write_text("in the way")
    with pytest.raises(CannotWriteError):
        claim.claim(wanted, config)
    assert wanted.path.exists()
