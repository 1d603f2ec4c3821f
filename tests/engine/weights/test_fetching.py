from __future__ import annotations

import base64
import socket
import sys
import threading
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

import pytest
from weights_doubles import Published, publish

from nstd.engine import weights
from nstd.engine.weights import fetching
from nstd.engine.weights.index import Index as UserIndex
from nstd.engine.weights.index import user_index
from nstd.errors import WeightsCorruptError, WeightsUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """What a server says to one request; `cut` bytes of the body are announced but not sent."""

    body: bytes = b""
    status: int = 200
    type: str = "text/html"
    cut: int = 0


@dataclass
class Index:
    """A package index on this machine.

    Attributes:
        answers: by path, what to say to the first request, the second and so on; the last of
            them for ever.
        requests: path and Authorization of every request.
    """

    url: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def offer(self, small: Published, href: str = "../../files/small-1.0.tar.gz") -> Self:
        """Serve a release: the page of its project, and its sdist."""
        link = f'<a href="{href}">{small.sdist.name}</a>'.encode()
        self.answers["/simple/small/"] = [Answer(b"<!DOCTYPE html><body>" + link)]
        self.answers["/files/small-1.0.tar.gz"] = [Answer(small.sdist.read_bytes())]
        return self


@contextmanager
def serving() -> Iterator[Index]:
    """Run a package index for a while."""
    index = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.requests.append((self.path, self.headers["Authorization"]))
            answers = index.answers.get(self.path, [Answer(status=404)])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) - answer.cut])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        index.url = f"http://127.0.0.1:{server.server_port}/simple/"
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use no proxy, no certificates and no pip: only what a test sets."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_CERT", "")
    monkeypatch.setenv("PIP_PROXY", "")
    monkeypatch.setenv("NSTD_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def small(tmp_path: Path) -> Published:
    """Publish a small release."""
    return publish(tmp_path / "published")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Run an empty package index, which is the user's."""
    with serving() as running:
        monkeypatch.setenv("PIP_INDEX_URL", running.url)
        yield running


@pytest.fixture
def download(tmp_path: Path, small: Published) -> Callable[[], Path]:
    """Download the small release into an empty folder, without pauses between attempts."""
    folder = tmp_path / "downloads"
    folder.mkdir()

    def run() -> Path:
        try:
            return fetching.download(folder, release=small.release, pauses=(0, 0))
        except Exception:
            assert list(folder.iterdir()) == []
            raise

    return run


def test_the_sdist_is_found_on_the_index(
    index: Index, small: Published, download: Callable[[], Path]
) -> None:
    """The project's page leads to the file, byte for byte."""
    index.offer(small)
    assert download().read_bytes() == small.sdist.read_bytes()


def test_progress_runs_from_nothing_to_all(tmp_path: Path, index: Index, small: Published) -> None:
    """Progress counts bytes up to the size that is known beforehand."""
    index.offer(small)
    seen: list[tuple[int, int]] = []
    fetching.download(
        tmp_path, release=small.release, progress=lambda done, total: seen.append((done, total))
    )
    size = small.release.sdist.size
    assert seen[0] == (0, size)
    assert seen[-1] == (size, size)
    assert seen == sorted(seen)


def test_the_index_is_asked_once_for_all(index: Index, small: Published) -> None:
    """The first start fills the cache; the second doesn't touch the network."""
    index.offer(small)
    path = weights.resolve(None, release=small.release)
    assert weights.verify(path, release=small.release) == small.release.sha256
    index.requests.clear()
    assert weights.resolve(None, release=small.release) == path
    assert index.requests == []


def test_a_tampered_cache_is_downloaded_again(index: Index, small: Published) -> None:
    """A damaged cache heals itself while the index can be reached."""
    index.offer(small)
    path = weights.resolve(None, release=small.release)
    path.write_bytes(path.read_bytes()[:-1])
    assert weights.resolve(None, release=small.release) == path
    weights.verify(path, release=small.release)


def test_a_tampered_cache_offline_names_both_troubles(index: Index, small: Published) -> None:
    """Where the cache can't heal, the message says that it is damaged."""
    index.offer(small)
    path = weights.resolve(None, release=small.release)
    path.write_bytes(b"PK\x03\x04")
    index.answers.clear()
    with pytest.raises(WeightsUnreachableError, match="this file is damaged, and") as caught:
        weights.resolve(None, release=small.release)
    assert caught.value.file == str(path)


def test_an_unreachable_index_says_how_to_do_without(
    monkeypatch: pytest.MonkeyPatch, download: Callable[[], Path]
) -> None:
    """The message names the index and where it is configured, the cause and the way around."""
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple/")
        with pytest.raises(WeightsUnreachableError) as caught:
            download()
    message = str(caught.value)
    assert f"http://127.0.0.1:{port} (from PIP_INDEX_URL)" in message
    assert "Connection refused" in message
    assert "nstd weights path" in message
    assert "nstd weights fetch --from FILE" in message


def test_secrets_of_the_address_are_never_printed(
    monkeypatch: pytest.MonkeyPatch, download: Callable[[], Path]
) -> None:
    """Neither the message nor its traceback holds the user, the password or a path's token."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        address = f"http://anna:hu%73h@127.0.0.1:{port}/t0ken/simple/"
        monkeypatch.setenv("PIP_INDEX_URL", address)
        with pytest.raises(WeightsUnreachableError) as caught:
            download()
    printed = "".join(traceback.format_exception(caught.value)) + repr(user_index())
    for secret in ("anna", "hu%73h", "hush"):
        assert secret not in printed
    assert "t0ken" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "address", ["file:///srv/index", "/srv/index", "ftp://u:secret@host/", "http://[u:secret/"]
)
def test_an_address_that_is_no_server_is_refused(
    monkeypatch: pytest.MonkeyPatch, download: Callable[[], Path], address: str
) -> None:
    """Folders and other schemes are told so, without printing the address."""
    monkeypatch.setenv("PIP_INDEX_URL", address)
    with pytest.raises(WeightsUnreachableError, match="isn't an http or https one") as caught:
        download()
    assert "secret" not in str(caught.value)


def test_an_index_without_the_project_is_told_so(
    index: Index, download: Callable[[], Path]
) -> None:
    """A project that the index doesn't have is named, and asked for once."""
    with pytest.raises(WeightsUnreachableError, match="it has no project small"):
        download()
    assert len(index.requests) == 1


def test_an_index_without_the_file_is_told_so(index: Index, download: Callable[[], Path]) -> None:
    """A project that lacks the file is told apart from a project that is missing."""
    index.answers["/simple/small/"] = [Answer(b'<a href="small-2.0.tar.gz">small-2.0.tar.gz</a>')]
    with pytest.raises(WeightsUnreachableError, match=r"small has no file small-1\.0\.tar\.gz"):
        download()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(b"hello", type="text/plain"), id="another type"),
        pytest.param(Answer(b"{", type="application/vnd.pypi.simple.v1+json"), id="broken JSON"),
        pytest.param(Answer(b"{}", type="application/vnd.pypi.simple.v1+json"), id="other JSON"),
        pytest.param(
            Answer(b'<meta name="pypi:repository-version" content="9.0"><body>'), id="version 9"
        ),
    ],
)
def test_what_is_no_index_is_told_so(
    index: Index, download: Callable[[], Path], answer: Answer
) -> None:
    """A login page, a status page or a future protocol is an error, not a crash."""
    index.answers["/simple/small/"] = [answer]
    with pytest.raises(WeightsUnreachableError):
        download()


def test_an_index_that_serves_another_file_is_refused(
    index: Index, small: Published, download: Callable[[], Path]
) -> None:
    """A file of the right name and size with other bytes is refused with both hashes."""
    index.offer(small)
    other = small.sdist.read_bytes()[:-1] + b"x"
    index.answers["/files/small-1.0.tar.gz"] = [Answer(other)]
    with pytest.raises(WeightsCorruptError, match="serves another file by this name") as caught:
        download()
    assert small.release.sdist.sha256 in str(caught.value)
    assert caught.value.file == small.sdist.name


def test_an_endless_file_is_not_swallowed(
    index: Index, small: Published, download: Callable[[], Path]
) -> None:
    """A server that sends more than the file's size is cut off."""
    index.offer(small)
    index.answers["/files/small-1.0.tar.gz"] = [Answer(b"\0" * 1_000_000)]
    with pytest.raises(WeightsCorruptError, match="more than"):
        download()


@pytest.mark.parametrize("status", [429, 503])
def test_a_passing_trouble_is_waited_out(
    index: Index, small: Published, download: Callable[[], Path], status: int
) -> None:
    """A busy index is asked again."""
    index.offer(small)
    index.answers["/simple/small/"].insert(0, Answer(status=status))
    index.answers["/files/small-1.0.tar.gz"].insert(0, Answer(status=status))
    assert download().read_bytes() == small.sdist.read_bytes()


def test_a_broken_transfer_is_begun_again(
    index: Index, small: Published, download: Callable[[], Path]
) -> None:
    """A connection lost halfway costs an attempt, not the download."""
    index.offer(small)
    index.answers["/files/small-1.0.tar.gz"].insert(0, Answer(small.sdist.read_bytes(), cut=100))
    assert download().read_bytes() == small.sdist.read_bytes()


@pytest.mark.parametrize(("status", "requests"), [(403, 1), (503, 3)])
def test_a_lasting_trouble_is_given_up(
    index: Index, download: Callable[[], Path], status: int, requests: int
) -> None:
    """Refusals aren't repeated; what may pass is tried three times. The state is told."""
    index.answers["/simple/small/"] = [Answer(status=status)]
    with pytest.raises(WeightsUnreachableError, match=f"HTTP {status}"):
        download()
    assert len(index.requests) == requests


def test_credentials_go_to_the_index_only(
    monkeypatch: pytest.MonkeyPatch,
    index: Index,
    small: Published,
    download: Callable[[], Path],
) -> None:
    """The user and the password are sent to the index, and not to the server it links to."""
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//anna:s%65cret@"))
    basic = "Basic " + base64.b64encode(b"anna:secret").decode()
    with serving() as files:
        files.offer(small)
        index.offer(small, href=files.url.replace("/simple/", "/files/small-1.0.tar.gz"))
        download()
    assert index.requests == [("/simple/small/", basic)]
    assert files.requests == [("/files/small-1.0.tar.gz", None)]


def test_pips_proxy_is_used(
    monkeypatch: pytest.MonkeyPatch, index: Index, download: Callable[[], Path]
) -> None:
    """Who reaches the index through a proxy in pip's settings reaches it here as well."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_PROXY", index.url.removesuffix("/simple/"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple/")
    with pytest.raises(WeightsUnreachableError):
        download()
    assert index.requests == [("http://index.invalid/simple/small/", None)]


def test_pips_certificates_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, download: Callable[[], Path]
) -> None:
    """A certificate bundle that pip is told to use, and that isn't there, is named."""
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://127.0.0.1:9/simple/")
    with pytest.raises(WeightsUnreachableError, match=r"ca\.pem"):
        download()


@pytest.mark.parametrize("section", ["global", "install"])
def test_pips_configuration_gives_the_index(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, section: str
) -> None:
    """Without variables, pip itself is asked for the index, the certificates and the proxy."""
    pytest.importorskip("pip")
    for name in ("PIP_INDEX_URL", "PIP_CERT", "PIP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pip.conf").write_text(
        f"[{section}]\nindex-url = http://127.0.0.1:9/mine/\ncert = /a'b\nproxy = http://p:1\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert user_index() == UserIndex(
        "http://127.0.0.1:9/mine/", "pip's configuration", None, "/a'b", "http://p:1"
    )


def test_without_pip_its_default_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment without pip is no obstacle."""
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    assert user_index().origin == "pip's default"
