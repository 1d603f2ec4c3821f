"""Results in the outbox."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
from jobs import again, configure, end, manifest, published, rendered, tree

from nstd.entry import State
from nstd.errors import CannotWriteError, NameTakenError
from nstd.spool import claim, crashpoint, files, layout, publish, renaming, steps
from nstd.spool.decide import Do
from nstd.spool.publish import short_stem

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.spool.desk import Desk


def outbox(desk: Desk) -> Path:
    """Find the outbox."""
    return desk.config.folder("outbox")


def test_result_and_manifest_appear_under_the_sidecars_name(desk: Desk) -> None:
    """The folder is kept, and nothing temporary is left."""
    entry = published(desk, folder="deep")
    assert tree(outbox(desk)) == {"deep/a.png", "deep/a.json"}
    assert entry.rendered is not None
    assert files.sha256(outbox(desk) / "deep/a.png") == entry.rendered.sha256
    assert json.loads((outbox(desk) / "deep/a.json").read_text()) == {"job_id": entry.job_id}
    assert again(desk, entry).state is State.PUBLISHED


def test_the_manifest_comes_last(desk: Desk) -> None:
    """It is what pipelines wait for: the result is there, whole, before it."""
    entry = publish.stage(desk, rendered(desk))
    assert entry.target is not None
    assert tree(outbox(desk)) == {entry.target.staged.name}
    entry = publish.place(desk, entry)
    assert tree(outbox(desk)) == {"a.png"}
    publish.tell(desk, entry, manifest)
    assert tree(outbox(desk)) == {"a.png", "a.json"}


def test_the_row_knows_the_names_before_they_are_taken(desk: Desk) -> None:
    """So that a crash between two renames leaves no doubt whose a file is."""
    entry = publish.stage(desk, rendered(desk))
    assert again(desk, entry) == entry
    assert entry.target is not None
    assert entry.target.identity == files.identity(entry.target.staged)
    assert (entry.target.final, entry.target.manifest) == (
        outbox(desk) / "a.png",
        outbox(desk) / "a.json",
    )


def test_the_sidecar_may_name_the_result(desk: Desk) -> None:
    """`output` replaces the sidecar's own stem."""
    published(desk, text="preset: draft\noutput: painted\n")
    assert tree(outbox(desk)) == {"painted.png", "painted.json"}


@pytest.mark.parametrize("taken", ["a.png", "a.json", "a.snapshots", "a.report.html"])
def test_a_taken_name_gets_a_suffix(desk: Desk, taken: str) -> None:
    """25. Picture, manifest, snapshots and report must all be free; nothing is overwritten."""
    (outbox(desk) / taken).write_text("mine")
    (outbox(desk) / "a-2.json").symlink_to("nowhere")
    entry = published(desk)
    assert entry.target is not None
    assert entry.target.final == outbox(desk) / "a-3.png"
    assert entry.target.manifest == outbox(desk) / "a-3.json"
    assert (outbox(desk) / taken).read_text() == "mine"


@pytest.mark.parametrize("taken", ["a.png", "a.json"])
def test_a_taken_name_may_be_the_jobs_end(desk: Desk, taken: str) -> None:
    """`on_conflict: fail` says which name and what to do, and leaves nothing behind."""
    configure(desk, on_conflict="fail")
    (outbox(desk) / taken).write_text("mine")
    with pytest.raises(NameTakenError, match=r"a\.yaml: output: a\.png or its manifest"):
        publish.stage(desk, rendered(desk))
    assert tree(outbox(desk)) == {taken}


def test_a_name_that_is_taken_after_it_was_chosen_is_given_up(desk: Desk) -> None:
    """25. The next free one is chosen; the other's file is untouched."""
    entry = publish.stage(desk, rendered(desk))
    (outbox(desk) / "a.png").write_text("mine")
    entry = publish.place(desk, entry)
    assert entry.target is not None
    assert entry.target.final.name == "a-2.png"
    assert again(desk, entry) == entry
    publish.place(desk, entry)
    assert (outbox(desk) / "a.png").read_text() == "mine"
    assert (outbox(desk) / "a-2.png").exists()


def test_a_manifests_name_that_is_taken_moves_the_result_too(desk: Desk) -> None:
    """Result and manifest keep the same stem, whatever came between them."""
    entry = publish.place(desk, publish.stage(desk, rendered(desk)))
    (outbox(desk) / "a.json").write_text("mine")
    entry = publish.tell(desk, entry, manifest)
    after, turn = steps.advance(desk, entry, manifest)
    assert turn is Do.CONFIRM
    assert after is not None
    assert tree(outbox(desk)) == {"a.json", "a-2.png", "a-2.json"}
    assert (outbox(desk) / "a.json").read_text() == "mine"


def test_a_late_conflict_may_be_the_jobs_end_too(desk: Desk) -> None:
    """With `on_conflict: fail` the result is taken back, and the failure removes it."""
    configure(desk, on_conflict="fail")
    entry = publish.place(desk, publish.stage(desk, rendered(desk)))
    (outbox(desk) / "a.json").write_text("mine")
    with pytest.raises(NameTakenError):
        publish.tell(desk, entry, manifest)
    publish.retract(again(desk, entry))
    assert tree(outbox(desk)) == {"a.json"}


def test_equal_results_are_not_mistaken_for_each_other(desk: Desk) -> None:
    """27. Two jobs chose one name before either had it; both results and manifests appear."""
    first = publish.stage(desk, rendered(desk, "a"))
    second = publish.stage(desk, rendered(desk, "b", text="preset: draft\noutput: a\n"))
    for entry in (second, first):
        _, turn = steps.advance(desk, entry, manifest)
        assert turn is Do.CONFIRM
    assert tree(outbox(desk)) == {"a.png", "a.json", "a-2.png", "a-2.json"}
    told = {
        json.loads((outbox(desk) / name).read_text())["job_id"] for name in ("a.json", "a-2.json")
    }
    assert told == {first.job_id, second.job_id}


def test_a_share_that_numbers_its_files_afresh_keeps_its_result(desk: Desk) -> None:
    """11. After a remount the content tells that the result was placed."""
    entry = publish.place(desk, publish.stage(desk, rendered(desk)))
    final = outbox(desk) / "a.png"
    data = final.read_bytes()
    (outbox(desk) / "copy").write_bytes(data)
    (outbox(desk) / "copy").replace(final)
    _, turn = steps.advance(desk, entry, manifest)
    assert turn is Do.CONFIRM
    assert tree(outbox(desk)) == {"a.png", "a.json"}


def test_a_second_name_that_stood_in_for_a_rename_goes(desk: Desk) -> None:
    """27. Cut off between link and unlink, on a file system without the system call."""
    entry = publish.stage(desk, rendered(desk))
    assert entry.target is not None
    os.link(entry.target.staged, entry.target.final)
    _, turn = steps.advance(desk, entry, manifest)
    assert turn is Do.CONFIRM
    assert tree(outbox(desk)) == {"a.png", "a.json"}


def test_a_damaged_copy_is_not_published(desk: Desk) -> None:
    """What was written is read back; if its hash is wrong, nothing appears."""
    entry = rendered(desk)
    assert entry.rendered is not None
    wrong = dataclasses.replace(entry, rendered=dataclasses.replace(entry.rendered, sha256="0"))
    with pytest.raises(CannotWriteError, match="reads back differently"):
        publish.stage(desk, wrong)
    assert tree(outbox(desk)) == set()


def test_an_outbox_that_refuses_is_a_resource_problem(desk: Desk) -> None:
    """The error says where, and the result is still in the work folder."""
    entry = rendered(desk)
    outbox(desk).rmdir()
    outbox(desk).write_text("in the way")
    with pytest.raises(CannotWriteError):
        publish.stage(desk, entry)
    with pytest.raises(CannotWriteError):
        publish.check_room(desk.config, entry)
    assert entry.rendered is not None
    assert entry.rendered.path.exists()


def test_asking_for_room_leaves_nothing(desk: Desk) -> None:
    """32. The outbox is tried before device time is spent."""
    publish.check_room(desk.config, rendered(desk, folder="deep"))
    assert tree(outbox(desk)) == set()


def test_long_names_are_cut_to_fit() -> None:
    """12. Every suffix that nstd adds fits the 255 bytes of a name."""
    assert len(short_stem("a" * 250)) == 200
    assert short_stem("harbour") == "harbour"
    assert short_stem("a" + 120 * "\u00e9").encode() == b"a" + 99 * "\u00e9".encode()


def test_a_long_name_is_published(desk: Desk) -> None:
    """12. 255 bytes with the sidecar's suffix."""
    name = "n" * 240
    published(desk, name)
    assert tree(outbox(desk)) == {f"{'n' * 200}.png", f"{'n' * 200}.json"}


def test_modes_are_those_that_were_asked_for(desk: Desk) -> None:
    """Of files and of new folders, whatever the umask; folders that were there keep theirs."""
    configure(desk, file_mode="0640", folder_mode="02770")
    (outbox(desk) / "theirs").mkdir(mode=0o755)
    before = os.umask(0o077)
    try:
        published(desk, folder="theirs/deep")
    finally:
        os.umask(before)

    def mode(name: str) -> int:
        return stat.S_IMODE((outbox(desk) / name).stat().st_mode)

    assert mode("theirs/deep/a.png") == mode("theirs/deep/a.json") == 0o640
    assert mode("theirs/deep") == 0o2770
    assert mode("theirs") == 0o755


def test_modes_are_the_umasks_unless_asked_for(desk: Desk) -> None:
    """As any program's files."""
    before = os.umask(0o027)
    try:
        published(desk)
    finally:
        os.umask(before)
    assert stat.S_IMODE((outbox(desk) / "a.png").stat().st_mode) == 0o640


def duplicate(desk: Desk) -> tuple[object, object]:
    """Publish a job, and a second one that points to the first one's result."""
    first = published(desk, "a")
    second = claim.render_again(desk, rendered(desk, "b"))
    assert first.rendered is not None
    assert first.target is not None
    result = dataclasses.replace(first.rendered, path=first.target.final)
    second = desk.ledger.advance(
        second, state=State.RENDERED, duplicate_of=first.job_id, rendered=result
    )
    return first, second


def test_a_duplicate_has_a_manifest_alone(desk: Desk) -> None:
    """24. It points to the other job's result."""
    _, second = duplicate(desk)
    after, turn = steps.advance(desk, second, manifest)  # type: ignore[arg-type]
    assert turn is Do.CONFIRM
    assert after is not None
    assert after.target is not None
    assert after.target.final == outbox(desk) / "a.png"
    assert tree(outbox(desk)) == {"a.png", "a.json", "b.json"}


def test_a_duplicates_manifest_overwrites_nothing(desk: Desk) -> None:
    """25. Its name is chosen anew when another file has it."""
    _, second = duplicate(desk)
    entry = publish._name_duplicate(desk, second)  # type: ignore[arg-type]
    (outbox(desk) / "b.json").write_text("mine")
    after, turn = steps.advance(desk, entry, manifest)
    assert turn is Do.CONFIRM
    assert after is not None
    assert tree(outbox(desk)) == {"a.png", "a.json", "b.json", "b-2.json"}
    assert (outbox(desk) / "b.json").read_text() == "mine"


def test_a_lost_result_is_made_again(desk: Desk) -> None:
    """A work folder that somebody emptied costs time, not the job."""
    entry = rendered(desk)
    assert entry.rendered is not None
    entry.rendered.path.unlink()
    after, turn = steps.advance(desk, entry, manifest)
    assert turn is Do.RENDER_AGAIN
    assert after is not None
    assert after.state is State.CLAIMED


def test_publishing_goes_on_where_the_system_call_is_unknown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hard links stand in."""
    monkeypatch.setattr(renaming, "_renameat2", lambda: None)
    entry = published(desk)
    assert tree(outbox(desk)) == {"a.png", "a.json"}
    end(desk, entry)
    assert tree(layout.work(desk.config)) == set()


def test_a_result_that_is_taken_at_once_is_published_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer may be quicker than the row; it must not find the same result again."""
    entry = rendered(desk)

    def consume(reached: str) -> None:
        if reached == "manifest_placed":
            for path in outbox(desk).iterdir():
                path.unlink()

    monkeypatch.setattr(crashpoint, "hook", consume)
    after, turn = steps.advance(desk, entry, manifest)
    assert turn is Do.CONFIRM
    assert after is not None
    assert after.state is State.PUBLISHED
    assert again(desk, entry).state is State.PUBLISHED
    end(desk, after)
    assert again(desk, entry).state is State.RETIRED
    assert tree(outbox(desk)) == set()
