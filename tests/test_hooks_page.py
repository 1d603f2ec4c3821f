"""docs/hooks.md runs."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from daemon_process import PATIENCE, DaemonProcess, drop
from doc_pages import DOCS, blocks, shell
from installed_plugin import install
from PIL import Image

from nstd import strict_yaml
from nstd.hooks import webhook
from nstd.message import DOCUMENTS, Message

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "hooks.md"
COMMANDS_AND_WEBHOOKS, PLUGINS = blocks(PAGE, "yaml")
RECEIVER, PLUGIN = blocks(PAGE, "python")


def test_every_block_is_tried() -> None:
    """One in another language would be none that a test runs."""
    languages = re.findall(r"^```(\w+)$", (DOCS / PAGE).read_text(), re.MULTILINE)
    assert sorted(languages) == ["console", "json", "python", "python", "yaml", "yaml"]


def test_command_webhook_and_receiver_work_together(tmp_path: Path) -> None:
    """As the page has them, but for paths and port."""
    (secret,) = blocks(PAGE, "console")
    shell(secret.removeprefix("$ "), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])

    def here(text: str) -> str:
        text = text.replace("/etc/nstd/", f"{tmp_path}/").replace("/srv/paintings", str(tmp_path))
        return text.replace("8080", port)

    receiver = subprocess.Popen(
        [sys.executable, "-c", here(RECEIVER)], stdout=subprocess.PIPE, text=True
    )
    settings: Any = strict_yaml.load(here(COMMANDS_AND_WEBHOOKS))
    settings["hooks"]["backoff_seconds"] = 0.2  # the receiver may not listen yet
    running = DaemonProcess(tmp_path, copying=True, settings=settings)
    drop(tmp_path / "inbox" / "sub", "a")
    said, _ = receiver.communicate(timeout=PATIENCE)
    assert said == "job.published sub/a\n"
    running.wait_for("hook.done", 3)
    assert running.stop() == 0
    log = (tmp_path / "events.log").read_text()
    assert log.splitlines() == ["claimed sub/a", "published sub/a"]


def test_the_plugin_works(tmp_path: Path) -> None:
    """All three of its hooks."""
    (tmp_path / "plugins").mkdir()
    install(tmp_path / "plugins", "framed", PLUGIN)
    running = DaemonProcess(
        tmp_path,
        copying=True,
        settings=strict_yaml.load(PLUGINS),
        wrapper=["env", f"PYTHONPATH={tmp_path / 'plugins'}:{DOCS.parent}"],
    )
    drop(tmp_path / "inbox" / "thumbnails", "a", "preset: fast\nsize: 96\n", size=(96, 72))
    assert running.wait_for("hook.done")["output"] == "thumbnails/a is published"
    assert running.count("plugin.failed") == 0
    assert running.stop() == 0
    with Image.open(tmp_path / "outbox" / "thumbnails" / "a.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (48, 64, 3)
    assert pixels[:2].max() == 0
    assert pixels[2:-2, 2:-2].max() > 0


def test_the_payload_has_the_shape_that_is_shown() -> None:
    """The same keys, all the way down to the document."""
    (shown,) = blocks(PAGE, "json")
    at = 1767268800.0
    told = json.loads(shown)
    data = told["data"]
    message = Message("published", data["job_id"], data["name"], at, {}, data["result"])
    assert json.loads(webhook.body(message)) == told


@pytest.mark.parametrize("event", DOCUMENTS)
def test_every_event_is_in_the_table(event: str) -> None:
    """With its document."""
    row = re.search(rf"^\| `{event}` \|.*\| (.*) \|$", (DOCS / PAGE).read_text(), re.MULTILINE)
    assert row is not None
    assert row[1].startswith(f"`{DOCUMENTS[event]}`")  # type: ignore[index]


def test_the_example_of_a_plugin_is_where_the_page_says() -> None:
    """And every other link leads somewhere."""
    links = re.findall(r"\]\(([^):]+)\)", (DOCS / PAGE).read_text())
    assert "watermark" in links
    assert all((DOCS / link).exists() for link in links)
