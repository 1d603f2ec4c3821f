"""Signatures of webhooks, after the Standard Webhooks specification 1.0.

The signed content is `{id}.{timestamp}.{payload}`, the signature `v1,` and the base64 of its
HMAC-SHA256. A secret is `whsec_` and the base64 of 24 to 64 random bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nstd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nstd.hook_settings import Webhook

_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(24, 64 + 1)
_MOST_BYTES: Final = 4096
_OTHERS: Final = 0o077
_REMEDY: Final = "write a line `whsec_` and the base64 of 24 to 64 random bytes into it"


def keys(settings: Webhook) -> tuple[bytes, ...]:
    """Read a webhook's keys, as they are now; several while one replaces another.

    Raises:
        ConfigError: naming the file, never what is in it.
    """
    path = _place(settings)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MOST_BYTES)
    except OSError as error:
        raise ConfigError(
            f"the secret can't be read: {error.strerror}",
            file=str(path),
            remedy="let the service's user read it",
        ) from error
    # systemd guards its credentials itself, with access lists that this can't see.
    if settings.secret_file is not None and mode & _OTHERS:
        raise ConfigError(
            "others than its owner may read the secret", file=str(path), remedy="chmod 600"
        )
    found = tuple(_key(line.strip(), path) for line in data.splitlines() if line.strip())
    if not found:
        raise ConfigError("there is no secret in it", file=str(path), remedy=_REMEDY)
    return found


def headers(
    secrets: Sequence[bytes], message_id: str, timestamp: int, payload: bytes
) -> dict[str, str]:
    """The three headers of a message.

    Args:
        secrets: each signs; the receiver is content with one.
        message_id: the same for every attempt.
        timestamp: of this attempt, seconds since the epoch.
        payload: the body, byte for byte.
    """
    signed = f"{message_id}.{timestamp}.".encode() + payload
    digests = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(digest).decode()}" for digest in digests
        ),
    }


def _place(settings: Webhook) -> Path:
    if settings.secret_file is not None:
        return settings.secret_file
    assert settings.credential is not None  # noqa: S101 - the configuration has one of the two
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if folder is None:
        raise ConfigError(
            f"there is no credential {settings.credential!r} without systemd",
            remedy="name a secret_file, or start nstd as a service with LoadCredential=",
        )
    return Path(folder) / settings.credential


def _key(line: bytes, path: Path) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(_PREFIX.encode()), validate=True)
    except binascii.Error:
        key = b""
    if len(key) not in _KEY_BYTES:
        raise ConfigError("what is in it is no secret", file=str(path), remedy=_REMEDY)
    return key
