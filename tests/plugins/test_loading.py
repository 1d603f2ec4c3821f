"""Which plugins there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from installed_plugin import install

from nstd.errors import ConfigError
from nstd.plugins import loading

if TYPE_CHECKING:
    from pathlib import Path


def test_installed_plugins_are_found_without_being_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing one may take long, or fail."""
    install(tmp_path, "lazy", "raise RuntimeError('loaded')\n")
    monkeypatch.syspath_prepend(tmp_path)
    loading.require(["lazy"])
    assert loading.version("lazy") == "1.5"
    assert loading.version("absent") == ""


def test_a_plugin_that_is_not_installed_is_a_wrong_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its name, and those that are there."""
    install(tmp_path, "watermark", "")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"provides watermrk; installed are .*watermark") as found:
        loading.require(["watermark", "watermrk"])
    assert found.value.exit_code == 78
    assert found.value.key == "plugins"
