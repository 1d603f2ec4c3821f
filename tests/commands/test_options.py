"""Options that commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nstd.cli import app
from nstd.commands import options
from nstd.errors import ConfigError, NstdError, UsageError


def told(*arguments: str) -> str:
    """Run a command that fails; returns what it says."""
    result = CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200"})
    assert result.exit_code
    error = result.exception
    return str(error) if isinstance(error, NstdError) else result.stderr


def test_the_present_folder_is_a_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says; from then on it has its whole name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NSTD_CONFIG", "/elsewhere/config.yaml")
    assert f"{tmp_path}/state/ledger.sqlite: there is no ledger" in told("status", "--root", ".")


def test_no_root_is_not_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the shell's that isn't set."""
    monkeypatch.chdir(tmp_path)
    assert "is empty; name a folder" in told("status", "--root", "")


def test_nothing_that_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way to say it is named."""
    monkeypatch.delenv("NSTD_CONFIG", raising=False)
    monkeypatch.setattr(options, "_DEFAULT_FILE", tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match=r"give --root DIR or --config FILE|Give --root DIR"):
        options.read_folders(None, None)
    (tmp_path / "config.yaml").write_text("root: /srv")
    assert options.read_folders(None, None).folder("inbox") == Path("/srv/inbox")


def test_a_parameter_is_given_once() -> None:
    """The second would replace the first without a word."""
    with pytest.raises(UsageError, match="size is given twice"):
        options.settings(["size=64", " size=96"])


def test_preset_and_size_are_parameters() -> None:
    """Their options stand for `--set`, and clash with it."""
    assert options.settings(["seed=3"], "fast", "64") == {"preset": "fast", "size": 64, "seed": 3}
    with pytest.raises(UsageError, match="preset is given twice"):
        options.settings(["preset=draft"], "fast")


def test_shares_of_styles() -> None:
    """One for each in their order; equal ones if nobody says otherwise."""
    styles = [Path("a.png"), Path("b.png")]
    assert [(one.path.name, one.weight) for one in options.weigh(styles, "2, .5")] == [
        ("a.png", 2.0),
        ("b.png", 0.5),
    ]
    assert [one.weight for one in options.weigh(styles, None)] == [1, 1]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ("2", "1 for 2 style images"),
        ("2,1,1", "3 for 2 style images"),
        ("2,0", "0 is no share"),
        ("-1,2", "-1 is no share"),
        ("2,nan", "nan is no share"),
        ("inf,1", "inf is no share"),
        ("1e9,1", "1e9 is no share"),
        ("2,", "nothing is no share"),
        ("2,one", "one is no share"),
    ],
)
def test_shares_that_are_none(shares: str, message: str) -> None:
    """The option, the number and the remedy are named."""
    with pytest.raises(UsageError, match=f"--style-weights.*{message}") as caught:
        options.weigh([Path("a.png"), Path("b.png")], shares)
    assert caught.value.remedy
