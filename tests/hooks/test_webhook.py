"""Webhooks, posted to a real server on the loopback."""

from __future__ import annotations

import email.utils
import shutil
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from receiver import SECRET, Receiver, secret_file

import nstd
from nstd.hook_settings import Webhook
from nstd.hooks import webhook
from nstd.hooks.outcome import Outcome, Verdict
from nstd.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGE = Message(
    "published",
    "20260101T000000-00000001",
    "sub/caf\udce9",
    1767225600.25,
    {"seed": 7},
    "sub/a.png",
    {"result": "/secret/place/a.png"},
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Listen on the loopback."""
    made = Receiver()
    yield made
    made.close()


def post(
    url: str, folder: Path, message: Message = MESSAGE, *, allow: bool = False, **settings: Any
) -> Outcome:
    """Post the message."""
    hook = Webhook(url=url, secret_file=secret_file(folder), **settings)
    return webhook.post(hook, message, allow_link_local=allow)


def test_an_event_is_posted_signed(receiver: Receiver, tmp_path: Path) -> None:
    """With the specification's headers, and a payload of its shape; no path of this machine."""
    done = post(receiver.url("/hook?a=b"), tmp_path)
    assert (done.verdict, dict(done.facts)) == (Verdict.DONE, {"status": 204})
    received = receiver.next()
    assert received.path == "/hook?a=b"
    assert received.is_signed()
    assert received.message_id == "20260101T000000-00000001-published"
    assert abs(int(received.headers["webhook-timestamp"]) - time.time()) < 60
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"] == f"nstd/{nstd.__version__}"
    assert received.headers["host"] == receiver.url("").removeprefix("http://")
    assert received.told == {
        "type": "job.published",
        "timestamp": "2026-01-01T00:00:00.250000Z",
        "data": {
            "job_id": "20260101T000000-00000001",
            "name": "sub/caf\udce9",
            "result": "sub/a.png",
            "manifest": {"seed": 7},
        },
    }
    assert b"/secret" not in received.body


def test_a_repeated_post_differs_in_its_time_alone(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The id stays; the timestamp is the attempt's, which the specification asks for."""
    post(receiver.url(), tmp_path)
    first = receiver.next()
    later = time.time() + 100
    monkeypatch.setattr(time, "time", lambda: later)
    post(receiver.url(), tmp_path)
    second = receiver.next()
    assert second.message_id == first.message_id
    assert second.body == first.body
    assert second.headers["webhook-timestamp"] != first.headers["webhook-timestamp"]
    assert second.is_signed()


def test_a_reasons_details_stay_here() -> None:
    """A traceback is for the operator."""
    message = Message("failed", "j", "a", 1.0, {"code": "x", "details": {"traceback": "..."}})
    assert b"traceback" not in webhook.body(message)
    assert b'"reason":{"code":"x"}' in webhook.body(message)


@pytest.mark.parametrize("status", [300, 400, 401, 404, 429, 500, 502, 503])
def test_every_other_answer_is_a_failure_to_be_repeated(
    receiver: Receiver, tmp_path: Path, status: int
) -> None:
    """A client error too: it may be the receiver's mistake, and be mended."""
    receiver.answer(status)
    done = post(receiver.url(), tmp_path)
    assert done.verdict is Verdict.RETRY
    assert done.reason == f"answered {status}"
    assert done.facts == {"status": status}


def test_gone_is_told_apart(receiver: Receiver, tmp_path: Path) -> None:
    """The receiver wants to hear no more."""
    receiver.answer(410)
    assert post(receiver.url(), tmp_path).verdict is Verdict.GONE


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(receiver: Receiver, tmp_path: Path, status: int) -> None:
    """Whoever answers must not decide where the next post goes."""
    receiver.answer((status, {"location": receiver.url("/elsewhere")}))
    assert post(receiver.url(), tmp_path).verdict is Verdict.RETRY
    assert receiver.next().path == "/hook"
    assert receiver.requests.empty()


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("120", 120, 120),
        ("9999999999999", 86_400, 86_400),
        ("soon", 0, 0),
        ("-5", 0, 0),
        ("in an hour", 3000, 3601),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, 0),
    ],
)
def test_retry_after_is_heeded(
    receiver: Receiver, tmp_path: Path, header: str, low: float, high: float
) -> None:
    """As seconds or as a date, up to a day."""
    if header == "in an hour":
        header = email.utils.formatdate(time.time() + 3600, usegmt=True)
    receiver.answer((503, {"retry-after": header}))
    assert low <= post(receiver.url(), tmp_path).pause <= high


def test_a_server_that_hangs_is_left(receiver: Receiver, tmp_path: Path) -> None:
    """After the time-out."""
    release = threading.Event()
    receiver.answer(lambda: 204 if release.wait(60) else 500)
    done = post(receiver.url(), tmp_path, timeout_seconds=0.3)
    assert done.verdict is Verdict.RETRY
    assert "took longer than 0.3 s" in done.reason
    release.set()


def test_a_server_that_dribbles_is_left_too(tmp_path: Path) -> None:
    """The time-out is for all of it: a byte now and then doesn't begin it anew."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopped = threading.Event()

        def dribble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stopped.wait(0.05):
                    connection.sendall(b"X: y\r\n")

        thread = threading.Thread(target=dribble)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        done = post(url, tmp_path, timeout_seconds=0.5)
        stopped.set()
        thread.join()
    assert done.verdict is Verdict.RETRY
    assert "took longer" in done.reason


def test_a_body_without_end_is_not_read(receiver: Receiver, tmp_path: Path) -> None:
    """The status says it all."""
    receiver.answer((200, {"transfer-encoding": "chunked"}))
    assert post(receiver.url(), tmp_path).verdict is Verdict.DONE


def test_nobody_there_is_a_failure_to_be_repeated(receiver: Receiver, tmp_path: Path) -> None:
    """A server that is down, and a name that doesn't exist."""
    url = receiver.url()
    receiver.close()
    done = post(url, tmp_path)
    assert (done.verdict, done.reason.split(":")[0]) == (Verdict.RETRY, "can't be reached")
    assert post("http://no-such-host.invalid/", tmp_path).verdict is Verdict.RETRY


def test_a_name_is_looked_up_and_sent_as_host(receiver: Receiver, tmp_path: Path) -> None:
    """The connection is to the address that was checked; the server sees the name."""
    url = receiver.url().replace("127.0.0.1", "localhost")
    assert post(url, tmp_path).verdict is Verdict.DONE
    assert receiver.next().headers["host"].startswith("localhost:")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_each_address_of_a_name_is_tried(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their order, guarded ones left out, until one can be connected to."""
    found = ["169.254.169.254", "::1", "127.0.0.2", "127.0.0.1"]
    entries = [(socket.AF_UNSPEC, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    url = receiver.url("/").replace("127.0.0.1", "several.example")
    assert post(url, tmp_path).verdict is Verdict.DONE
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries[:3])
    done = post(url, tmp_path)
    assert done.verdict is Verdict.RETRY
    assert "can't be reached" in done.reason


def test_a_name_service_that_hangs_is_left(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time-out is for all of an attempt; nobody waits for the answer afterwards."""
    is_over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: is_over.wait(60) and [])
    done = post(receiver.url("/"), tmp_path, timeout_seconds=0.2)
    assert not is_over.is_set()
    is_over.set()
    assert (done.verdict, done.reason) == (
        Verdict.RETRY,
        "took longer than 0.2 s (timeout_seconds)",
    )


def test_a_certificate_must_be_trusted_and_the_names_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the connection is to an address, the certificate is the name's."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-out", certificate, "-keyout", key),
        ],
        check=True,
        capture_output=True,
    )
    receiver = Receiver(certificate, key)
    url = receiver.url().replace("127.0.0.1", "localhost")
    webhook._trust.cache_clear()
    assert "CERTIFICATE_VERIFY_FAILED" in post(url, tmp_path).reason
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    webhook._trust.cache_clear()
    assert post(url, tmp_path).verdict is Verdict.DONE
    assert "CERTIFICATE_VERIFY_FAILED" in post(receiver.url(), tmp_path).reason
    webhook._trust.cache_clear()
    receiver.close()


def test_no_proxy_is_asked(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment doesn't decide where an event goes."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert post(receiver.url(), tmp_path).verdict is Verdict.DONE


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.1.1",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",  # noqa: S104 - refused
        "224.0.0.1",
    ],
)
def test_where_clouds_keep_their_secrets_is_guarded(address: str) -> None:
    """In whatever notation."""
    assert webhook.is_guarded(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.7", "192.0.2.7", "2001:db8::7"])
def test_machines_of_ones_own_are_not(address: str) -> None:
    """The configuration names them, and receivers on the same machine are the usual case."""
    assert not webhook.is_guarded(address)


def test_a_guarded_address_is_not_connected_to(tmp_path: Path) -> None:
    """Unless the configuration allows it."""
    done = post("http://0.0.0.0:9/", tmp_path)
    assert done.verdict is Verdict.RETRY
    assert "hooks.allow_link_local" in done.reason
    allowed = post("http://0.0.0.0:9/", tmp_path, allow=True)
    assert "hooks.allow_link_local" not in allowed.reason


def test_without_a_secret_nothing_is_sent(receiver: Receiver, tmp_path: Path) -> None:
    """An unsigned event proves nothing; the next attempt reads the secret anew."""
    hook = Webhook(url=receiver.url(), secret_file=tmp_path / "absent")
    done = webhook.post(hook, MESSAGE, allow_link_local=False)
    assert done.verdict is Verdict.RETRY
    assert "the secret can't be read" in done.reason
    assert SECRET not in done.reason
    assert receiver.requests.empty()
