"""Secrets and signatures."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from receiver import KEY, SECRET, secret_file

from nstd.errors import ConfigError
from nstd.hook_settings import Webhook
from nstd.hooks import signature

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://example.org/hook"


def secret(data: bytes) -> str:
    """Serialise a secret as the specification has it."""
    return f"whsec_{base64.b64encode(data).decode()}"


def test_the_signature_is_that_of_the_specifications_reference_vector() -> None:
    """As the reference implementations test themselves: secret, id, time, payload, signature."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature.headers(
        [key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert found == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_each_key_signs(tmp_path: Path) -> None:
    """So that a secret can be replaced without a gap: the receiver knows the old or the new one."""
    path = secret_file(tmp_path, SECRET, secret(b"n" * 24))
    keys = signature.keys(Webhook(url=URL, secret_file=path))
    assert keys == (KEY, b"n" * 24)
    both = signature.headers(keys, "id", 1, b"x")["webhook-signature"]
    assert both.split(" ") == [
        signature.headers([key], "id", 1, b"x")["webhook-signature"] for key in keys
    ]


def test_the_prefix_may_be_left_out(tmp_path: Path) -> None:
    """Some receivers show their secrets without it."""
    path = secret_file(tmp_path, base64.b64encode(KEY).decode())
    assert signature.keys(Webhook(url=URL, secret_file=path)) == (KEY,)


def test_a_credential_of_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the folder that it names, whose guard it is itself; and a word if there is none."""
    hook = Webhook(url=URL, credential="webhook")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match=r"'webhook' without systemd.*LoadCredential"):
        signature.keys(hook)
    (tmp_path / "webhook").write_text(SECRET)
    (tmp_path / "webhook").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert signature.keys(hook) == (KEY,)


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("", "no secret in it"),
        ("hunter2!", "no secret"),
        (secret(b"short"), "no secret"),
        (secret(b"l" * 65), "no secret"),
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(tmp_path: Path, text: str, clause: str) -> None:
    """The message names the file and the remedy, not what is in it."""
    path = secret_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        signature.keys(Webhook(url=URL, secret_file=path))
    assert clause in str(caught.value)
    assert str(path) in str(caught.value)
    assert not text or text.removeprefix("whsec_") not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """Members of the service's group may submit jobs, and no more."""
    path = secret_file(tmp_path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="others than its owner"):
        signature.keys(Webhook(url=URL, secret_file=path))


def test_an_absent_secret_is_named(tmp_path: Path) -> None:
    """With the system's word for it."""
    with pytest.raises(ConfigError, match="No such file"):
        signature.keys(Webhook(url=URL, secret_file=tmp_path / "absent"))
