"""The configuration's section on hooks."""

from __future__ import annotations

import json

import pytest

from nstd import config
from nstd.errors import ConfigError
from nstd.hook_settings import Command, Hooks, Webhook


def parse(**hooks: object) -> Hooks:
    """Parse a configuration called c.yaml with these hooks."""
    return config.parse(json.dumps({"hooks": hooks}).encode(), file="c.yaml").hooks


HOOK = {"url": "https://example.org/hook", "credential": "webhook"}


@pytest.mark.parametrize(
    ("hooks", "key", "clause"),
    [
        ({"commands": [{"argv": "echo hello"}]}, "hooks.commands.0.argv", "list"),
        ({"commands": [{"argv": []}]}, "hooks.commands.0.argv", "a program and its arguments"),
        ({"commands": [{"argv": ["a"], "evnts": []}]}, "hooks.commands.0.evnts", "mean 'events'?"),
        ({"commands": [{"argv": ["a"], "events": []}]}, "hooks.commands.0.events", "at least one"),
        (
            {"commands": [{"argv": ["a"], "events": ["done"]}]},
            "hooks.commands.0.events.0",
            "'claimed', 'published', 'failed' or 'cancelled'",
        ),
        (
            {"commands": [{"argv": ["a"], "timeout_seconds": 0}]},
            "hooks.commands.0.timeout_seconds",
            "greater than 0",
        ),
        ({"commands": [{"argv": ["a"]}] * 2}, "hooks", "one stands there twice"),
        ({"webhooks": [{**HOOK, "url": "ftp://x"}]}, "hooks.webhooks.0.url", "must be a URL"),
        ({"webhooks": [{**HOOK, "url": "http://x:99999/"}]}, "hooks.webhooks.0.url", "a URL"),
        ({"webhooks": [{**HOOK, "url": "https://a:b@x/"}]}, "hooks.webhooks.0.url", "password"),
        ({"webhooks": [{"url": "https://x"}]}, "hooks.webhooks.0", "secret_file or credential"),
        ({"webhooks": [{**HOOK, "secret_file": "/x"}]}, "hooks.webhooks.0", "secret_file or"),
        (
            {"webhooks": [{**HOOK, "credential": "../x"}]},
            "hooks.webhooks.0.credential",
            "match pattern",
        ),
        (
            {"webhooks": [HOOK], "allowed_hosts": ["example.com"]},
            "hooks",
            "example.org is not among allowed_hosts",
        ),
        ({"backoff_seconds": 0}, "hooks.backoff_seconds", "greater than 0"),
    ],
)
def test_wrong_hooks_are_named(hooks: dict[str, object], key: str, clause: str) -> None:
    """With the place in the list."""
    with pytest.raises(ConfigError) as caught:
        parse(**hooks)
    assert caught.value.key == key
    assert clause in str(caught.value)


def test_hosts_are_compared_without_their_case() -> None:
    """As names of hosts are."""
    found = parse(webhooks=[HOOK | {"url": "https://EXAMPLE.org/"}], allowed_hosts=["Example.ORG"])
    assert found.webhooks[0].host == "example.org"


def test_a_hook_keeps_its_key_wherever_it_stands() -> None:
    """The queue of a hook survives its moving up in the list; another argument is another hook."""
    a, b = ({"argv": ["tell", name]} for name in "ab")
    assert parse(commands=[a, b]).all.keys() == parse(commands=[b, a]).all.keys()
    assert Command(argv=["a"]).key != Command(argv=["a", ""]).key
    assert Command(argv=["a"], timeout_seconds=1.0).key == Command(argv=["a"]).key


def test_names_for_logs_hold_no_secret() -> None:
    """Neither arguments nor what follows the host: both may hold a token."""
    url = "https://example.org/T0KEN?key=T0KEN"
    hooks = Hooks(
        commands=[Command(argv=["/bin/tell", "T0KEN"])],
        webhooks=[Webhook(url=url, credential="c"), Webhook(url="http://[::1]:8", credential="c")],
    )
    assert [label for label, _ in hooks.all.values()] == [
        "commands.0 (/bin/tell)",
        "webhooks.0 (https://example.org:443)",
        "webhooks.1 (http://[::1]:8)",
    ]
