"""Entries as rows: whatever the names, numbers and facts, what is written comes back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from jobs import BIG, an_entry, full_entry

from nstd.entry import Entry, Fate, Target
from nstd.spool.ledger import Ledger


def test_every_field_comes_back(ledger: Ledger, ledger_path: Path) -> None:
    """12. Whatever the bytes of a name and however large an inode's number, after a restart too."""
    entry = full_entry()
    unlike = {f.name for f in dataclasses.fields(Entry) if f.default == getattr(entry, f.name)}
    assert not unlike, "a field with its default shows nothing"
    ledger.admit(entry)
    assert ledger.entry("job") == entry
    ledger.close()
    again = Ledger(ledger_path)
    found = again.entry("job")
    again.close()
    assert found == entry
    assert found.identity.device == BIG.device, "not compared, and told all the same"
    assert found.target is not None
    assert found.target.identity is not None
    assert found.target.identity.device == BIG.device
    assert [one.identity and one.identity.inode for one in found.inputs] == [2**64 - 2, None, 2**63]


def test_the_least_comes_back(ledger: Ledger) -> None:
    """A sidecar that could not be understood has no parameters, images, or anything else."""
    entry = an_entry("job", params=None)
    ledger.admit(entry)
    assert ledger.entry("job") == entry


@pytest.mark.parametrize(
    "name", [f.name for f in dataclasses.fields(Entry) if f.name not in {"job_id", "inputs"}]
)
def test_every_field_can_be_changed_and_changed_back(ledger: Ledger, name: str) -> None:
    """One by one, each as a transaction of its own; the others stay."""
    plain, full = an_entry("job"), full_entry()
    ledger.admit(plain)
    after = ledger.advance(plain, **{name: getattr(full, name)})
    assert ledger.entry("job") == after == dataclasses.replace(plain, **{name: getattr(full, name)})
    ledger.advance(after, **{name: getattr(plain, name)})
    assert ledger.entry("job") == plain


def test_an_inputs_fate_is_written_alone(ledger: Ledger) -> None:
    """The other inputs keep theirs."""
    entry = full_entry()
    ledger.admit(entry)
    inputs = list(entry.inputs)
    inputs[2] = dataclasses.replace(inputs[2], fate=Fate.LEFT)
    ledger.advance(entry, inputs=tuple(inputs))
    found = ledger.entry("job")
    assert found is not None
    assert [one.fate for one in found.inputs] == [Fate.FILED, Fate.PENDING, Fate.LEFT]


def test_a_duplicates_target_has_no_identity(ledger: Ledger) -> None:
    """It has no result of its own."""
    target = Target(Path("/o/t"), None, Path("/o/a.png"), Path("/o/a-2.json"))
    entry = an_entry("job", target=target)
    ledger.admit(entry)
    assert ledger.entry("job") == entry
