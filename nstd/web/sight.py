"""What is seen, rendered: one look for the page and for everybody who listens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nstd.errors import NstdError
from nstd.web import lookout, view

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.web.discretion import Discretion
    from nstd.web.pages import Pages
    from nstd.web.view import View


@dataclass(frozen=True, slots=True)
class Sight:
    """A view and its HTML by section; `is_clear` unless nothing could be seen."""

    view: View
    sections: dict[str, str]
    is_clear: bool


def take(config: Config, pages: Pages, discretion: Discretion) -> Sight:
    """Look and render; trouble is something to see too."""
    try:
        found, is_clear = view.of(lookout.look(config), discretion), True
    except NstdError as error:
        found, is_clear = view.trouble(error, discretion), False
    return Sight(found, pages.sections(found), is_clear)
