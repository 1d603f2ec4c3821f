"""What the folders show."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from jobs import again, candidate, claimed, manifest, published, queued, rendered, scan

from nstd.entry import Fate, State
from nstd.errors import InboxAbsentError
from nstd.spool import claim, layout, look, publish, retire
from nstd.spool.decide import Original, Seen, Where

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.spool.desk import Desk


def test_a_sidecar_is_offered_until_it_is_taken(desk: Desk) -> None:
    """Afterwards it is a token."""
    entry = claim.admit(desk, candidate(desk))
    assert look.look(desk, entry) == Seen(offered=True)
    claim.take(desk, entry)
    assert look.look(desk, entry) == Seen(token=True)


def test_a_changed_sidecar_is_not_offered(desk: Desk) -> None:
    """It is another one."""
    entry = claim.admit(desk, candidate(desk))
    (desk.inbox / "a.yaml").write_text("preset: quality\n")
    assert look.look(desk, entry) == Seen()


def test_copies_are_all_or_none(desk: Desk) -> None:
    """One that is missing has to be made again."""
    entry = claimed(desk)
    assert look.look(desk, entry) == Seen(token=True, copies=True)
    (layout.work(desk.config) / entry.job_id / entry.inputs[1].copy).unlink()
    assert look.look(desk, entry) == Seen(token=True)


def test_a_result_on_its_way(desk: Desk) -> None:
    """In the work folder, staged, placed, told."""
    entry = rendered(desk)
    assert look.look(desk, entry) == Seen(result=True)
    entry = publish.stage(desk, entry)
    assert look.look(desk, entry) == Seen(result=True, staged=True)
    entry = publish.place(desk, entry)
    assert look.look(desk, entry) == Seen(result=True, placed=True)
    entry = publish.tell(desk, entry, manifest)
    assert look.look(desk, entry) == Seen(result=True, placed=True, manifest=True)


def test_a_staged_file_that_was_cut_short_is_none(desk: Desk) -> None:
    """It is written again from the work folder."""
    entry = publish.stage(desk, rendered(desk))
    assert entry.target is not None
    entry.target.staged.write_bytes(b"half")
    assert look.look(desk, entry) == Seen(result=True)


def test_somebody_elses_file_under_the_names_is_not_ours(desk: Desk) -> None:
    """25. Neither picture nor manifest."""
    entry = publish.stage(desk, rendered(desk))
    assert entry.target is not None
    save_picture(entry.target.final, seed=9)
    for other in ('{"job_id": "other"}', "[1]", "not JSON", ""):
        entry.target.manifest.write_text(other)
        assert look.look(desk, entry) == Seen(result=True, staged=True)


def test_a_manifest_is_read_to_a_limit(desk: Desk, tmp_path: Path) -> None:
    """Whoever put a huge file there doesn't fill our memory."""
    assert desk.inbox.exists()
    path = tmp_path / "a.json"
    path.write_text('{"job_id": "it"}')
    assert look.is_manifest_of(path, "it")
    path.write_text('{"job_id": "it"}' + " " * look._MANIFEST_BYTES)
    assert not look.is_manifest_of(path, "it")


def originals(desk: Desk, entry: object) -> tuple[Original, ...]:
    """Look at a job's images after a scan."""
    scan(desk)
    return look.look(desk, entry).originals  # type: ignore[arg-type]


def test_where_an_original_may_be(desk: Desk) -> None:
    """In its place; aside; aside and another version; gone; and seen to already."""
    entry = published(desk)
    assert originals(desk, entry) == (Original(Where.THERE), Original(Where.THERE))
    retire.set_aside(desk, entry, 0)
    assert originals(desk, entry)[0] == Original(Where.ASIDE)
    save_picture(layout.aside(desk.config, entry, Path("a.jpg")), seed=8)
    assert originals(desk, entry)[0] == Original(Where.OTHER_ASIDE)
    save_picture(desk.inbox / "a.style.png", seed=8)
    assert originals(desk, entry)[1] == Original(Where.GONE)
    entry = retire.lose(desk, entry, 1)
    assert again(desk, entry).inputs[1].fate is Fate.GONE
    assert originals(desk, entry)[1] == Original(Where.GONE)


def test_who_wants_an_original(desk: Desk) -> None:
    """23. A sidecar that waits in the inbox, then its job; never itself."""
    entry = published(desk)
    path = desk.inbox / "b.yaml"
    path.write_text("preset: draft\nstyle: a.style.png\ncontent: absent.jpg\n")
    desk.config = desk.config.model_copy(
        update={"limits": desk.config.limits.model_copy(update={"incomplete_seconds": 60.0})}
    )
    wanted = Original(Where.THERE, wanted_by_sidecar=True)
    assert originals(desk, entry) == (Original(Where.THERE), wanted)
    save_picture(desk.inbox / "absent.jpg")
    other = claim.take(desk, claim.admit(desk, scan(desk)["b.yaml"]))
    assert other is not None
    wanted = Original(Where.THERE, wanted_by_job=True)
    assert originals(desk, entry) == (Original(Where.THERE), wanted)


def slow_to_settle(desk: Desk) -> Config:
    """Configure it so that what was just dropped can't be read yet."""
    limits = desk.config.limits.model_copy(update={"incomplete_seconds": 60.0})
    return desk.config.model_copy(
        update={"settle_seconds": 60.0, "retire_grace_seconds": 60.0, "limits": limits}
    )


def test_a_sidecar_that_is_not_read_yet_may_want_anything(desk: Desk) -> None:
    """23. As long as it settles, every image of its folder and below is wanted."""
    entry = published(desk)
    (desk.inbox / "b.yaml").write_text("preset: draft\n")
    desk.config = slow_to_settle(desk)
    assert {one.may_be_wanted for one in originals(desk, entry)} == {True}


def test_a_sidecar_that_comes_too_late_wants_nothing(desk: Desk) -> None:
    """23. Or else a busy inbox, where some sidecar always settles, would keep every original."""
    entry = published(desk)
    desk.ended_at[entry.job_id] = time.monotonic() - 3600
    (desk.inbox / "b.yaml").write_text("preset: draft\n")
    desk.config = slow_to_settle(desk)
    assert {one.may_be_wanted for one in originals(desk, entry)} == {False}


def test_an_inbox_that_has_gone_shows_nothing(desk: Desk) -> None:
    """11. A share that isn't mounted is not an inbox whose files were all deleted."""
    entries = [queued(desk, "a"), published(desk, "b")]
    shutil.move(desk.inbox, desk.inbox.with_name("away"))
    desk.inbox.mkdir()
    for entry in entries:
        with pytest.raises(InboxAbsentError, match=r"write .* into .*marker"):
            look.look(desk, entry)
    running = desk.ledger.advance(entries[0], state=State.RUNNING)
    assert look.look(desk, running) == Seen()
