"""What a scan makes of an inbox."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from scanning import drop, paths, settled

from nstd.spool import files, notes

if TYPE_CHECKING:
    from collections.abc import Callable

    from clocks import Clock

    from nstd.spool.scan import Scanner


def test_a_pair_settles_together(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """One settle time after the first sight the job is ready, not one for each file."""
    drop(inbox)
    scanner = make_scanner()
    first = scanner.scan()
    assert first.settling
    assert not first.ready
    clock.now += 1.9
    assert not scanner.scan().ready
    clock.now += 0.1
    (candidate,) = scanner.scan().ready
    assert paths(candidate) == ["a.jpg", "a.style.png"]
    assert [source.role for source in candidate.sources] == ["content", "style"]
    assert candidate.sidecar is not None
    assert candidate.sidecar.params.preset == "draft"


@pytest.mark.parametrize("name", ["a.yaml", "a.jpg", "a.style.png"])
def test_a_growing_file_is_waited_for(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock, name: str
) -> None:
    """Whichever of the three still changes, the job waits until it has been still long enough."""
    drop(inbox)
    scanner = make_scanner()
    for _ in range(3):
        assert not scanner.scan().ready
        clock.now += 1.5
        with (inbox / name).open("ab") as file:
            file.write(b"\n")
    assert len(settled(scanner, clock).ready) == 1


@pytest.mark.parametrize("days", [-1, 1])
def test_modification_times_are_only_compared(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock, days: int
) -> None:
    """A file from yesterday or tomorrow settles like any other."""
    path = drop(inbox)
    moment = path.stat().st_mtime_ns + days * 86_400 * 10**9
    os.utime(path, ns=(moment, moment))
    assert len(settled(make_scanner(), clock).ready) == 1


def test_folders_are_searched_and_kept(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """Jobs may lie at any depth; a sidecar's names are relative to its own folder."""
    drop(inbox / "deep" / "er")
    (candidate,) = settled(make_scanner(), clock).ready
    assert candidate.path == Path("deep/er/a.yaml")
    assert paths(candidate) == ["deep/er/a.jpg", "deep/er/a.style.png"]


def test_priority_then_age_orders(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """Higher priority first; among equals, the older sidecar."""
    for age, (name, text) in enumerate(
        [
            ("young", "priority: 0"),
            ("old", ""),
            ("urgent", "priority: 9"),
            ("later", "priority: -1"),
        ]
    ):
        path = drop(inbox, name, text or "# nothing\n")
        moment = 10**18 - age * 10**12
        os.utime(path, ns=(moment, moment))
    names = [candidate.path.stem for candidate in settled(make_scanner(), clock).ready]
    assert names == ["urgent", "old", "young", "later"]


@pytest.mark.parametrize(
    "name",
    [
        ".a.yaml",
        "~a.yaml",
        "a.yaml~",
        "a.yaml.part",
        "a.yaml.tmp",
        "a.txt",
        ".nstd/a.yaml",
        "@eaDir/a.yaml",
        ".nfs0001.yaml",
        "._a.yaml",
    ],
)
def test_what_is_never_a_sidecar(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock, name: str
) -> None:
    """Temporary files, hidden ones and the daemon's own are passed over in silence."""
    path = inbox / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("preset: draft")
    scan = settled(make_scanner(), clock)
    assert (scan.ready, scan.rejected, scan.waiting) == ((), (), ())


def test_an_empty_sidecar_waits(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """A file of no bytes is one that somebody is about to write."""
    drop(inbox, text="")
    scan = settled(make_scanner(), clock)
    assert not scan.ready
    (waiting,) = scan.waiting
    assert waiting.reason == "the sidecar is empty; to take the defaults, write {} into it"
    assert not scan.settling


def test_an_empty_sidecar_keeps_nobody_elses_images(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """Once it has settled, it wants what has its name, and no other image of its folder."""
    drop(inbox, text="")
    save_picture(inbox / "another.jpg")
    scanner = make_scanner()
    assert scanner.scan().wanted.may_have(Path("another.jpg"), clock.now)
    wanted = settled(scanner, clock).wanted
    assert not wanted.may_have(Path("another.jpg"), clock.now)
    assert Path("a.jpg") in wanted.images


def test_a_large_sidecar_is_rejected_unread(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """The limit is on bytes, before any parsing."""
    drop(inbox, text="#" * 500)
    (rejection,) = settled(make_scanner(sidecar_bytes=499), clock).rejected
    assert "limits.sidecar_bytes" in rejection.failure.message


def test_an_invalid_sidecar_is_rejected_with_its_images(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """What lies beside it under its name goes with it."""
    path = drop(inbox, text="size: big")
    (rejection,) = settled(make_scanner(), clock).rejected
    assert inbox / rejection.candidate.path == path
    assert paths(rejection.candidate) == ["a.jpg", "a.style.png"]
    assert rejection.failure.key == "size"


def test_a_mistake_of_ours_concerns_one_sidecar(
    make_scanner: Callable[..., Scanner],
    inbox: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever one sidecar provokes, the others are ready."""
    drop(inbox, "bad")
    drop(inbox, "good")
    scanner = make_scanner()
    real = scanner._locate

    def stumble(path: Path, parsed: object) -> object:
        if path.stem == "bad":
            raise KeyError("unforeseen")
        return real(path, parsed)  # type: ignore[arg-type]

    monkeypatch.setattr(scanner, "_locate", stumble)
    scan = settled(scanner, clock)
    assert [candidate.path.stem for candidate in scan.ready] == ["good"]
    (rejection,) = scan.rejected
    assert rejection.failure.code == "internal"


def test_an_unchanged_sidecar_is_read_once(
    make_scanner: Callable[..., Scanner],
    inbox: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long queue is not parsed again at every scan; a changed sidecar is."""
    path = drop(inbox)
    scanner = make_scanner()
    reads = []
    real = notes.read
    monkeypatch.setattr(notes, "read", lambda at, path: (reads.append(path), real(at, path))[1])
    for _ in range(5):
        settled(scanner, clock)
    assert len(reads) == 1
    path.write_text("size: 99\n")
    (candidate,) = settled(scanner, clock).ready
    assert candidate.sidecar is not None
    assert candidate.sidecar.params.size == 99


def test_a_cancelled_sidecar_is_refused_unread(
    make_scanner: Callable[..., Scanner], inbox: Path
) -> None:
    """NAME.cancel ends it before it has settled; the file is told, for it may mean others too."""
    drop(inbox, text="size: big")
    (inbox / "a.cancel").touch()
    scan = make_scanner().scan()
    (rejection,) = scan.rejected
    assert rejection.failure.code == "cancelled"
    assert scan.cancels == (Path("a.cancel"),)


def test_a_sidecar_that_may_not_be_opened_is_refused_or_waits(
    make_scanner: Callable[..., Scanner],
    inbox: Path,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """22. By its rights it fails; for want of descriptors, which is no fault of its, it waits."""
    drop(inbox)
    scanner = make_scanner()
    with monkeypatch.context() as patched:
        patched.setattr(files, "read_bounded", refuse(errno.EACCES))
        (rejection,) = settled(scanner, clock).rejected
        assert "can't be read: Permission denied" in rejection.failure.message
    monkeypatch.setattr(scanner, "_check_image", refuse(errno.EMFILE))
    scan = scanner.scan()
    assert [waiting.reason for waiting in scan.waiting] == ["can't be read: Too many open files"]
    assert scan.wanted.unread.keys() == {Path()}


def refuse(code: int) -> Callable[..., None]:
    """Make a function that fails as the system does."""

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


def test_names_that_are_not_utf8_are_listed(
    make_scanner: Callable[..., Scanner], inbox: Path, clock: Clock
) -> None:
    """A name is bytes to the file system, and so to the scan."""
    drop(inbox, os.fsdecode(b"caf\xe9\nnoir"))
    (candidate,) = settled(make_scanner(), clock).ready
    assert os.fsencode(candidate.path.name) == b"caf\xe9\nnoir.yaml"
