"""Where the user's own files end up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from claims import claimed, tree
from conftest import save_picture

from nstd.domain import Failure
from nstd.errors import CannotWriteError, ImageError
from nstd.spool import retire
from nstd.spool.retire import Belongings
from nstd.spool.scan import Rejection

if TYPE_CHECKING:
    from nstd.config import Config

FAILURE = Failure.of(ImageError("is damaged", file="a.jpg", remedy="save it again"))


def test_originals_go_to_done_with_their_folder(config: Config) -> None:
    """Sidecar and images are together again, under their own names."""
    claim = claimed(config, folder="deep/er")
    retire.retire(Belongings.of_claim(claim), config, wanted=())
    assert tree(config.folder("done")) == {
        f"deep/er/{name}" for name in ("a.yaml", "a.jpg", "a.style.png")
    }
    assert tree(config.folder("inbox") / "deep") == set()


def test_an_image_that_others_want_stays(config: Config) -> None:
    """Only the last job takes a shared image with it."""
    claim = claimed(config)
    style = claim.styles[0].source
    retire.retire(Belongings.of_claim(claim), config, wanted={style})
    assert style.exists()
    assert tree(config.folder("done")) == {"a.yaml", "a.jpg"}


def test_an_image_replaced_since_the_claim_stays(config: Config) -> None:
    """A different file under the same name is a new input."""
    claim = claimed(config)
    save_picture(claim.content.source, seed=7)
    retire.retire(Belongings.of_claim(claim), config, wanted=())
    assert claim.content.source.exists()
    assert tree(config.folder("done")) == {"a.yaml", "a.style.png"}


def test_the_same_name_again_gets_a_folder(config: Config) -> None:
    """Files keep their names, because the sidecar refers to its images by them."""
    for _ in range(2):
        claim = claimed(config)
        retire.retire(Belongings.of_claim(claim), config, wanted=())
    names = {"a.yaml", "a.jpg", "a.style.png"}
    assert tree(config.folder("done")) == names | {f"{claim.job_id}/{name}" for name in names}


def test_quarantine_says_why(config: Config) -> None:
    """Beside the files: a paragraph for people, and the same as JSON."""
    claim = claimed(config, folder="deep")
    reason = retire.quarantine(Belongings.of_claim(claim), FAILURE, config, wanted=())
    assert reason == config.folder("failed") / "deep/a.reason.txt"
    assert reason.read_text() == "a.jpg: is damaged. Save it again.\n"
    facts = json.loads(reason.with_suffix(".json").read_text())
    assert facts["job_id"] == claim.job_id
    assert facts["code"] == "image"
    assert facts["disposition"] == "quarantine"
    assert tree(config.folder("failed") / "deep") == {
        "a.yaml",
        "a.jpg",
        "a.style.png",
        "a.reason.txt",
        "a.reason.json",
    }


def test_quarantine_copies_what_others_want(config: Config) -> None:
    """The failed job's set is whole, and the other job's image is where it was."""
    claim = claimed(config)
    style = claim.styles[0].source
    retire.quarantine(Belongings.of_claim(claim), FAILURE, config, wanted={style})
    assert style.exists()
    assert (config.folder("failed") / "a.style.png").read_bytes() == style.read_bytes()


def test_a_rejected_sidecar_takes_what_lies_beside_it(config: Config) -> None:
    """A job that never was one ends in failed/ just the same."""
    inbox = config.folder("inbox")
    image = save_picture(inbox / "in/b.jpg")
    (inbox / "b.yaml").write_text("size: big")
    rejection = Rejection(inbox / "b.yaml", Path(), (image,), FAILURE)
    retire.quarantine(Belongings.of_rejection(rejection), FAILURE, config, wanted=())
    assert {"b.yaml", "in/b.jpg", "b.reason.txt"} <= tree(config.folder("failed"))
    assert tree(inbox) == set()


def test_a_quarantined_set_can_be_moved_back_whole(config: Config) -> None:
    """Names and folders are those of the submission, also the second time."""
    for _ in range(2):
        claim = claimed(config)
        reason = retire.quarantine(Belongings.of_claim(claim), FAILURE, config, wanted=())
    assert reason.parent == config.folder("failed") / claim.job_id
    assert {"a.yaml", "a.jpg", "a.style.png"} < tree(reason.parent)


def test_a_quarantine_that_was_refused_can_be_repeated(config: Config) -> None:
    """When there is room again the second try finds the first one's place and completes it."""
    claim = claimed(config)
    belongings = Belongings.of_claim(claim)
    failed = config.folder("failed")
    (failed / ".a.style.png.copying").mkdir()  # the copy of the shared style is refused
    wanted = {claim.styles[0].source}
    with pytest.raises(CannotWriteError):
        retire.quarantine(belongings, FAILURE, config, wanted=wanted)
    assert claim.token.exists(), "the sidecar is moved last"
    (failed / ".a.style.png.copying").rmdir()
    reason = retire.quarantine(Belongings.of_claim(claim), FAILURE, config, wanted=wanted)
    assert reason.parent == failed
    assert tree(failed) == {"a.yaml", "a.jpg", "a.style.png", "a.reason.txt", "a.reason.json"}


def test_a_reason_is_never_overwritten(config: Config) -> None:
    """Two jobs whose sidecars differ in their suffix alone have a reason each."""
    inbox = config.folder("inbox")
    inbox.mkdir(parents=True, exist_ok=True)
    reasons = set()
    for suffix in ("yaml", "yml"):
        path = inbox / f"a.{suffix}"
        path.write_text("size: big")
        rejection = Rejection(path, Path(), (), FAILURE)
        reasons.add(
            retire.quarantine(Belongings.of_rejection(rejection), FAILURE, config, wanted=())
        )
    assert len(reasons) == 2
    assert all(reason.exists() for reason in reasons)
