"""Images and names that several jobs share; what becomes of originals (ACCEPTANCE 23 to 25)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from daemon_process import DaemonProcess, drop
from folders import manifest, names, reason, run_once, running, until, visible

from nstd.spool import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONG = "preset: fast\niterations: 300\n"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Share one daemon among the tests that leave it as it was."""
    root = tmp_path_factory.mktemp("sharing")
    save_picture(root / "library" / "starry.png", seed=5)
    save_picture(root / "library" / "sub" / "wave.jpg", seed=6)
    with running(root, settings={"styles": [str(root / "library")]}) as process:
        yield process


@pytest.fixture
def inbox(daemon: DaemonProcess) -> Path:
    """Lend the shared daemon's inbox."""
    return daemon.root / "inbox"


def test_two_sidecars_may_share_all_their_images(daemon: DaemonProcess, inbox: Path) -> None:
    """23. Both run; content and style are retired once, with the last."""
    folder = inbox / "shared"
    save_picture(folder / "sea.jpg")
    save_picture(folder / "paint.png", seed=1)
    hashes = {path.name: files.sha256(path) for path in folder.iterdir()}
    (folder / "one.yaml").write_text("content: sea.jpg\nstyle: paint.png\n")
    (folder / "two.yaml").write_text("content: sea.jpg\nstyle: paint.png\npreset: fast\n")
    for name in ("one", "two"):
        daemon.wait_for("job.retired", name=f"shared/{name}")
        assert manifest(daemon.root, f"shared/{name}")["content"]["sha256"] == hashes["sea.jpg"]
    assert names(folder) == set()
    done = visible(daemon.root / "done" / "shared")
    assert {"one.yaml", "two.yaml"} | hashes.keys() == done.keys()
    assert hashes.items() <= done.items()


def test_an_image_stays_while_a_sidecar_wants_it(daemon: DaemonProcess, inbox: Path) -> None:
    """23. A job that is still to come, or incomplete, keeps what it shares in the inbox."""
    folder = inbox / "kept"
    save_picture(folder / "sea.jpg")
    save_picture(folder / "paint.png", seed=1)
    (folder / "later.yaml").write_text("content: sea.jpg\nstyle: not-yet.png\n")
    (folder / "now.yaml").write_text("content: sea.jpg\nstyle: paint.png\n")
    daemon.wait_for("job.done", name="kept/now")
    time.sleep(0.4)
    assert (folder / "sea.jpg").exists()
    save_picture(folder / "not-yet.png", seed=2)
    daemon.wait_for("job.retired", name="kept/later")
    daemon.wait_for("job.retired", name="kept/now")
    assert names(folder) == set()
    assert manifest(daemon.root, "kept/later")["attempt"] == 1


def test_a_failed_job_takes_copies_of_what_others_want(daemon: DaemonProcess, inbox: Path) -> None:
    """23. failed/ has the whole set, to be moved back at once, and the other job runs."""
    folder = inbox / "half"
    save_picture(folder / "sea.jpg")
    save_picture(folder / "paint.png", seed=1)
    shared = "content: sea.jpg\nstyle: paint.png\n"
    (folder / "good.yaml").write_text(shared + LONG)
    daemon.wait_for("job.started", name="half/good")
    drop(folder, "bad", "content: bad.jpg\nstyle: paint.png\n")
    (folder / "bad.jpg").write_bytes(bytes(5000))
    (folder / "bad.style.png").unlink()
    daemon.wait_for("job.retired", name="half/bad")
    assert names(daemon.root / "failed" / "half") >= {"bad.yaml", "bad.jpg", "paint.png"}
    daemon.wait_for("job.retired", name="half/good")
    assert names(folder) == set()
    assert names(daemon.root / "done" / "half") == {"good.yaml", "sea.jpg", "paint.png"}


def test_a_refused_sidecars_images_go_with_it(daemon: DaemonProcess, inbox: Path) -> None:
    """23. Its own wish for them keeps nothing in the inbox; of what two share, both have a copy."""
    folder = inbox / "both"
    drop(folder, "a", "content: a.jpg\nstyle: paint.png\n")
    (folder / "a.style.png").rename(folder / "paint.png")
    (folder / "a.jpg").write_bytes(bytes(5000))
    (folder / "b.yaml").write_text("content: a.jpg\nstyle: paint.png\n")
    for name in ("a", "b"):
        daemon.wait_for("job.retired", name=f"both/{name}")
    assert names(folder) == set()
    failed = [path.rpartition("/")[2] for path in visible(daemon.root / "failed" / "both")]
    assert {"a.yaml", "b.yaml"} <= set(failed)
    assert [failed.count(name) for name in ("a.jpg", "paint.png")] == [2, 2]


def test_the_library_lends_its_styles(daemon: DaemonProcess, inbox: Path) -> None:
    """23. `styles:` is looked in for what doesn't lie beside the sidecar; nothing leaves it."""
    library = daemon.root / "library"
    before = visible(library)
    for name, style in {"lent": "starry.png", "below": "sub/wave.jpg"}.items():
        save_picture(inbox / f"{name}.jpg")
        (inbox / f"{name}.yaml").write_text(f"style: {style}\n")
        daemon.wait_for("job.retired", name=name)
        told = manifest(daemon.root, name)["styles"]
        assert [one["sha256"] for one in told] == [before[style]]
    assert visible(library) == before
    done = names(daemon.root / "done")
    assert {"lent.yaml", "lent.jpg", "below.yaml", "below.jpg"} <= done
    assert not done & {"starry.png", "sub"}


def test_what_lies_beside_comes_before_the_library(daemon: DaemonProcess, inbox: Path) -> None:
    """23. A style of the same name beside the sidecar is meant."""
    style = save_picture(inbox / "own" / "starry.png", seed=9)
    digest = files.sha256(style)
    save_picture(inbox / "own" / "a.jpg")
    (inbox / "own" / "a.yaml").write_text("style: starry.png\n")
    daemon.wait_for("job.retired", name="own/a")
    assert manifest(daemon.root, "own/a")["styles"][0]["sha256"] == digest
    assert (daemon.root / "done" / "own" / "starry.png").exists()


def test_a_failed_job_leaves_the_library_alone(daemon: DaemonProcess, inbox: Path) -> None:
    """23. Its style needs no copy in failed/: it is where it always is."""
    drop(inbox / "lender", "a", "style: starry.png\n")
    (inbox / "lender" / "a.style.png").unlink()
    (inbox / "lender" / "a.jpg").write_bytes(bytes(5000))
    daemon.wait_for("job.retired", name="lender/a")
    failed = names(daemon.root / "failed" / "lender")
    assert failed == {"a.yaml", "a.jpg", "a.reason.txt", "a.reason.json"}
    assert (daemon.root / "library" / "starry.png").exists()


def test_the_same_job_again_runs_again(daemon: DaemonProcess, inbox: Path) -> None:
    """24. By default; the log says that it is a duplicate, and of which job."""
    for _ in range(2):
        drop(inbox / "twice", "a", seed=3)
        daemon.wait_for("job.retired", count=1 + ("a-2.png" in names(daemon.root)), name="twice/a")
        until(lambda: not (inbox / "twice" / "a.yaml").exists())
    daemon.wait_for("job.retired", count=2, name="twice/a")
    line = daemon.wait_for("job.duplicate", name="twice/a")
    assert line["policy"] == "rerun"
    first, second = (manifest(daemon.root, f"twice/{name}") for name in ("a", "a-2"))
    assert line["duplicate_of"] == first["job_id"]
    assert "duplicate_of" not in second
    assert first["output"]["sha256"] == second["output"]["sha256"]


def test_a_duplicate_may_be_skipped(tmp_path: Path) -> None:
    """24. `on_duplicate: skip`: a manifest that points to the earlier result; another job isn't."""
    settings = {"on_duplicate": "skip"}
    with running(tmp_path, settings=settings) as daemon:
        for name in ("first", "again"):
            drop(tmp_path / "inbox" / name, "a", "preset: fast\niterations: 4\n", seed=3)
            line = daemon.wait_for("job.done", name=f"{name}/a")
            daemon.wait_for("job.retired", name=f"{name}/a")
        first, again = (manifest(tmp_path, f"{name}/a") for name in ("first", "again"))
        assert again["duplicate_of"] == line["duplicate_of"] == first["job_id"]
        assert again["output"]["name"] == "../first/a.png"
        assert names(tmp_path / "outbox" / "again") == {"a.json"}
        assert names(tmp_path / "done" / "again") == {"a.yaml", "a.jpg", "a.style.png"}
        drop(tmp_path / "inbox" / "other", "a", "preset: fast\niterations: 4\nseed: 1\n", seed=3)
        daemon.wait_for("job.done", name="other/a")
        assert "duplicate_of" not in manifest(tmp_path, "other/a")
        (tmp_path / "outbox" / "first" / "a.png").unlink()
        (tmp_path / "outbox" / "other" / "a.png").unlink()
        drop(tmp_path / "inbox" / "lost", "a", "preset: fast\niterations: 4\n", seed=3)
        daemon.wait_for("job.done", name="lost/a")
        assert "duplicate_of" not in manifest(tmp_path, "lost/a"), "its result is gone"


@pytest.mark.parametrize("taken", ["a.png", "a.json", "a.snapshots"])
def test_an_output_never_overwrites(daemon: DaemonProcess, inbox: Path, taken: str) -> None:
    """25. Whoever's the file is that has the result's, the manifest's or the snapshots' name."""
    place = taken.replace(".", "-")
    outbox = daemon.root / "outbox" / place
    outbox.mkdir(parents=True)
    (outbox / taken).write_text("somebody's")
    drop(inbox / place, "a", "preset: fast\niterations: 4\nsnapshots: 2\n")
    daemon.wait_for("job.done", name=f"{place}/a")
    assert (outbox / taken).read_text() == "somebody's"
    assert names(outbox) == {taken, "a-2.png", "a-2.json", "a-2.snapshots"}


def test_formats_share_one_manifest_name(daemon: DaemonProcess, inbox: Path) -> None:
    """25. a.png and a.jpg would both have a.json, so that the second is a-2.jpg."""
    for form in ("png", "jpeg"):
        drop(inbox / "forms", form, f"output: a\nformat: {form}\n")
        daemon.wait_for("job.done", name=f"forms/{form}")
    assert names(daemon.root / "outbox" / "forms") == {"a.png", "a.json", "a-2.jpg", "a-2.json"}


def test_a_taken_name_may_fail(tmp_path: Path) -> None:
    """25. `on_conflict: fail`: the job is quarantined, with the key to change."""
    drop(tmp_path / "inbox", "a")
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "a.json").write_text("{}")
    assert run_once(tmp_path, settings={"on_conflict": "fail"})[0] == 1
    told = reason(tmp_path, "a")
    assert (told["code"], told["key"]) == ("name_taken", "output")
    assert visible(tmp_path / "outbox").keys() == {"a.json"}
    assert (tmp_path / "outbox" / "a.json").read_text() == "{}"
    assert names(tmp_path / "failed") >= {"a.yaml", "a.jpg", "a.style.png"}


@pytest.mark.parametrize("policy", ["keep", "delete"])
def test_originals_may_be_kept_or_deleted(tmp_path: Path, policy: str) -> None:
    """23. Kept: only the sidecar goes to done/, and nothing runs twice. Deleted: all of it."""
    inbox, images = tmp_path / "inbox", {"a.jpg", "a.style.png"}
    with running(tmp_path, settings={"originals": policy}) as daemon:
        drop(inbox, "a")
        daemon.wait_for("job.retired", name="a")
        drop(inbox, "bad", "sise: 3\n")
        daemon.wait_for("job.retired", name="bad")
        assert names(inbox) == (images if policy == "keep" else set())
        assert names(tmp_path / "done") == ({"a.yaml"} if policy == "keep" else set())
        failed = names(tmp_path / "failed")
        assert failed >= {"bad.yaml", "bad.jpg", "bad.style.png"}, "failures are never deleted"
        (inbox / "b.yaml").write_text("content: a.jpg\nstyle: a.style.png\n")
        if policy == "keep":
            daemon.wait_for("job.retired", name="b")
            assert names(inbox) == images
    assert daemon.count("job.started") == (2 if policy == "keep" else 1)


def test_a_replaced_original_is_not_deleted(tmp_path: Path) -> None:
    """23. `originals: delete` means the version that was painted, and no other."""
    with running(tmp_path, settings={"originals": "delete"}) as daemon:
        drop(tmp_path / "inbox", "a", "preset: fast\niterations: 50\n")
        daemon.wait_for("job.started", name="a")
        new = save_picture(tmp_path / "inbox" / "a.jpg", seed=8).read_bytes()
        daemon.wait_for("job.retired", name="a")
        assert names(tmp_path / "inbox") == {"a.jpg"}
        assert (tmp_path / "inbox" / "a.jpg").read_bytes() == new


def test_retention_deletes_what_was_filed_and_nothing_else(tmp_path: Path) -> None:
    """23. After `retain_days` done/ and failed/ lose what nstd put there; replaced files stay."""
    drop(tmp_path / "inbox" / "sub", "a")
    drop(tmp_path / "inbox", "bad", "sise: 3\n")
    assert run_once(tmp_path)[0] == 1
    done, failed = tmp_path / "done", tmp_path / "failed"
    (done / "sub" / "mine.jpg").write_text("somebody's")
    (done / "sub" / "a.jpg").unlink()
    (done / "sub" / "other.jpg").write_text("put in its place")
    (done / "sub" / "other.jpg").rename(done / "sub" / "a.jpg")
    time.sleep(1.0)
    settings = {"retain_days": {"done": 0.5 / 86_400, "failed": None}}
    assert run_once(tmp_path, settings=settings)[0] == 0
    assert names(done / "sub") == {"mine.jpg", "a.jpg"}
    assert names(failed) >= {"bad.yaml", "bad.jpg", "bad.style.png", "bad.reason.txt"}
    assert run_once(tmp_path, settings={"retain_days": {"failed": 0.5 / 86_400}})[0] == 0
    assert names(failed) == set()
    assert names(tmp_path / "outbox" / "sub") == {"a.png", "a.json"}, "results are never deleted"


def test_a_cancel_file_stops_a_job_wherever_it_is(daemon: DaemonProcess, inbox: Path) -> None:
    """23. Before the claim, queued, or running: to failed/ with code `cancelled`; not after."""
    folder = inbox / "cancel"
    folder.mkdir()
    drop(folder, "running", LONG + "priority: 5\n")
    daemon.wait_for("job.started", name="cancel/running")
    drop(folder, "queued", LONG)
    daemon.wait_for("job.claimed", name="cancel/queued")
    (folder / "before.cancel").touch()
    drop(folder, "before")
    for name in ("queued", "running"):
        (folder / f"{name}.cancel").touch()
    for name in ("before", "queued", "running"):
        daemon.wait_for("job.retired", name=f"cancel/{name}", state="cancelled")
        assert reason(daemon.root, f"cancel/{name}")["code"] == "cancelled"
        failed = names(daemon.root / "failed" / "cancel")
        assert failed >= {f"{name}.yaml", f"{name}.jpg", f"{name}.style.png"}
    drop(folder, "after")
    daemon.wait_for("job.done", name="cancel/after")
    (folder / "after.cancel").touch()
    daemon.wait_for("job.retired", name="cancel/after", state="retired")
    until(lambda: names(folder) == set())
    assert names(daemon.root / "outbox" / "cancel") == {"after.png", "after.json"}
    assert "after.yaml" in names(daemon.root / "done" / "cancel")


def test_a_corrected_job_comes_back_from_failed(daemon: DaemonProcess, inbox: Path) -> None:
    """23. The set is moved back as it is, reason files and all, which are never inputs."""
    drop(inbox / "typo", "a", "sise: 64\n")
    daemon.wait_for("job.retired", name="typo/a")
    failed = daemon.root / "failed" / "typo"
    (failed / "a.yaml").write_text("size: 64\n")
    for path in list(failed.iterdir()):
        path.rename(inbox / "typo" / path.name)
    daemon.wait_for("job.done", name="typo/a")
    daemon.wait_for("job.retired", count=2, name="typo/a")
    assert names(inbox / "typo") == {"a.reason.txt", "a.reason.json"}
    assert manifest(daemon.root, "typo/a")["parameters"]["size"] == 64


def test_the_status_file_tells_what_is_going_on(tmp_path: Path) -> None:
    """5. STATUS.txt: what runs, what waits, what is incomplete, what failed and why."""
    inbox, status = tmp_path / "inbox", tmp_path / "inbox" / "STATUS.txt"
    with running(tmp_path, incomplete_seconds=60) as daemon:
        drop(inbox, "good")
        drop(inbox, "bad", "sise: 3\n")
        daemon.wait_for("job.retired", count=2)
        drop(inbox, "long", "preset: fast\niterations: 1200\npriority: 1\n")
        daemon.wait_for("job.started", name="long")
        drop(inbox, "next")
        drop(inbox, "early", "style: late.png\n")
        daemon.wait_for("scan.waiting", sidecar="early.yaml")
        until(lambda: "early.yaml: late.png is not there" in status.read_text())
        text = status.read_text()
        (inbox / "long.cancel").touch()
        daemon.wait_for("job.retired", name="next")
        until(lambda: "Done: 2" in status.read_text())
    assert "  long on cpu: " in text
    assert " of 1200 iterations, about " in text
    assert "Waiting: 1 job\n  next\n" in text
    assert "Incomplete: 1\n  early.yaml: late.png is not there\n" in text
    assert "Failed: 1\n  bad: bad.yaml: sise: unknown key" in text
    assert "Done: 1\n" in text
    assert "nstd is stopped; 0 jobs will go on when it starts." in status.read_text()
    assert json.loads((tmp_path / "outbox" / "next.json").read_text())["name"] == "next"
