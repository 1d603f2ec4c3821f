"""Named moments between two steps of the spool, at which a test may end the process.

What survives a power cut or a `kill -9` can only be shown by one; the names are in the order in
which a job passes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES: Final = (
    "admitted",  # the row is written, the sidecar still in the inbox
    "taken",  # the sidecar is ours
    "copying",  # some private copy is written, its row is not
    "claimed",  # all copies are, and the row says so
    "dispatched",  # the row says `running`, the worker may have the job
    "rendered",  # the row has the worker's answer
    "staging",  # the result is complete under its temporary name, the row doesn't know
    "staged",  # the row knows
    "placed",  # the result has its final name
    "besides_placed",  # so have its snapshots and its report
    "manifest_written",  # the manifest is complete under its temporary name
    "manifest_placed",  # the manifest has its final name, the row doesn't know
    "published",  # the row knows
    "set_aside",  # an original has been taken out of the inbox
    "filed",  # it has reached its folder, the row doesn't know
    "retiring",  # all originals but the sidecar are filed
    "token_filed",  # the sidecar too
    "cleaned",  # the work folder is gone, the row isn't settled
    "failing",  # the row says `failed`, no file has moved
    "explained",  # the reason is written
)

# That of a hot folder.
ORDERED: Final = ("ordered",)  # an image has its sidecar, under the inbox's own name

# Those of the requests that commands leave.
REQUESTED: Final = (
    "heeded",  # a request is done, its file is still there
    "retrying",  # the ledger says whose files are on their way back, none has moved
    "image_put_back",  # an image is in the inbox again
    "sidecar_put_back",  # the sidecar too: a new job; the old one's row doesn't know
    "unexplained",  # the reason files are gone, the row doesn't know
    "pruned",  # files of some old jobs are deleted, their rows are not
)

ALL: Final = NAMES + ORDERED + REQUESTED

hook: Callable[[str], None] | None = None


def reached(name: str) -> None:
    """Pass a named moment; does nothing unless a test has set `hook`."""
    if hook is not None:
        hook(name)
