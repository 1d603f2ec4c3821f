"""Keep the server's paths out of what is told: a user of the page knows folders by their names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nstd import names
from nstd.folders import FOLDERS

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config

HIDDEN: Final = "(a path on the server)"
# In quotes, as Python's own messages have them, a path may hold spaces. What follows a letter is
# a relative path's, and two slashes are a URL's.
_QUOTED: Final = re.compile(r"""(['"])/[^'"]*\1""")
_BARE: Final = re.compile(r"(?<![\w/.)~-])~?/(?!/)[^\s'\",;:()]+")


class Discretion:
    """Shows text as it may be shown.

    Args:
        config: whose folders are called by their names.
    """

    def __init__(self, config: Config) -> None:
        known: dict[str, str] = {}
        for name in FOLDERS:
            folder = config.folder(name)
            known |= {str(path): name for path in _spellings(folder)}
        for library in config.styles:
            known |= {str(path): "styles" for path in _spellings(library)}
        # The longest first: a folder may lie below another one's parent of the same beginning.
        longest = sorted(known, key=len, reverse=True)
        self._known = known
        self._folders = re.compile(
            rf"(?<![\w.-])(?:{'|'.join(map(re.escape, longest))})(?=[/\s'\",;:().]|$)", re.MULTILINE
        )

    def text(self, text: object) -> str:
        """A text in which folders have their names, and other absolute paths are left out."""
        told = self._folders.sub(lambda found: self._known[found[0]], str(text))
        told = _QUOTED.sub(HIDDEN, told)
        return names.shown(_BARE.sub(HIDDEN, told))


def _spellings(folder: Path) -> set[Path]:
    """As it is configured, and without links."""
    return {folder, folder.absolute(), folder.resolve()}
