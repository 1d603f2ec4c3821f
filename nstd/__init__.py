"""nstd: turn pairs of pictures into paintings, safely and unattended.

The names below load on first use, so that importing the package costs nothing and the command
line answers at once: TensorFlow is imported only when something is stylised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nstd.api import stylize
    from nstd.domain import Region, StyleRequest, StyleResult
    from nstd.params import StyleParams

__version__ = "0.1.0"
__all__ = ["Region", "StyleParams", "StyleRequest", "StyleResult", "__version__", "stylize"]

_HOMES = {
    "stylize": "nstd.api",
    "Region": "nstd.domain",
    "StyleParams": "nstd.params",
    "StyleRequest": "nstd.domain",
    "StyleResult": "nstd.domain",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute may be anything
    """Import a public name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'nstd' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only when a public name is used

    return getattr(import_module(_HOMES[name]), name)
