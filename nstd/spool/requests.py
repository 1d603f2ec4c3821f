"""What commands ask of the daemon: files in `state/requests`, done at once or at its next start.

Whoever may write there may ask. A request is one JSON file, complete under its name or not there;
it is removed when what it asks for is done, and asking twice for the same is asking once. One that
is refused leaves an answer, for who asked to read and to remove.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from nstd import names
from nstd.entry import State  # noqa: TC001 - pydantic needs it
from nstd.errors import CannotWriteError
from nstd.spool import files, layout

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nstd.errors import NstdError

_SUFFIX = ".json"
_REFUSED = ".refused"
_ANSWER = ".answer"
_TOLD = 5
_UNREAD_SECONDS = 86_400.0  # after which nobody is going to read an answer
_LIMIT = 2**22
_MODE = 0o640  # the group's read bit is for the daemon, which may be another user


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Cancel(_Request):
    """End a job that has no result yet."""

    kind: Literal["cancel"] = "cancel"
    job_id: str


class Retry(_Request):
    """Put the files of failed or cancelled jobs back into the inbox."""

    kind: Literal["retry"] = "retry"
    job_ids: tuple[str, ...]


class Pause(_Request):
    """Begin no job until `Resume`; those that run end."""

    kind: Literal["pause"] = "pause"


class Resume(_Request):
    """Begin jobs again."""

    kind: Literal["resume"] = "resume"


class Prune(_Request):
    """Forget jobs that are settled and older, and delete what was filed of them.

    Attributes:
        before: seconds since the epoch; the last thing happened to them earlier.
        states: that they are in.
    """

    kind: Literal["prune"] = "prune"
    before: float
    states: tuple[State, ...]


Request: TypeAlias = Cancel | Retry | Pause | Resume | Prune
_ADAPTER: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])


def leave(folder: Path, request: Request) -> Path:
    """Leave a request for the daemon; it is durable when this returns.

    Raises:
        CannotWriteError: the folder isn't there, or refuses.
    """
    # In the order in which they are asked.
    name = f"{time.time_ns():020}-{secrets.token_hex(4)}{_SUFFIX}"
    temporary = folder / f".{name}{layout.TEMPORARY}"
    try:
        _write(temporary, request.model_dump_json().encode())
        files.place(temporary, folder / name)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CannotWriteError(
            f"can't be written: {error.strerror}",
            file=str(folder),
            remedy="be a member of the state folder's group; or start nstd once, which makes it",
        ) from error
    return folder / name


def pending(folder: Path) -> list[Path]:
    """The requests that nobody has done yet, in the order in which they were made.

    Raises:
        CannotWriteError: the folder can't be listed.
    """
    with files.writing(folder):
        try:
            found = os.listdir(folder)  # noqa: PTH208 - nothing but the names is of interest
        except FileNotFoundError:
            return []
    return [folder / name for name in sorted(found) if _is_request(name)]


def read(path: Path) -> Request:
    """What a file asks for.

    Raises:
        FileNotFoundError: it is gone.
        OSError: it can't be read.
        ValueError: it asks for nothing that there is.
    """
    data = files.read_bounded(path.parent, path.relative_to(path.parent), _LIMIT)
    if data is None:
        raise ValueError(f"is larger than {_LIMIT} bytes")
    return _ADAPTER.validate_json(data)


def set_aside(path: Path) -> None:
    """Keep a file that can't be done from being read again.

    Raises:
        OSError: the folder refuses.
    """
    path.rename(path.with_name(path.name + _REFUSED))


def answer(path: Path, refused: Sequence[NstdError]) -> None:
    """Leave word beside a request of what of it is refused, and why.

    Raises:
        OSError: the folder refuses.
    """
    told = [names.shown(error) for error in refused[:_TOLD]]
    if len(refused) > _TOLD:
        told.append(f"And {len(refused) - _TOLD} more.")
    target = path.with_name(path.name + _ANSWER)
    target.unlink(missing_ok=True)
    _write(target, "\n".join(told).encode())


def take_answer(path: Path) -> str:
    """What was refused of a request that is gone, a line for each job; empty if it was done.

    The answer is gone after this.
    """
    place = path.with_name(path.name + _ANSWER)
    try:
        text = place.read_text(encoding="utf-8", errors="replace")
        place.unlink()
    except OSError:
        return ""
    return text


def forget_answers(folder: Path, now: float) -> None:
    """Remove answers that nobody has read.

    Args:
        folder: of the requests.
        now: seconds since the epoch.
    """
    for path in folder.glob(f"*{_ANSWER}"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > _UNREAD_SECONDS:
                path.unlink()


def _is_request(name: str) -> bool:
    return name.endswith(_SUFFIX) and not name.startswith(".")


def _write(path: Path, data: bytes) -> None:
    """A new file, flushed to disk; not wherever a link may lead that others have put there."""
    with path.open("xb") as file:
        file.write(data)
        os.fchmod(file.fileno(), _MODE)
        if os.geteuid() == 0:  # root's requests are to be read by a daemon that isn't root
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.flush()
        os.fsync(file.fileno())
