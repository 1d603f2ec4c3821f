"""What is left out of what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from nstd.config import Config
from nstd.web.discretion import HIDDEN, Discretion

CONFIG = Config(
    root=Path("/srv/nstd"), outbox=Path("/mnt/my share/out"), styles=[Path("/srv/nstd-styles")]
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a.jpg: is damaged. Save it again.", "a.jpg: is damaged. Save it again."),
        ("/srv/nstd/inbox: is gone", "inbox: is gone"),
        ("/srv/nstd/inbox/album/a.yaml: is gone", "inbox/album/a.yaml: is gone"),
        ("/mnt/my share/out/deep: refuses", "outbox/deep: refuses"),
        ("/srv/nstd-styles/a.jpg: refuses", "styles/a.jpg: refuses"),
        ("/srv/nstd/inbox2/x: refuses", f"{HIDDEN}: refuses"),
        ("can't open '/home/some one/a.jpg'", f"can't open {HIDDEN}"),
        ("OSError: [Errno 2] No such file: '/srv/nstd/state/x'", None),
        ("see ~/notes and (/etc/nstd)", f"see {HIDDEN} and ({HIDDEN})"),
        ("file:/etc/passwd, say", f"file:{HIDDEN}, say"),
        ("album/day 1/a.jpg: and/or 3/4", "album/day 1/a.jpg: and/or 3/4"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("caf\udce9\nnoir", "caf\\udce9\\nnoir"),
    ],
)
def test_folders_have_names_and_other_paths_are_left_out(text: str, told: str | None) -> None:
    """Relative names are the users' own, and stay."""
    shown = Discretion(CONFIG).text(text)
    assert told is None or shown == told
    assert "/srv" not in shown


def test_a_folder_is_known_by_its_real_place_too(tmp_path: Path) -> None:
    """Errors name what the system was asked for, which may be behind a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    discretion = Discretion(Config(root=tmp_path / "link"))
    for root in ("link", "real"):
        assert discretion.text(f"{tmp_path}/{root}/done/a.jpg") == "done/a.jpg"
