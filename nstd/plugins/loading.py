"""Find and load the plugins that the configuration names."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import pluggy

from nstd.errors import ConfigError
from nstd.plugins import specs

if TYPE_CHECKING:
    from collections.abc import Collection

GROUP: Final = "nstd"


class Plugin:
    """One plugin, with a manager of its own so that what it does is its own doing.

    Args:
        name: of its entry point.

    Raises:
        Exception: whatever its import raises, or pluggy's complaint about its hooks.

    Attributes:
        version: of the package that it comes from.
    """

    def __init__(self, name: str) -> None:
        point = _points()[name]
        self.name = name
        self.version = point.dist.version if point.dist else ""
        self._manager = pluggy.PluginManager(specs.PROJECT)
        self._manager.add_hookspecs(specs)
        self._manager.register(point.load(), name)
        self._manager.check_pending()

    @property
    def hook(self) -> Any:  # noqa: ANN401 - pluggy's relay has the hooks as attributes
        """Calls the plugin's hooks."""
        return self._manager.hook


def version(name: str) -> str:
    """The version of the package that a plugin comes from, without loading it; empty if unknown."""
    point = _points().get(name)
    return point.dist.version if point and point.dist else ""


def require(names: Collection[str]) -> None:
    """Make sure that plugins are installed, without loading them.

    Raises:
        ConfigError: naming those that no installed package provides.
    """
    present = _points()
    absent = [name for name in names if name not in present]
    if absent:
        there = f"; installed are {', '.join(sorted(present))}" if present else ""
        raise ConfigError(
            f"no installed package provides {', '.join(absent)}{there}",
            key="plugins",
            remedy="install it with the pip of nstd's own environment, or leave it out",
        )


def _points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=GROUP)}
