"""What is seen, rendered: one look for the page and for everybody who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nstd.errors import NstdError
from nstd.web import lookout, viewing

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.web.discretion import Discretion
    from nstd.web.pages import Pages
    from nstd.web.view import View


@dataclass(frozen=True, slots=True)
class Sight:
    """A view and its HTML by section."""

    view: View
    sections: dict[str, str]


def take(config: Config, pages: Pages, discretion: Discretion) -> Sight:
    """Look and render; trouble is something to see too."""
    try:
        found = viewing.of(lookout.look(config), discretion)
    except NstdError as error:
        found = viewing.trouble(error, discretion)
    return Sight(found, pages.sections(found))
