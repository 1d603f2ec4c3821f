"""Is there room for another job?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nstd.errors import CannotWriteError
from nstd.spool import layout

if TYPE_CHECKING:
    from nstd.config import Config

_MEBIBYTE = 2**20


def check(config: Config) -> None:
    """Check the free space of the work folder and of the outbox.

    Raises:
        CannotWriteError: less is left than `limits.min_free_bytes`, or it can't be told.
    """
    least = config.limits.min_free_bytes
    for folder in (layout.work(config), config.folder("outbox")):
        try:
            found = os.statvfs(folder)
        except OSError as error:
            raise CannotWriteError(
                f"can't be reached: {error.strerror}", file=str(folder), remedy="mount it again"
            ) from error
        free = found.f_bavail * found.f_frsize
        if free < least:
            raise CannotWriteError(
                f"only {free // _MEBIBYTE:,} MiB are free, limits.min_free_bytes asks for "
                f"{least // _MEBIBYTE:,}",
                file=str(folder),
                remedy="free some space; jobs wait until then",
            )
