"""Who may ask what, and how browsers are to treat the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asking import ask

from nstd.config import Web

if TYPE_CHECKING:
    from nstd.config import Config
    from nstd.spool.desk import Desk


def reached(config: Config, *hosts: str, address: str = "127.0.0.1") -> Config:
    """Change how the page is reached."""
    return config.model_copy(update={"web": Web(hosts=list(hosts), address=address)})


def status(config: Config, *hosts: bytes) -> int:
    """Ask under these Host headers."""
    return ask(config, "/", host=[(b"host", host) for host in hosts]).status


@pytest.mark.parametrize(
    "path", ["/", "/static/live.js", "/nothing", "/jobs/1/result/small.jpg", "/events"]
)
@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_every_answer_has_the_headers(desk: Desk, path: str, method: str) -> None:
    """Those to questions that are refused too."""
    headers = ask(desk.config, path, method=method).headers
    policy = headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} < set(policy)
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cache-control"] in {"no-store", "private, no-cache"}
    assert not headers.keys() & {"set-cookie", "server", "access-control-allow-origin"}


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"]
)
def test_the_page_is_only_for_looking_at(desk: Desk, method: str) -> None:
    """Every other method is refused, with those that aren't."""
    answer = ask(desk.config, "/", method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "host",
    [
        b"localhost",
        b"localhost:8420",
        b"LOCALHOST.",
        b"127.0.0.1:1",
        b"[::1]:8420",
        b"art.local:80",
    ],
)
def test_its_own_names_are_answered(desk: Desk, host: bytes) -> None:
    """In any spelling, with any port: a proxy's may be another."""
    assert status(reached(desk.config, "Art.Local"), host) == 200


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"localhost.evil.example",
        b"evil-art.local",
        b"192.0.2.1",
        b"0.0.0.0",
        b"2130706433",
        b"0x7f.1",
        b"[::ffff:192.0.2.1]",
    ],
)
def test_foreign_names_are_refused(desk: Desk, host: bytes) -> None:
    """Nobody can make a browser show this page to a page of theirs by a name of theirs."""
    answer = ask(reached(desk.config, "art.local"), "/", host=[(b"host", host)])
    assert answer.status == 421
    assert host.decode() not in answer.text


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [b""],
        [b"localhost", b"localhost"],
        [b"localhost/x"],
        [b"localhost:"],
        [b"me@localhost"],
        [b"local host"],
        [b"localhost\x00"],
        ["l\N{GREEK SMALL LETTER OMICRON}calhost".encode()],
    ],
)
def test_what_is_no_host_is_refused(desk: Desk, hosts: list[bytes]) -> None:
    """None, two, or what isn't one."""
    assert status(desk.config, *hosts) == 400


def test_at_every_address_any_address_is_a_name(desk: Desk) -> None:
    """Which of them lead here isn't known; a foreign name is foreign all the same."""
    anywhere = reached(desk.config, address="0.0.0.0")  # noqa: S104 - that it works is under test
    assert status(anywhere, b"192.0.2.1:8420") == 200
    assert status(anywhere, b"evil.example") == 421
