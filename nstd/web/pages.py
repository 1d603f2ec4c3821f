"""The page as HTML: as a whole, and in the sections that are renewed while it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

if TYPE_CHECKING:
    from nstd.web.view import View

SECTIONS: Final = ("state", "news", "running", "waiting", "gallery", "failures", "devices")


class Pages:
    """Renders views. Whatever a name or a reason holds comes out as text, never as markup."""

    def __init__(self) -> None:
        environment = Environment(
            loader=PackageLoader("nstd.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._page = environment.get_template("page.html")
        self._sections = {name: environment.get_template(f"{name}.html") for name in SECTIONS}

    def sections(self, view: View) -> dict[str, str]:
        """The HTML of each section, by the id of the element that holds it."""
        return {name: part.render(view=view).strip() for name, part in self._sections.items()}

    def page(self, view: View, sections: dict[str, str]) -> str:
        """The whole page.

        Args:
            view: what it says.
            sections: of the same view.
        """
        return self._page.render(view=view, sections=sections)
