"""Read what people write in the inbox: sidecars, and the `nstd.yaml` of hot folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nstd.errors import SidecarError
from nstd.spool import files
from nstd.spool.scanned import NotYetError

if TYPE_CHECKING:
    from pathlib import Path

    from nstd.config import Config


def read(config: Config, path: Path) -> bytes:
    """The bytes of a file of a few lines.

    Args:
        config: says where the inbox is, and how long a sidecar may be.
        path: relative to the inbox.

    Raises:
        NotYetError: it is gone.
        SidecarError: it can't be read, or is too long.
    """
    limit = config.limits.sidecar_bytes
    try:
        data = files.read_bounded(config.folder("inbox"), path, limit)
    except FileNotFoundError as error:
        raise NotYetError(f"{path.name} is gone") from error
    except OSError as error:
        raise SidecarError(
            f"can't be read: {error.strerror}",
            file=path.name,
            remedy="let the service's user read it",
        ) from error
    if data is None:
        raise SidecarError(
            f"larger than {limit} bytes (limits.sidecar_bytes)",
            file=path.name,
            remedy="a sidecar is a few lines of YAML; was this one mistaken for another file?",
        )
    return data
