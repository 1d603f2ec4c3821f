"""Commands run in the test's own process, as the command line runs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from nstd.cli import app
from nstd.errors import NstdError

if TYPE_CHECKING:
    from nstd.spool.desk import Desk


def shown(desk: Desk, *arguments: str, columns: int = 80) -> str:
    """Run a command on a desk's folders; returns what it prints."""
    root = str(desk.config.root)
    result = CliRunner().invoke(
        app, [*arguments, "--root", root], env={"COLUMNS": str(columns), "TERM": "dumb"}
    )
    if isinstance(result.exception, NstdError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def told(desk: Desk, *arguments: str) -> Any:
    """Run a command with --json; returns what it tells."""
    return json.loads(shown(desk, *arguments, "--json"))
