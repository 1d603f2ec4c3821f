"""Where the folders are, without the rest of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from nstd import config, folders
from nstd.errors import ConfigError
from nstd.folders import FOLDERS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "root: /srv",
        "root: ~/nstd\ninbox: ~/in",
        "root: /srv\nstate: /var/state\noutbox: null",
        "\n".join(f"{name}: /there/{name}" for name in FOLDERS),
    ],
)
def test_they_are_where_the_configuration_has_them(tmp_path: Path, text: str) -> None:
    """Its defaults, its root, its own places."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    found, whole = folders.load(path), config.load(path)
    assert {name: found.folder(name) for name in FOLDERS} == {
        name: whole.folder(name) for name in FOLDERS
    }


def test_relative_paths_are_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger remembers them, and the next daemon may be started from anywhere."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.yaml"
    path.write_text("root: studio\noutbox: out\n")
    for found in (folders.load(path), config.load(path)):
        assert found.folder("inbox") == tmp_path / "studio" / "inbox"
        assert found.folder("outbox") == tmp_path / "out"
    assert config.Config(root=Path("studio")).folder("done") == tmp_path / "studio" / "done"


def test_mistakes_elsewhere_wait_for_the_daemon(tmp_path: Path) -> None:
    """Who looks at a daemon needs to know of none of them."""
    path = tmp_path / "c.yaml"
    path.write_text("root: /srv\nthreads: many\nrot: 7\nlog: {a: 1}\nlog: {b: 2}\nx: !odd y\n")
    assert folders.load(path).folder("state") == Path("/srv/state")
    with pytest.raises(ConfigError):
        config.load(path)


@pytest.mark.parametrize(
    "text",
    [
        "root: 7",
        "root: null",
        "root: ''",
        "state: ~nobody-of-that-name/x",
        "root: /srv\nstate: /a\nstate: /b",
        "state: [/a]\ninbox: 7",
        "root: [",
        "- root",
    ],
)
def test_mistakes_about_folders_are_told_alike(tmp_path: Path, text: str) -> None:
    """With the file, the key and the remedy, whoever reads it."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    told = []
    for load in (folders.load, config.load):
        with pytest.raises(ConfigError) as caught:
            load(path)
        told.append(caught.value)
    assert str(told[0]) == str(told[1])
    assert str(path) in str(told[0])


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    """As for the whole configuration."""
    with pytest.raises(ConfigError, match=r"absent\.yaml: can't be read: No such file"):
        folders.load(tmp_path / "absent.yaml")
