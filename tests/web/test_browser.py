"""The page in a real browser, beside a real daemon whose engine only copies pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import browser
import pytest
from daemon_process import DaemonProcess, drop
from web_process import WebProcess, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from browser import Browser

pytestmark = pytest.mark.skipif(bool(browser.why_not()), reason=browser.why_not())

SLOW = "preset: fast\niterations: 500\nsnapshots: 100\n"
TAB, ENTER = "\ue004", "\ue007"
LOADED = (
    "[...document.querySelectorAll(arguments[0])]"
    ".filter((image) => image.complete && image.naturalWidth > 0).length"
)


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Open one window for all tests: it takes seconds."""
    with browser.opened(tmp_path_factory.mktemp("browser")) as window:
        yield window


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    """Run one; it is stopped at the end."""
    daemon = DaemonProcess(tmp_path, copying=True)
    daemon.wait_for("worker.ready")
    yield daemon
    if daemon.process.returncode is None:
        assert daemon.stop() == 0


@pytest.fixture
def page(daemon: DaemonProcess, window: Browser) -> Iterator[WebProcess]:
    """Serve its page and open it; the browser has nothing to complain of."""
    window.complaints()  # what was said before is forgotten
    window.look_like(1280, 900)
    with served(daemon.root) as web:
        window.open(web.url)
        window.run("window.stays = true;")
        yield web
        window.open("about:blank")


def test_a_job_shows_up_advances_and_appears_in_the_gallery(
    daemon: DaemonProcess, page: WebProcess, window: Browser
) -> None:
    """Without a reload, with pictures on the way, and with no word of the browser's."""
    assert page.url.startswith(window.run("return location.origin;"))
    assert window.run("return document.querySelectorAll('#gallery .card').length;") == 0
    drop(daemon.root / "inbox", "sea", SLOW)
    window.wait_for("document.querySelector('#running h3')?.textContent === 'sea'")
    advanced = "document.querySelector('#running progress')?.getAttribute('value')"
    first = int(window.wait_for(f"+{advanced} > 0 && {advanced}"))
    window.wait_for(f"+{advanced} > arguments[0]", first)
    assert window.wait_for(LOADED, "#running img[src*=snapshot]") == 1
    window.wait_for("document.querySelector('#gallery h3')?.textContent === 'sea'")
    window.wait_for(f"{LOADED} === 3", "#gallery img")
    assert "500 iterations" in window.run("return document.querySelector('#gallery').innerText;")
    window.wait_for("document.querySelector('#running .card') === null")
    assert window.run("return document.querySelector('#news').textContent;") == "sea is done."
    assert window.run("return document.title;") == "0 running, 0 waiting - nstd"
    assert window.run("return window.stays;")
    assert window.complaints() == []


def test_updates_leave_the_reader_where_he_is(
    daemon: DaemonProcess, page: WebProcess, window: Browser
) -> None:
    """Focus, open details and loaded pictures stay when another job comes in above."""
    del page
    drop(daemon.root / "inbox", "first")
    window.wait_for("document.querySelector('#gallery h3')?.textContent === 'first'")
    window.run(
        "const card = document.querySelector('#gallery .card');"
        "card.querySelector('details').open = true;"
        "window.link = card.querySelector('a[href*=result]');"
        "window.image = card.querySelector('img');"
        "window.link.focus();"
    )
    drop(daemon.root / "inbox", "second", seed=3)
    window.wait_for("document.querySelector('#gallery h3')?.textContent === 'second'")
    window.wait_for("document.querySelectorAll('#gallery .card').length === 2")
    assert window.run("return document.activeElement === window.link;")
    assert window.run("return window.image.isConnected;")
    assert window.run("return document.querySelectorAll('#gallery details[open]').length;") == 1
    assert window.complaints() == []


def test_failures_and_the_daemons_end_show_up(
    daemon: DaemonProcess, page: WebProcess, window: Browser
) -> None:
    """Reasons as their owners read them; a banner when nobody is at work."""
    del page
    drop(daemon.root / "inbox", "bad", "sise: 3\n")
    reason = "document.querySelector('#failures .why')?.textContent"
    assert "did you mean 'size'?" in window.wait_for(reason)
    assert "nstd is running" in window.run("return document.querySelector('#state').innerText;")
    assert daemon.stop() == 0
    window.wait_for("document.querySelector('#state .bad strong')?.textContent.includes('not run')")


def test_it_says_when_the_server_is_silent_and_goes_on_when_it_is_back(
    daemon: DaemonProcess, page: WebProcess, window: Browser
) -> None:
    """The browser connects again by itself."""
    hidden = "document.querySelector('#silence').hidden"
    assert window.run(f"return {hidden};")
    assert page.stop()[0] == 0
    window.wait_for(f"!{hidden}")
    again = WebProcess(daemon.root, page.port)
    window.wait_for(hidden)
    drop(daemon.root / "inbox", "later")
    window.wait_for("document.querySelector('#gallery h3')?.textContent === 'later'")
    assert again.stop()[0] == 0


def test_a_keyboard_reaches_everything(
    daemon: DaemonProcess, page: WebProcess, window: Browser
) -> None:
    """First a way past what renews itself; pictures and details are links and buttons."""
    del page
    drop(daemon.root / "inbox", "sea")
    window.wait_for("document.querySelector('#gallery .card')")
    window.run("document.activeElement.blur();")
    window.press(TAB)
    assert window.run("return document.activeElement.className;") == "skip"
    window.press(ENTER)
    assert window.run("return location.hash;") == "#gallery"
    reached = []
    for _ in range(4):
        window.press(TAB)
        reached.append(window.run("return document.activeElement.localName;"))
    assert reached == ["a", "a", "a", "summary"]
    window.press(ENTER)
    assert window.run("return document.querySelector('#gallery details').open;")


def test_a_screen_reader_finds_names_for_everything(
    daemon: DaemonProcess, page: WebProcess, window: Browser
) -> None:
    """Landmarks, headings, and a name for each link, picture and progress."""
    del page
    drop(daemon.root / "inbox", "first")
    window.wait_for("document.querySelector('#gallery .card')")
    drop(daemon.root / "inbox", "slow", SLOW)
    window.wait_for("document.querySelector('#running progress')")
    nodes = window.protocol("Accessibility.getFullAXTree")["nodes"]
    told = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and "role" in node
    ]
    roles = {role for role, _ in told}
    assert {"banner", "main", "heading", "status", "progressbar", "image", "link"} <= roles
    named = {"image", "link", "progressbar", "region", "heading", "DisclosureTriangle"}
    assert [role for role, name in told if role in named and not name] == []
    regions = [name for role, name in told if role == "region"]
    assert regions == ["Running", "Next", "Gallery", "Failed", "Devices"]


def test_without_scripts_everything_is_there(
    daemon: DaemonProcess, page: WebProcess, window: Browser
) -> None:
    """The page is whole as it is loaded."""
    drop(daemon.root / "inbox", "sea")
    # What a page is made of may be a moment old, so that its end is not enough to wait for.
    window.wait_for("document.querySelector('#gallery h3')?.textContent === 'sea'")
    window.protocol("Emulation.setScriptExecutionDisabled", value=True)
    try:
        window.open(page.url)
        tree = window.protocol("Accessibility.getFullAXTree")["nodes"]
        names = [node.get("name", {}).get("value", "") for node in tree]
        assert any(name.startswith("Without JavaScript") for name in names), names
        assert "sea" in names
        assert "Result: sea.png" in names
    finally:
        window.protocol("Emulation.setScriptExecutionDisabled", value=False)


def test_nothing_is_wider_than_the_screen(
    daemon: DaemonProcess, page: WebProcess, window: Browser
) -> None:
    """On phones and desks, whatever a name's length."""
    del page
    drop(daemon.root / "inbox", "x" * 120)
    drop(daemon.root / "inbox", f"failed-{'y' * 100}", "sise: 3\n")
    window.wait_for("document.querySelector('#failures .why')")
    window.wait_for("document.querySelector('#gallery .card')")
    for width in (320, 390, 768, 1280):
        window.look_like(width, 800)
        assert window.run("return document.documentElement.scrollWidth;") <= width
