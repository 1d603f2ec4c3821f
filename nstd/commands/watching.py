"""What is going on, and what was: `status`, `history`."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Annotated

import typer

from nstd.commands.options import ConfigOption, RootOption, print_json, read_folders
from nstd.errors import UsageError

if TYPE_CHECKING:
    from nstd.entry import State
    from nstd.folders import Folders

_PAUSE = 1.0
_STATES = (
    "In this state: queued, claimed, running, rendered, published, retired, failed or cancelled; "
    "may be repeated."
)
_UNITS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


def status(
    *,
    root: RootOption = None,
    config: ConfigOption = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew every second, until Ctrl-C.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="As JSON; with --watch a line each second.")
    ] = False,
) -> None:
    """Say what runs, waits, was done and failed; the daemon may be up or down."""
    folders = read_folders(root, config)
    show = _print_status if as_json else _show_status
    if not watch:
        show(folders, watch=False)
        return
    with contextlib.suppress(KeyboardInterrupt):  # which is how to stop watching
        show(folders, watch=True)


def history(
    *,
    root: RootOption = None,
    config: ConfigOption = None,
    states: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help=_STATES),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="AGE", help="Changed since, such as 90min, 12h, 2d."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="PATTERN", help="Named so, such as 'album/*'.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=0, help="So many; 0: all.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False,
) -> None:
    """List jobs, newest first."""
    import itertools

    from nstd.spool import history as past
    from nstd.spool import layout, reading

    folders = read_folders(root, config)
    wanted = [_state(word) for word in states or ()]
    moment = None if since is None else time.time() - age(since, "--since")
    found = reading.ask(
        layout.ledger(folders),
        lambda queries: list(
            itertools.islice(
                past.records(queries, states=wanted, since=moment, pattern=name), limit or None
            )
        ),
    )
    if as_json:
        print_json([past.plain(record) for record in found])
    else:
        from rich.console import Console

        from nstd.commands import tables

        Console().print(tables.history(found, time.time()))


def age(text: str, option: str) -> float:
    """`90min`, `12h`, `2d` as seconds.

    Raises:
        UsageError: it is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip())
    if found is None or found[2] not in _UNITS:
        raise UsageError(f"{option} {text}: is no age", remedy="write 30s, 90min, 12h, 2d or 1w")
    return float(found[1]) * _UNITS[found[2]]


def _state(word: str) -> State:
    from nstd.entry import State
    from nstd.validation import suggestion

    try:
        return State(word)
    except ValueError as error:
        known = [str(state) for state in State]
        raise UsageError(
            f"--state {word}: there is no such state{suggestion(word, known)}",
            remedy=f"the states are {', '.join(State)}",
        ) from error


def _print_status(folders: Folders, *, watch: bool) -> None:
    import json

    from nstd import overview

    if not watch:
        print_json(overview.plain(overview.take(folders)))
        return
    while True:
        typer.echo(json.dumps(overview.plain(overview.take(folders))))
        time.sleep(_PAUSE)


def _show_status(folders: Folders, *, watch: bool) -> None:
    from rich.console import Console
    from rich.live import Live

    from nstd import overview
    from nstd.commands import tables

    console = Console()
    shown = tables.status(overview.take(folders))
    if not watch or not console.is_terminal:
        console.print(shown)
        while watch:
            time.sleep(_PAUSE)
            console.print("", tables.status(overview.take(folders)))
        return
    with Live(shown, console=console, auto_refresh=False, screen=True) as live:
        while True:
            time.sleep(_PAUSE)
            live.update(tables.status(overview.take(folders)), refresh=True)
