"""Sidecars that strangers write: bombs, tags, mistakes, ways out (ACCEPTANCE 18 to 21)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import save_picture
from daemon_process import DaemonProcess, drop
from flipping import Flipping
from folders import blocks, names, peak, reason, running
from PIL import Image, PngImagePlugin

if TYPE_CHECKING:
    from collections.abc import Iterator

MEBIBYTE = 2**20
# What the supervisor may grow by, whatever a sidecar holds.
GROWTH = 24 * MEBIBYTE
MARK = b"the secret's own words"
MAGENTA = (255, 0, 255)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Share one daemon among the tests that leave it as it was."""
    with running(tmp_path_factory.mktemp("sidecars")) as process:
        drop(process.root / "inbox", "first")  # imports and caches are filled once
        drop(process.root / "inbox", "wrong", "sise: 3\n")
        process.wait_for("job.retired", count=2)
        yield process


@pytest.fixture
def inbox(daemon: DaemonProcess) -> Path:
    """Lend the shared daemon's inbox."""
    return daemon.root / "inbox"


def refused(daemon: DaemonProcess, name: str) -> str:
    """Wait until a sidecar is refused with all that belongs to it; returns what is said."""
    daemon.wait_for("job.retired", name=name)
    told = reason(daemon.root, name)
    assert told["code"] == "sidecar"
    assert told["file"] == f"{Path(name).name}.yaml"
    folder = daemon.root / "failed" / Path(name).parent
    assert names(folder) >= {Path(f"{name}{end}").name for end in (".yaml", ".jpg", ".style.png")}
    assert not [one for one in names(daemon.root / "inbox") if one.startswith(name)]
    return str(told["message"])


def laughs() -> str:
    """A billion of them in ten lines, for whoever follows aliases."""
    tens = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 10)]
    return "\n".join([f"a0: &a0 [{', '.join(['lol'] * 10)}]", *tens])


BOMBS = {
    "aliases": (laughs(), "aliases are not allowed (line 2"),
    "merge": ("a: &a {size: 64}\nb: {<<: *a}\n", "aliases are not allowed (line 2"),
    "itself": ("content: &a [*a]\n", "aliases are not allowed (line 1"),
    "nesting": ("content: " + "[" * 30_000, "nested deeper than 16 levels"),
    "mappings": ("content: " + "{a: " * 15_000, "nested deeper than 16 levels"),
    "keys": ("? - " * 15_000, "nested deeper than 16 levels"),
    "digits": (f"size: {'9' * 60_000}", "not valid YAML"),
    "hexadecimal": (f"size: 0x{'f' * 60_000}", "size: should be from 16 to 32768 pixels"),
    "sexagesimal": (f"priority: {':'.join(['59'] * 20_000)}", "priority"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_yaml_bomb_is_refused(daemon: DaemonProcess, inbox: Path, name: str) -> None:
    """18. Aliases, nesting and huge numbers cost neither memory nor a mistake of ours."""
    before = peak(daemon.process.pid)
    text, clause = BOMBS[name]
    drop(inbox, name, text)
    assert clause in refused(daemon, name)
    assert peak(daemon.process.pid) - before < GROWTH


def test_a_huge_sidecar_is_refused_unparsed(daemon: DaemonProcess, inbox: Path) -> None:
    """19. 50 MB, valid YAML throughout: the cap is on bytes, and is named."""
    before = peak(daemon.process.pid)
    drop(inbox, "huge", "# a comment of no importance\n" * (50 * MEBIBYTE // 29))
    assert (inbox / "huge.yaml").stat().st_size > 50_000_000
    assert "larger than 65536 bytes (limits.sidecar_bytes)" in refused(daemon, "huge")
    assert peak(daemon.process.pid) - before < GROWTH


WRONG = {
    "python_tag": ("size: !!python/object/apply:os.system ['touch /tmp/pwned']\n", ["size", "tag"]),
    "python_name": ("preset: !!python/name:os.system\n", ["preset", "tag"]),
    "own_tag": ("content: !include /etc/passwd\n", ["content", "tag"]),
    "binary": ("content: !!binary AAAA\n", ["content"]),
    "set": ("style: !!set {a, b}\n", ["style"]),
    "twice": ("size: 64\nsize: 128\n", ["size", "stands there twice", "line 2"]),
    "unknown": ("colour: red\n", ["colour", "unknown key"]),
    "near": ("sise: 64\n", ["sise", "did you mean 'size'?"]),
    "type": ("size: large\n", ["size", "whole number"]),
    "truth": ("size: yes\n", ["size", "whole number"]),
    "list": ("preset: [fast]\n", ["preset"]),
    "not_a_number": ("content_weight: .nan\n", ["content_weight", "finite"]),
    "infinite": ("style_weight: .inf\n", ["style_weight"]),
    "negative": ("tv_weight: -1\n", ["tv_weight", "greater than or equal to 0"]),
    "zero_weight": ("style: [{image: zero_weight.style.png, weight: 0}]\n", ["style.0.weight"]),
    "no_styles": ("style: []\n", ["style"]),
    "number_key": ("1: 2\n", ["keys must be words"]),
    "a_list": ("- size\n", ["`key: value`"]),
    "a_word": ("size\n", ["`key: value`"]),
    "two_documents": ("size: 64\n---\nsize: 64\n", ["not valid YAML"]),
    "half_a_character": ('output: "\\uD800"\n', ["half of a surrogate pair", "line 1"]),
    "half_a_name": ('content_mask: {a: "\\uDC00.png"}\n', ["half of a surrogate pair"]),
}


@pytest.fixture(scope="module")
def _wrong(daemon: DaemonProcess) -> None:
    """Drop all of them at once."""
    for name, (text, _) in WRONG.items():
        drop(daemon.root / "inbox", name, text)


@pytest.mark.usefixtures("_wrong")
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_sidecar_is_refused(daemon: DaemonProcess, name: str) -> None:
    """20. Tags, duplicates, unknown keys, types, ranges: the key and the trouble are named."""
    _, clauses = WRONG[name]
    message = refused(daemon, name)
    assert not [clause for clause in clauses if clause not in message], message
    assert "move it, with its images, back to the inbox" in message
    assert not Path("/tmp/pwned").exists()  # noqa: S108 - what the tag asks for


def test_bytes_that_are_no_text_are_refused(daemon: DaemonProcess, inbox: Path) -> None:
    """20. Another encoding, or no text at all, is said to be so."""
    for name, data in {"utf16": "size: 64".encode("utf-16"), "noise": bytes(range(256))}.items():
        drop(inbox, name)
        (inbox / f"{name}.yaml").write_bytes(data)
        assert "not UTF-8 text" in refused(daemon, name)


def test_all_problems_are_named_at_once(daemon: DaemonProcess, inbox: Path) -> None:
    """20. Whoever made ten mistakes corrects them in one go."""
    drop(
        inbox,
        "many",
        "colour: red\nsize: 3\npreset: slow\nstyle_weight: -1\ncontent_weight: .nan\n"
        "output: a/b\ncontent: ../x.jpg\npriority: high\nseed: !!python/name:os.system\n"
        "quality: 50\nquality: 60\ndepth: !depth 8\n",
    )
    message = refused(daemon, "many")
    keys = ["colour", "size", "preset", "style_weight", "content_weight", "output", "content"]
    keys += ["priority", "seed", "quality", "depth"]
    assert not [key for key in keys if f"{key}: " not in message], message


WAYS_OUT = {
    "upwards": "content: ../secret.png\n",
    "up_and_down": "content: sub/../../secret.png\n",
    "style_upwards": "style: ../secret.png\n",
    "weighted": "style: [{image: ../../secret.png, weight: 1}]\n",
    "home": "content: ~/secret.png\n",
    "control": "content: .nstd/lock\n",
    "nul": 'content: "secret.png\\0.jpg"\n',
    "output_upwards": "output: ../../escaped\n",
    "output_absolute": "output: /tmp/escaped\n",
    "output_nul": 'output: "a\\0b"\n',
    "output_hidden": "output: .hidden\n",
    "output_backslash": "output: 'a\\b'\n",
}


@pytest.fixture
def secret(daemon: DaemonProcess) -> Path:
    """Make a picture outside the inbox that is plain magenta, and has words in it."""
    return make_secret(daemon.root / "secret.png")


def make_secret(path: Path) -> Path:
    """Write such a picture."""
    path.parent.mkdir(exist_ok=True, parents=True)
    words = PngImagePlugin.PngInfo()
    words.add_text("Comment", MARK.decode())
    Image.new("RGB", (64, 48), MAGENTA).save(path, pnginfo=words)
    return path


def assert_kept(root: Path, secret: Path) -> None:
    """No file below a daemon's folders holds the secret, its words or its colour."""
    assert MARK in secret.read_bytes(), "the secret itself is as it was"
    for path in root.rglob("*"):
        if path.is_symlink() or not path.is_file() or path == secret:
            continue
        assert MARK not in path.read_bytes(), path
        if path.parent.is_relative_to(root / "outbox") and path.suffix == ".png":
            assert abs(blocks(path) - MAGENTA).max() > 30, path


@pytest.fixture(scope="module")
def _ways_out(daemon: DaemonProcess) -> None:
    """Drop all of them at once."""
    make_secret(daemon.root / "secret.png")
    for name, text in WAYS_OUT.items():
        drop(daemon.root / "inbox", name, text)


@pytest.mark.usefixtures("_ways_out")
@pytest.mark.parametrize("name", WAYS_OUT)
def test_a_way_out_is_refused(daemon: DaemonProcess, secret: Path, name: str) -> None:
    """21. `../`, hidden files, NUL: refused by the sidecar's words alone, key named."""
    message = refused(daemon, name)
    assert WAYS_OUT[name].split(":")[0] in message
    assert_kept(daemon.root, secret)


def test_an_absolute_path_is_refused(daemon: DaemonProcess, inbox: Path, secret: Path) -> None:
    """21. Not even one that leads into the inbox."""
    drop(inbox, "absolute", f"content: {secret}\n")
    assert "must stay within the sidecar's folder" in refused(daemon, "absolute")
    drop(inbox, "into", f"content: {inbox / 'into.jpg'}\n")
    assert "must stay within the sidecar's folder" in refused(daemon, "into")
    assert_kept(daemon.root, secret)


def test_links_are_not_followed(daemon: DaemonProcess, inbox: Path, secret: Path) -> None:
    """21. A linked image, sidecar or folder counts as absent, and is said to be what it is."""
    drop(inbox, "linked", "content: linked.jpg\n")
    (inbox / "linked.jpg").unlink()
    (inbox / "linked.jpg").symlink_to(secret)
    outside = secret.parent / "outside"
    drop(outside, "there")
    make_secret(outside / "there.jpg")
    (inbox / "way.yaml").symlink_to(outside / "there.yaml")
    (inbox / "folder").symlink_to(outside)
    save_picture(inbox / "through.style.png")
    (inbox / "through.yaml").write_text("content: folder/there.jpg\n")
    daemon.wait_for("inbox.skipped", file="linked.jpg", reason="is a symbolic link, not a file")
    daemon.wait_for("inbox.skipped", file="way.yaml", reason="is a symbolic link, not a file")
    for name in ("linked", "through"):
        daemon.wait_for("job.retired", name=name)
        assert reason(daemon.root, name)["code"] == "missing_input"
    assert "a symbolic link" in reason(daemon.root, "linked")["message"]
    assert names(outside) == {"there.yaml", "there.jpg", "there.style.png"}
    assert_kept(daemon.root, secret)
    for name in ("linked.jpg", "way.yaml", "folder"):
        (inbox / name).unlink()


def test_a_hard_link_is_an_ordinary_file(daemon: DaemonProcess, inbox: Path) -> None:
    """21. Whoever could make it could have made a copy."""
    drop(inbox, "hard")
    other = daemon.root / "other-name.jpg"
    (inbox / "hard.jpg").unlink()
    os.link(save_picture(other, seed=5), inbox / "hard.jpg")
    daemon.wait_for("job.retired", name="hard")
    assert other.stat().st_ino == (daemon.root / "done" / "hard.jpg").stat().st_ino


@pytest.mark.parametrize("what", ["image", "folder", "sidecar"])
def test_a_link_swapped_in_meanwhile_is_not_followed(tmp_path: Path, what: str) -> None:
    """21. Whenever the swap comes, between check and open or copy, the secret stays one."""
    outside = tmp_path / "outside"
    secret = make_secret(outside / "a.png")
    save_picture(outside / "a.style.png")
    (outside / "a.yaml").write_text("output: way\n")
    folder = tmp_path / "inbox" / "f"
    save_picture(folder / "a.png", seed=3)
    save_picture(folder / "a.style.png")
    swapped = {"image": folder / "a.png", "folder": folder, "sidecar": folder / "a.yaml"}[what]
    target = {"image": secret, "folder": outside, "sidecar": outside / "a.yaml"}[what]
    with running(tmp_path, settings={"settle_seconds": 0.0}, incomplete_seconds=0.3) as daemon:
        swaps = 0
        for number in range(12):
            # Every other one fails for want of its content, and takes a copy of what is shared.
            content = "f/a.png" if number % 2 else "never.png"
            text = f"content: {content}\nstyle: [f/a.png, f/a.style.png]\n"
            (tmp_path / "inbox" / f"{number}.yaml").write_text(text)
            (folder / "a.yaml").write_text("# defaults\n")
            with Flipping(swapped, target) as flipping:
                time.sleep(0.3)
            swaps += flipping.count
            if not (folder / "a.png").exists():  # retired or quarantined: begin again
                save_picture(folder / "a.png", seed=3)
                save_picture(folder / "a.style.png")
        daemon.wait_for("job.retired", count=12)
    assert swaps > 100
    assert_kept(tmp_path, secret)
    assert (outside / "a.yaml").read_text() == "output: way\n"
    assert "way.png" not in {path.name for path in (tmp_path / "outbox").rglob("*")}
