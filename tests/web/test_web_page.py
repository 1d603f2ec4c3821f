"""docs/web.md is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
from doc_pages import DOCS, blocks
from web_process import served

from nstd import config
from nstd.web import live, lookout, thumbnails

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "web.md"
TEXT = (DOCS / PAGE).read_text()


def test_the_configuration_is_one() -> None:
    """The defaults, but for the proxy's name."""
    (text,) = blocks(PAGE, "yaml")
    found = config.parse(text.encode(), file=PAGE).web
    assert found.model_copy(update={"hosts": []}) == config.Web()
    (proxy,) = blocks(PAGE, "nginx")
    assert f"proxy_pass http://{found.address}:{found.port}/;" in proxy


def test_the_command_serves_the_page(tmp_path: Path) -> None:
    """Before any daemon has run, with the status that the page promises."""
    (text,) = blocks(PAGE, "console")
    assert "$ nstd web --root studio\n" in text
    with served(tmp_path) as web:
        answer = httpx.get(web.url, trust_env=False)
        assert answer.status_code == 503
        assert "status 503" in " ".join(TEXT.split())


def test_the_numbers_are_the_programs() -> None:
    """What the page promises, the code keeps."""
    words = " ".join(TEXT.split())
    assert f"{thumbnails.CACHE_BYTES // 2**20} MiB at most" in words
    assert f"At most {live.LISTENERS} windows" in words
    assert lookout.PAUSE_SECONDS < 1
