"""What the daemon is asked to do: `cancel`, `retry`, `pause`, `resume`, `prune`.

Each leaves a request file, which a running daemon does at once and a stopped one at its next start.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from nstd.commands.options import ConfigOption, RootOption, read_folders
from nstd.commands.watching import age
from nstd.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nstd.entry import State
    from nstd.folders import Folders
    from nstd.spool.history import Record
    from nstd.spool.requests import Request

_PATIENCE, _PAUSE = 3.0, 0.05
_SHOWN = 5

JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="Its id, the beginning of one, or its name.")
]


def cancel(*, job: JobArgument, root: RootOption = None, config: ConfigOption = None) -> None:
    """End a job that has no result yet, also while it runs; its files go to failed/."""
    from nstd import names
    from nstd.entry import BEFORE_RESULT
    from nstd.spool import requests

    folders = read_folders(root, config)
    found = _matching(folders, job)
    is_taken = any(record.state in BEFORE_RESULT for record in found)
    if not is_taken and _withdraw(folders, job):
        typer.echo(f"asked to cancel {names.shown(job)}, which nstd has not begun to look at")
        return
    record = _one(found, job, BEFORE_RESULT, "only jobs without a result can be cancelled")
    _ask(folders, requests.Cancel(job_id=record.job_id), f"cancel {_told(record)}")


def retry(
    *,
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="Its id, the beginning of one, or its name.")
    ] = None,
    all_failed: Annotated[
        bool, typer.Option("--all-failed", help="Every failed job whose files are in failed/.")
    ] = False,
    root: RootOption = None,
    config: ConfigOption = None,
) -> None:
    """Put a failed job's files back into the inbox, where they are a new job."""
    from nstd.entry import State
    from nstd.spool import requests

    folders = read_folders(root, config)
    if (job is None) is not all_failed:
        raise UsageError("retry takes a job or --all-failed", remedy="give one of them")
    if job is not None:
        states = (State.FAILED, State.CANCELLED)
        record = _one(
            _matching(folders, job), job, states, "only jobs in failed/ can be tried again"
        )
        what = f"try {_told(record)} again"
        ids = [record.job_id]
    else:
        ids = [record.job_id for record in _failed(folders)]
        what = f"try {len(ids)} failed jobs again"
        if not ids:
            typer.echo("no failed job has its files in failed/")
            return
    _ask(folders, requests.Retry(job_ids=tuple(ids)), what)


def pause(*, root: RootOption = None, config: ConfigOption = None) -> None:
    """Begin no job until `nstd resume`, also after a restart; those that run end."""
    from nstd.spool import requests

    _ask(read_folders(root, config), requests.Pause(), "pause")


def resume(*, root: RootOption = None, config: ConfigOption = None) -> None:
    """Begin jobs again."""
    from nstd.spool import requests

    _ask(read_folders(root, config), requests.Resume(), "resume")


def prune(
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="Such as 12h, 30d, 8w.")
    ],
    done: Annotated[bool, typer.Option("--done", help="Only jobs that are done.")] = False,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only jobs that failed or were cancelled.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    root: RootOption = None,
    config: ConfigOption = None,
) -> None:
    """Forget old jobs, and delete their files in done/ and failed/; results stay."""
    from nstd.entry import State
    from nstd.spool import requests

    folders = read_folders(root, config)
    before = time.time() - age(older_than, "--older-than")
    states: tuple[State, ...] = (State.RETIRED,) if done or not failed else ()
    states += (State.FAILED, State.CANCELLED) if failed or not done else ()
    jobs, files = _old(folders, before, states)
    if not jobs:
        typer.echo(f"no such job is older than {older_than}")
        return
    what = f"forget {jobs} jobs and delete {files} files in done/ and failed/"
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"would {what}", remedy="say --yes")
        typer.confirm(f"{what}?", abort=True)
    _ask(folders, requests.Prune(before=before, states=states), what)


def _withdraw(folders: Folders, name: str) -> bool:
    """Cancel a job that no scan has taken yet, as people on the share do; whether there is one.

    Raises:
        CannotWriteError: the inbox refuses.
    """
    from nstd import names
    from nstd.spool import files

    if ".." in PurePosixPath(name).parts:
        return False
    sidecar = folders.folder("inbox") / name.lstrip("/")
    if not any(Path(f"{sidecar}{suffix}").is_file() for suffix in names.SIDECAR_SUFFIXES):
        return False
    with files.writing(sidecar):
        Path(f"{sidecar}{names.CANCEL_SUFFIX}").touch()
    return True


def _one(found: Sequence[Record], text: str, states: Collection[State], rule: str) -> Record:
    """The job that a user means, among those that match.

    Raises:
        UsageError: none does, or several do.
    """
    from nstd import names

    fits = [record for record in found if record.state in states]
    # Jobs of one name come one after the other; the beginning of an id means one job, or is too
    # short.
    is_short = len(found) > 1 and found[0].job_id.startswith(text)
    if len(fits) == 1 and not is_short:
        return fits[0]
    shown = names.shown(text)
    if not found:
        raise UsageError(f"{shown}: no job has this id or name", remedy="see `nstd history`")
    listed = found if is_short else fits or found
    told = "; ".join(f"{_told(record)}: {record.state}" for record in listed[:_SHOWN])
    if len(listed) > _SHOWN:
        told += f"; and {len(listed) - _SHOWN} more"
    if fits or is_short:
        raise UsageError(f"{shown}: fits {len(listed)} jobs: {told}", remedy="give the id of one")
    raise UsageError(f"{shown}: {rule}: {told}")


def _matching(folders: Folders, text: str) -> list[Record]:
    """The jobs that a user may mean."""
    from nstd.spool import history, layout, reading

    path = layout.ledger(folders)
    return reading.ask(path, lambda queries: history.matching(queries, text))


def _failed(folders: Folders) -> list[Record]:
    """Failed jobs whose files are in failed/, the oldest first."""
    from nstd.entry import State
    from nstd.spool import history, layout, reading

    found = reading.ask(
        layout.ledger(folders),
        lambda queries: list(history.records(queries, states=[State.FAILED])),
    )
    return [record for record in reversed(found) if record.settled and record.home]


def _old(folders: Folders, before: float, states: Collection[State]) -> tuple[int, int]:
    """How many jobs, and files of theirs, would be pruned."""
    from nstd.spool import layout, reading

    return reading.ask(
        layout.ledger(folders), lambda queries: queries.count_before(before, tuple(states))
    )


def _ask(folders: Folders, request: Request, what: str) -> None:
    """Leave a request, and say whether it is done."""
    from nstd.spool import layout, lock, requests

    path = requests.leave(layout.requests(folders), request)
    if not lock.is_held(folders.folder("state")):
        typer.echo(f"asked to {what}; nstd is not running, and will do it when it starts")
    elif _is_taken(path):
        refused = requests.take_answer(path)
        if refused:
            typer.echo(f"nstd: {refused}", err=True)
            raise typer.Exit(1)
        typer.echo(f"asked to {what}; nstd has taken it up")
    else:
        typer.echo(f"asked to {what}; nstd will do it as soon as it can")


def _is_taken(path: Path) -> bool:
    """Whether the daemon has done with a request within a short time."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if not path.exists():
            return True
        time.sleep(_PAUSE)
    return False


def _told(record: Record) -> str:
    from nstd import names

    return f"{names.shown(record.name)} ({record.job_id})"
