"""Findings, and how they are told."""

from __future__ import annotations

import os

import pytest
from rich.console import Console

from nstd import findings
from nstd.findings import Finding, Verdict, fail, ok, warn


@pytest.mark.parametrize(
    ("codes", "expected"), [((), 0), ((0, 0), 0), ((0, 1), 1), ((1, 69), 69), ((69, 78, 1), 78)]
)
def test_the_exit_code_is_the_gravest(codes: tuple[int, ...], expected: int) -> None:
    """A configuration first, then devices, then anything."""
    found = [Finding("a", Verdict.FAIL if code else Verdict.OK, "b", "", code) for code in codes]
    assert findings.exit_code(found) == expected


def test_programs_are_told_all_of_it() -> None:
    """A warning is no failure."""
    assert findings.plain([ok("a", "b"), warn("c", "d", "e")]) == {
        "ok": True,
        "exit_code": 0,
        "findings": [
            {"check": "a", "verdict": "ok", "what": "b", "remedy": ""},
            {"check": "c", "verdict": "warn", "what": "d", "remedy": "e"},
        ],
    }
    assert not findings.plain([fail("a", "b", "c")])["ok"]


def test_the_table_shows_paths_as_they_are() -> None:
    """One that looks like markup is no markup."""
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(findings.table([fail("inbox", "/srv/[red]x", "mend it")]))
    shown = console.export_text()
    assert "/srv/[red]x" in shown
    assert "mend it" in shown
    console.file.close()
