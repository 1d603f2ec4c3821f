"""The configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from nstd import config, strict_yaml
from nstd.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent / "config.example.yaml"


def parse(text: str) -> config.Config:
    """Parse a configuration called c.yaml."""
    return config.parse(text.encode(), file="c.yaml")


def test_the_example_is_the_defaults() -> None:
    """The example names every key, each with its default."""
    values, _ = strict_yaml.load_mapping(EXAMPLE.read_bytes())
    assert values == config.Config().model_dump(mode="json")
    assert config.load(EXAMPLE) == config.Config()


def test_every_key_of_the_example_is_explained() -> None:
    """Each key has a comment on its line or above it."""
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.strip().endswith(":") or line.startswith("#") or ":" not in line:
            continue
        assert "#" in line or lines[number - 1].startswith("#"), line


def test_folders_lie_below_the_root_unless_placed() -> None:
    """A folder of its own overrides the root's."""
    found = parse("root: /srv\noutbox: /mnt/out")
    assert found.folder("inbox") == Path("/srv/inbox")
    assert found.folder("outbox") == Path("/mnt/out")


@pytest.mark.parametrize(
    ("text", "key", "clause"),
    [
        ("rot: /srv", "rot", "did you mean 'root'?"),
        ("limits: {atempts: 3}", "limits.atempts", "did you mean 'attempts'?"),
        ("limits: {attempts: 0}", "limits.attempts", "greater than or equal to 1"),
        ("log: {level: loud}", "log.level", "'debug', 'info', 'warning' or 'error'"),
        ("defaults: {sise: 3}", "defaults.sise", "did you mean 'size'?"),
        ("defaults: {size: 3}", "defaults.size", "from 16 to 32768 pixels"),
        ("root: 7", "root", "not 7"),
        ("root: ''", "root", "must be a path"),
        ("root: ~nobody-of-that-name/x", "root", "names a user that doesn't exist"),
        ('root: "a\\0b"', "root", "must be a path"),
        ("settle_seconds: .inf", "settle_seconds", "finite number"),
        ("rescan_seconds: 0", "rescan_seconds", "greater than 0"),
        ("watch: {mode: polls}", "watch.mode", "'auto', 'inotify' or 'polling'"),
        ("on_conflict: overwrite", "on_conflict", "'suffix' or 'fail'"),
        ("on_duplicate: never", "on_duplicate", "'rerun' or 'skip'"),
        ("originals: move", "originals", "'archive', 'keep' or 'delete'"),
        ("retain_days: {done: 0}", "retain_days.done", "greater than 0"),
        ("retain_days: {outbox: 3}", "retain_days.outbox", "unknown key"),
        ("file_mode: 0640", "file_mode", "an octal mode in quotes, such as '0640', not 416"),
        ("file_mode: '0888'", "file_mode", "octal mode in quotes"),
        ("folder_mode: rwx", "folder_mode", "octal mode in quotes"),
        ("ignore: '*.bak'", "ignore", "list"),
        ("styles: [7]", "styles.0", "not 7"),
        ("limits: {crashes: 0}", "limits.crashes", "greater than or equal to 1"),
        ("metrics: {port: 0}", "metrics.port", "greater than or equal to 1"),
        ("metrics: {address: localhost}", "metrics.address", "must be an IP address"),
        ("limits: {min_free_bytes: -1}", "limits.min_free_bytes", "greater than or equal to 0"),
    ],
)
def test_wrong_values_are_named(text: str, key: str, clause: str) -> None:
    """The message has the file, the key and what is wrong."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert caught.value.key == key
    assert clause in str(caught.value)
    assert "c.yaml" in str(caught.value)
    assert caught.value.exit_code == 78


def test_modes_are_octal() -> None:
    """With and without a leading zero, set-group-id too; null leaves it to the umask."""
    found = parse("file_mode: '640'\nfolder_mode: '02775'")
    assert (found.file_mode_bits, found.folder_mode_bits) == (0o640, 0o2775)
    assert (parse("").file_mode_bits, parse("").folder_mode_bits) == (None, None)


def test_style_libraries_are_paths() -> None:
    """As many as one likes."""
    assert parse("styles: [/a, /b]").styles == [Path("/a"), Path("/b")]


def test_a_library_within_the_inbox_is_refused(tmp_path: Path) -> None:
    """26. Its images would be inputs, and filed away."""
    with pytest.raises(ConfigError, match="lies within inbox") as caught:
        parse(f"root: {tmp_path}\nstyles: [{tmp_path}/inbox/styles]")
    assert caught.value.key == "styles"


def test_all_problems_are_reported_at_once() -> None:
    """Those of sections and of the defaults for sidecars too."""
    with pytest.raises(ConfigError) as caught:
        parse("threads: -1\nlimits: {attempts: x}\ndefaults: {size: 1}\nnope: 1")
    keys = ("threads", "limits.attempts", "defaults.size", "nope")
    assert all(f"{key}: " in str(caught.value) for key in keys)


@pytest.mark.parametrize("name", ["outbox", "failed", "done", "state"])
def test_folders_within_the_inbox_are_refused(tmp_path: Path, name: str) -> None:
    """A result that lands in the inbox would be an input."""
    with pytest.raises(ConfigError, match="lies within inbox"):
        parse(f"root: {tmp_path}\n{name}: {tmp_path}/inbox/deep/{name}")


def test_folders_within_the_inbox_through_a_link_are_refused(tmp_path: Path) -> None:
    """Symbolic links are resolved before folders are compared."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "elsewhere").symlink_to(tmp_path / "inbox")
    with pytest.raises(ConfigError, match="lies within inbox"):
        parse(f"root: {tmp_path}\noutbox: {tmp_path}/elsewhere/out")


def test_a_folder_twice_is_refused(tmp_path: Path) -> None:
    """Two purposes need two folders."""
    with pytest.raises(ConfigError, match="beside each other"):
        parse(f"root: {tmp_path}\nfailed: {tmp_path}/done")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message names the file and why it can't be read."""
    with pytest.raises(ConfigError, match=r"absent\.yaml: can't be read: No such file"):
        config.load(tmp_path / "absent.yaml")
