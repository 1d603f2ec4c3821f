"""A real browser, headless, driven by a few words of WebDriver."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import httpx
from daemon_process import PATIENCE
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
_SWITCHES = [
    "--headless",
    "--no-sandbox",  # its own needs rights that a container seldom has
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
]


def why_not() -> str:
    """Say why there is no browser to test with; empty if there is."""
    missing = [
        name for name, path in (("chromium", CHROMIUM), ("chromedriver", DRIVER)) if not path
    ]
    return f"{' and '.join(missing)} not installed" if missing else ""


class Browser:
    """One window.

    Args:
        client: of the driver.
        session: the window's path there.
    """

    def __init__(self, client: httpx.Client, session: str) -> None:
        self._client = client
        self._session = session

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self._post("url", url=url)

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page; returns what it returns."""
        return self._post("execute/sync", script=script, args=list(arguments))

    def protocol(self, command: str, **parameters: Any) -> Any:
        """Say something that WebDriver has no words for."""
        return self._post("goog/cdp/execute", cmd=command, params=parameters)

    def press(self, key: str) -> None:
        """Press a key, in WebDriver's spelling."""
        steps = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": steps}
        self._post("actions", actions=[keyboard])

    def wait_for(self, expression: str, *arguments: object) -> Any:
        """Wait until an expression is true in the page; returns its value."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if found := self.run(f"return {expression};", *arguments):
                return found
            time.sleep(0.1)
        raise AssertionError(f"never: {expression}\n{self.run('return document.body.innerText;')}")

    def complaints(self) -> list[str]:
        """List what the browser has complained of: scripts' errors, breaches of the policy."""
        rows = self._post("se/log", type="browser")
        return [row["message"] for row in rows if row["level"] in {"SEVERE", "WARNING"}]

    def look_like(self, width: int, height: int, *, dark: bool = False, scale: float = 1) -> None:
        """Be a screen of this size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale}
        self.protocol("Emulation.setDeviceMetricsOverride", mobile=width < 600, **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.protocol("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        """Take a picture of the whole page."""
        taken = self.protocol("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def _post(self, command: str, **parameters: Any) -> Any:
        answer = self._client.post(f"{self._session}/{command}", json=parameters)
        value = answer.json()["value"]
        assert answer.is_success, value
        return value


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Browser]:
    """Open a window, and close it with all that belongs to it.

    Args:
        folder: for what a browser keeps; new for each.
    """
    port = free_port()
    home = folder / "home"
    home.mkdir(parents=True)
    # What a browser and its driver leave behind goes with the folder.
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}
    with (
        subprocess.Popen(
            [str(DRIVER), f"--port={port}"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as driver,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False
        ) as client,
    ):
        try:
            _wait_until_ready(client)
            switches = [*_SWITCHES, f"--user-data-dir={folder / 'profile'}"]
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": CHROMIUM, "args": switches},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            answer = client.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
            assert answer.is_success, answer.text
            session = f"/session/{answer.json()['value']['sessionId']}"
            yield Browser(client, session)
            client.delete(session)
        finally:
            driver.terminate()


def _wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/status").json()["value"]["ready"]:
                return
        time.sleep(0.05)
    raise AssertionError("the driver never was ready")
