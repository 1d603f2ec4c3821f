"""What the page says."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from asking import ask, running
from jobs import again, claimed, configure, end, failed, published, queued

from nstd.domain import Failure
from nstd.entry import State
from nstd.errors import CannotWriteError, ImageError
from nstd.spool import layout
from nstd.spool.nowfile import Device, Now, NowFile, Progress

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.entry import Entry
    from nstd.spool.desk import Desk

DEVICE = Device("cpu", "cpu, float32", "working", 0, 3)


def say(desk: Desk, *progress: Progress, **fields: Any) -> None:
    """Leave a present."""
    told = {"running": progress, "devices": (DEVICE,), **fields}
    NowFile(layout.now_file(desk.config)).update(Now(7, "1.2", 1.5e9, **told))


def begun(desk: Desk, name: str = "r") -> Entry:
    """Bring a job into a worker's hands."""
    return desk.ledger.advance(claimed(desk, name), state=State.RUNNING)


def section(html: str, name: str) -> str:
    """Cut one section out of the page."""
    found = re.search(rf'<(\w+) id="{name}".*?</\1>\n', html, re.DOTALL)
    assert found is not None
    return found[0]


def page(desk: Desk) -> str:
    """Look at the page while a daemon runs."""
    with running(desk.config):
        answer = ask(desk.config, "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def test_every_part_is_a_section_with_a_heading(desk: Desk) -> None:
    """In a page that says its language, and fits phones."""
    html = page(desk)
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert 'name="viewport"' in html
    for name in ("running", "waiting", "gallery", "failures", "devices"):
        assert f'<section id="{name}" aria-labelledby="{name}-title"' in html
        assert f'<h2 id="{name}-title">' in html
    assert html.count("<h1>") == html.count("<main>") == html.count("<header>") == 1


def test_without_a_script_it_renews_itself(desk: Desk) -> None:
    """And says so."""
    html = page(desk)
    assert '<noscript><meta http-equiv="refresh" content="30"></noscript>' in html
    assert "Without JavaScript, this page is renewed" in html


def test_nothing_in_it_is_inline_or_from_elsewhere(desk: Desk) -> None:
    """Neither scripts, nor styles, nor handlers, nor another server's files."""
    end(desk, published(desk))
    html = page(desk)
    assert "<style" not in html
    assert not re.search(r'\s(style|on\w+)="', html)
    assert re.findall(r"<script[^>]*>", html) == ['<script src="static/live.js" defer>']
    for link in re.findall(r'(?:src|href)="([^"]*)"', html):
        assert re.match(r"(static/|jobs/|#)", link), link


def test_a_running_job_shows_how_far_it_has_come(desk: Desk) -> None:
    """Iterations, time left, device, and its own images."""
    entry = begun(desk)
    say(desk, Progress("r", "cpu", 3, 10, 2.0, entry.job_id, 0.5))
    html = section(page(desk), "running")
    assert '<progress max="10" value="3" aria-label="Progress of r">' in html
    assert "3 of 10 iterations" in html
    assert "about 14 s left" in html
    assert f'src="jobs/{entry.job_id}/content/small.jpg" alt="Content: r.jpg"' in html
    assert f'src="jobs/{entry.job_id}/style-1/small.jpg" alt="Style: r.style.png"' in html
    assert "No picture yet" in html


def test_a_job_that_has_just_begun_promises_no_time(desk: Desk) -> None:
    """There is nothing to go by before the first iteration."""
    begun(desk)
    say(desk)
    html = section(page(desk), "running")
    assert "begins" in html
    assert "left" not in html


def test_a_done_job_is_shown_with_its_parameters(desk: Desk) -> None:
    """Content, style and result, and what the ledger knows of how it came about."""
    entry = published(desk, "sea", text="preset: fast\nstrength: 1.5\n")
    facts = {**entry.rendered.facts, "parameters": entry.params.model_dump(mode="json")}
    rendered = type(entry.rendered)(*("p", "0" * 64, 640, 480), facts)
    end(desk, desk.ledger.advance(entry, rendered=rendered))
    html = section(page(desk), "gallery")
    for role, label in (("content", "Content"), ("style-1", "Style"), ("result", "Result")):
        assert f'href="jobs/{entry.job_id}/{role}/large.jpg"' in html
        assert f'alt="{label}: ' in html
    assert "<span>fast</span>" in html
    assert "<span>640 × 480</span>" in html  # noqa: RUF001 - the sign for it
    assert "<span>10 iterations</span>" in html
    assert "<dt>strength</dt><dd>1.5</dd>" in html
    assert "<dt>loss</dt><dd>0.5</dd>" in html


def test_failures_have_their_reasons(desk: Desk) -> None:
    """As their owners read them in the reason file."""
    entry = failed(desk, "bad")
    end(desk, entry)
    home = again(desk, entry).home
    assert home is not None
    reason = (home / "bad.reason.txt").read_text().strip()
    assert reason in section(page(desk), "failures")


def test_the_queue_is_told_in_order(desk: Desk) -> None:
    """The next few by name, the others by number; and what the inbox waits for."""
    for number in range(8):
        queued(desk, f"q{number}")
    say(desk, incomplete={"half.yaml": "half.jpg is not there"})
    html = section(page(desk), "waiting")
    assert re.findall(r'class="name">(q\d)<', html) == [f"q{number}" for number in range(6)]
    assert "and 2 more" in html
    assert "half.jpg is not there" in html


def test_devices_tell_their_health(desk: Desk) -> None:
    """And what the last hour brought."""
    end(desk, published(desk))
    resting = Device("gpu:1", "", "resting", 2, 0)
    say(desk, devices=(DEVICE, resting))
    html = section(page(desk), "devices")
    assert "cpu, float32" in html
    assert ">resting</span>" in html
    assert "2 workers died" in html
    assert "Last hour: 1 done, 0 failed, 0 cancelled." in html


def test_markup_in_names_is_text(desk: Desk) -> None:
    """Of jobs, files and reasons."""
    name = "<img src=x onerror=alert(1)>&"
    end(desk, published(desk, name))
    failure = Failure.of(ImageError("is <b>bad</b>", file=f"{name}.jpg"))
    end(desk, failed(desk, f"{name}2", failure=failure))
    queued(desk, f"{name}3")
    html = page(desk)
    assert "<img src=x" not in html
    assert "<b>bad" not in html
    assert html.count("&lt;img src=x onerror=alert(1)&gt;&amp;") >= 3


def test_names_of_any_bytes_are_shown_escaped(desk: Desk) -> None:
    """The page is UTF-8 whatever they are; nothing in them turns the text around."""
    entry = published(desk, os.fsdecode(b"caf\xe9"))
    end(desk, entry)
    queued(desk, "turned\u202eround\n")
    html = page(desk)
    assert "caf\\udce9" in html
    assert "turned\\u202eround\\n" in html
    answer = ask(desk.config, f"/jobs/{entry.job_id}/result/small.jpg")
    assert answer.headers["content-type"] == "image/jpeg"


def test_a_daemon_that_is_down_is_said_to_be(desk: Desk) -> None:
    """What the ledger knows is shown all the same."""
    end(desk, published(desk))
    begun(desk)
    answer = ask(desk.config, "/")
    assert answer.status == 200
    assert "<strong>nstd is not running</strong>" in answer.text
    assert "Its jobs go on when it starts." in answer.text
    assert "was stopped" in section(answer.text, "running")
    assert "/result/small.jpg" in answer.text


def test_a_pause_is_said(desk: Desk) -> None:
    """And how it ends."""
    desk.ledger.set_fact(layout.PAUSED, "1.5")
    say(desk, held="paused")
    html = page(desk)
    assert "<strong>Paused</strong>" in html
    assert "nstd resume" in html
    assert "<strong>Held</strong>" not in html


def test_what_holds_the_daemon_is_said_without_its_path(desk: Desk) -> None:
    """A folder is called by its name."""
    say(desk, held=f"{desk.config.folder('outbox')}: can't be written: No space left on device")
    html = page(desk)
    assert "outbox: can&#39;t be written: No space left on device." in html
    assert str(desk.config.root) not in html


def test_without_a_ledger_the_page_says_so(config: Config) -> None:
    """With a status that says so to programs."""
    config.folder("state").mkdir()
    answer = ask(config, "/")
    assert answer.status == 503
    assert "there is no ledger: no daemon has run" in answer.text
    assert "No job" not in answer.text
    assert answer.text.count("Not known now.") == 5
    assert str(config.root) not in answer.text


def test_a_damaged_ledger_is_said_to_be(config: Config) -> None:
    """The page itself stays whole."""
    layout.create(config)
    layout.ledger(config).write_bytes(b"no ledger" * 1000)
    answer = ask(config, "/")
    assert answer.status == 503
    assert "the ledger is damaged" in answer.text
    assert ask(config, "/jobs/1/result/small.jpg").status == 503
    assert str(config.root) not in answer.text


@pytest.mark.parametrize("broken", ["no ledger", "whole"])
def test_no_answer_has_a_path_of_the_server(desk: Desk, broken: str) -> None:
    """Whatever went wrong with a job, and whatever is asked for."""
    configure(desk, styles=[desk.config.root / "library"])
    root = desk.config.root
    copy = layout.work(desk.config) / "1" / "x.tmp"
    mistake = Failure.of(CannotWriteError(f"[Errno 28] No space: '{copy}'"))
    other = Failure.of(ImageError("can't be read: /etc/secret/a.jpg (from /opt/x y/z)"))
    entries = [published(desk, "p"), failed(desk, "m", failure=mistake)]
    entries.append(failed(desk, "o", failure=other))
    for entry in entries:
        end(desk, entry)
    entries.append(begun(desk))
    held = desk.ledger.advance(queued(desk, "h"), hold=f"{root}/outbox/deep: refuses")
    say(desk, held=f"{root}/state: has less than 256 MiB")
    if broken == "no ledger":
        for path in root.glob("state/ledger*"):
            path.unlink()
    paths = ["/", "/static/live.js", "/static/no", "/nothing"]
    for entry in (*entries, held):
        roles = ("content", "style-1", "result", "snapshot", "start", "nonsense")
        paths += [f"/jobs/{entry.job_id}/{role}/small.jpg" for role in roles]
    with running(desk.config):
        for path in paths:
            answer = ask(desk.config, path)
            told = answer.body.decode("latin-1") + str(answer.headers)
            for secret in (str(root), root.name, "/etc/secret", "/opt/x", "Traceback"):
                assert secret not in told, path
