"""What hooks are to be told of a job's change, ready to be queued with it.

Without hooks that want an event nothing is read or built.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from nstd import manifest
from nstd.entry import Entry, State
from nstd.message import Message
from nstd.spool.deliveries import Delivery
from nstd.spool.desk import now

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nstd.entry import Target
    from nstd.message import Event
    from nstd.spool.desk import Desk


def claimed(desk: Desk, entry: Entry) -> Sequence[Delivery]:
    """A job's images are copied: from here on it depends on nothing in the inbox."""
    if not desk.config.hooks.wanting("claimed"):
        return ()
    return _to_all(desk, entry, "claimed", manifest.asked(entry))


def published(desk: Desk, entry: Entry) -> Sequence[Delivery]:
    """Result and manifest are in the outbox."""
    target = entry.target
    assert target is not None  # noqa: S101 - what the state means
    if not desk.config.hooks.wanting("published"):
        return ()
    files = {"result": str(target.final), "manifest": str(target.manifest)}
    result = os.path.relpath(target.final, desk.config.folder("outbox"))
    return _to_all(
        desk, entry, "published", _manifest(desk, entry, target), result=result, files=files
    )


def ended(desk: Desk, entry: Entry, reason: Path | None = None) -> Sequence[Delivery]:
    """A job has failed or was cancelled, and the reason is written, if there is a place for it."""
    event: Event = "cancelled" if entry.state is State.CANCELLED else "failed"
    if not desk.config.hooks.wanting(event):
        return ()
    files = {"reason": str(reason)} if reason else {}
    return _to_all(desk, entry, event, manifest.reason(entry), files=files)


def _manifest(desk: Desk, entry: Entry, target: Target) -> dict[str, Any]:
    """As it was written a moment ago; anew, if somebody has taken it from the outbox already."""
    try:
        told: dict[str, Any] = json.loads(target.manifest.read_bytes())
    except (OSError, ValueError):
        return manifest.manifest(entry, desk.ledger.seconds(entry.job_id))
    return told


def _to_all(
    desk: Desk,
    entry: Entry,
    event: Event,
    document: dict[str, Any],
    *,
    result: str = "",
    files: dict[str, str] | None = None,
) -> Sequence[Delivery]:
    at = now()
    message = Message(event, entry.job_id, entry.name, at, document, result, files or {})
    return [Delivery(hook, message, at) for hook in desk.config.hooks.wanting(event)]
