"""The configuration's section on hooks: who is told of a job's events, and how."""

from __future__ import annotations

import functools
import hashlib
import json
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, model_validator

from nstd.message import Event
from nstd.sections import STRICT, FolderPath

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def _as_url(value: str) -> str:
    """An address of a web server, without what would end up in a log."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"must be a URL: {error}") from error
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or port == 0:
        raise ValueError("must be a URL such as https://example.org/hook")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or a password: the signature proves who sends")
    return value


def _as_argv(value: list[str]) -> list[str]:
    """A program and its arguments; no shell reads them."""
    if not value or not value[0] or any("\0" in word for word in value):
        raise ValueError("must be a list of a program and its arguments")
    return value


def _once_each(value: list[Event]) -> list[Event]:
    if not value or len(set(value)) != len(value):
        raise ValueError("must name each event once, and at least one")
    return value


Events = Annotated[list[Event], AfterValidator(_once_each)]
Url = Annotated[str, AfterValidator(_as_url)]


class _Section(BaseModel):
    model_config = STRICT


class Hook(_Section):
    """Somebody who is told of events."""

    events: Events = ["published", "failed"]

    @property
    def key(self) -> str:
        """Names it in the ledger, however the configuration orders its hooks.

        A digest, since an address may hold what is nobody's business.
        """
        told = json.dumps([type(self).__name__, self._identity()])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @abstractmethod
    def _identity(self) -> Hashable:
        """What makes it the same hook in another configuration."""

    @property
    @abstractmethod
    def shown(self) -> str:
        """What logs call it."""


class Command(Hook):
    """A program, run without a shell."""

    argv: Annotated[list[str], AfterValidator(_as_argv)]
    timeout_seconds: float = Field(default=60.0, gt=0)

    def _identity(self) -> Hashable:
        return tuple(self.argv)

    @property
    def shown(self) -> str:
        """The program; its arguments may be secret."""
        return self.argv[0]


class PluginHook(Hook):
    """A plugin of Python, told in a process of its own."""

    plugin: Annotated[str, Field(min_length=1)]
    timeout_seconds: float = Field(default=60.0, gt=0)

    def _identity(self) -> Hashable:
        return self.plugin

    @property
    def shown(self) -> str:
        """Its name."""
        return self.plugin


class Webhook(Hook):
    """An address that events are posted to, signed."""

    url: Url
    secret_file: FolderPath | None = None
    credential: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")] = None
    timeout_seconds: float = Field(default=15.0, gt=0)

    @model_validator(mode="after")
    def _has_one_secret(self) -> Webhook:
        if (self.secret_file is None) == (self.credential is None):
            raise ValueError("needs either secret_file or credential")
        return self

    @property
    def host(self) -> str:
        """The server's name or address, in lower case."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The server's port."""
        parts = urlsplit(self.url)
        return parts.port or _DEFAULT_PORTS[parts.scheme]

    def _identity(self) -> Hashable:
        return self.url

    @property
    def shown(self) -> str:
        """The server; the rest of an address may be secret."""
        parts = urlsplit(self.url)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{parts.scheme}://{host}:{self.port}"


class Hooks(_Section):
    """Who is told of what, and for how long it is tried."""

    commands: list[Command] = []
    webhooks: list[Webhook] = []
    plugins: list[PluginHook] = []
    allowed_hosts: list[str] | None = None
    allow_link_local: bool = False
    backoff_seconds: float = Field(default=5.0, gt=0)
    backoff_longest_seconds: float = Field(default=3600.0, gt=0)
    give_up_seconds: float = Field(default=259_200.0, gt=0)

    @model_validator(mode="after")
    def _is_consistent(self) -> Hooks:
        for name, hooks in self._lists():
            if len({hook.key for hook in hooks}) != len(hooks):
                raise ValueError(f"{name}: one stands there twice; list its events in one place")
        if self.allowed_hosts is not None:
            allowed = {host.lower() for host in self.allowed_hosts}
            for hook in self.webhooks:
                if hook.host not in allowed:
                    raise ValueError(f"webhooks: {hook.host} is not among allowed_hosts")
        return self

    def _lists(self) -> Sequence[tuple[str, Sequence[Hook]]]:
        return (
            ("commands", self.commands),
            ("webhooks", self.webhooks),
            ("plugins", self.plugins),
        )

    @functools.cached_property  # the main loop asks in each of its turns
    def all(self) -> dict[str, tuple[str, Hook]]:
        """Every hook by its key, with what logs call it: its place here, and its program or server.

        The place tells two hooks on one server apart.
        """
        return {
            hook.key: (f"{name}.{number} ({hook.shown})", hook)
            for name, hooks in self._lists()
            for number, hook in enumerate(hooks)
        }

    def wanting(self, event: Event) -> list[str]:
        """Keys of the hooks that are to be told of an event."""
        return [key for key, (_, hook) in self.all.items() if event in hook.events]
