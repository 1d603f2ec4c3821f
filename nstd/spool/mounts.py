"""What kind of file system a folder is on."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_MOUNTS = Path("/proc/self/mountinfo")
# File systems that other machines write to: the kernel here hears nothing of that.
_REMOTE: Final = re.compile(
    r"^(nfs\d?|cifs|smb\w*|afs|ceph|glusterfs|lustre|gpfs|9p|virtiofs|vboxsf|fuse(\..*)?|fuseblk)$"
)
_ESCAPED = re.compile(r"\\(\d{3})")


def kind(path: Path) -> str:
    """The type of the file system that a folder is on, such as `ext4`; empty if unknown."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, found = -1, ""
    real = Path(os.path.realpath(path))
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4]))
        # Of several mounts on one point, the last hides the others.
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), after.split(" ")[0]
    return found


def is_remote(path: Path) -> bool:
    """Whether a folder is on a network or FUSE file system, as far as can be told."""
    return bool(_REMOTE.match(kind(path)))
