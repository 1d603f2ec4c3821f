"""What an examination finds: for people, for programs, and as an exit code."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nstd.errors import NstdError


class Verdict(StrEnum):
    """What a finding means."""

    OK = "ok"
    WARN = "warn"  # the daemon will work, less well than it could
    FAIL = "fail"  # it will not


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: its name.
        what: what is so.
        remedy: what to do about it; empty if nothing is to be done.
        exit_code: what the daemon would exit with, or 1; 0 unless it is a failure.
    """

    check: str
    verdict: Verdict
    what: str
    remedy: str = ""
    exit_code: int = 0


def exit_code(findings: Sequence[Finding]) -> int:
    """0 if nothing failed; else 78 or 69 where the daemon would exit so, else 1."""
    codes = {finding.exit_code for finding in findings}
    return next((code for code in (78, 69, 1) if code in codes), 0)


def plain(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as JSON knows values."""
    rows = []
    for finding in findings:
        row = dataclasses.asdict(finding)
        del row["exit_code"]
        rows.append(row)
    code = exit_code(findings)
    return {"ok": code == 0, "exit_code": code, "findings": rows}


def table(findings: Sequence[Finding]) -> Table:
    """The findings for people."""
    colors = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}
    rows = Table("check", "", Column("what is so", overflow="fold"), "what to do")
    for finding in findings:
        # As text, since a path may look like markup.
        words = [Text(word) for word in (finding.check, finding.what, finding.remedy)]
        words.insert(1, Text(finding.verdict, colors[finding.verdict]))
        rows.add_row(*words)
    return rows


def ok(check: str, what: str) -> Finding:
    """Nothing is to be done."""
    return Finding(check, Verdict.OK, what)


def warn(check: str, what: str, remedy: str = "") -> Finding:
    """The daemon will work, less well than it could."""
    return Finding(check, Verdict.WARN, what, remedy)


def fail(check: str, what: str, remedy: str) -> Finding:
    """The daemon will not work."""
    return Finding(check, Verdict.FAIL, what, remedy, 1)


def failure(check: str, error: NstdError) -> Finding:
    """An error as a finding; only those that end the daemon for good keep their own exit code."""
    code = error.exit_code if error.exit_code in {69, 78} else 1
    place = "".join(f"{part}: " for part in (error.file, error.key) if part)
    return Finding(check, Verdict.FAIL, f"{place}{error.what}", error.remedy, code)
