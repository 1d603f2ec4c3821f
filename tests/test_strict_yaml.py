"""YAML from strangers."""

from __future__ import annotations

import pytest

from nstd import strict_yaml
from nstd.strict_yaml import YamlError


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("-2E+4", -20000.0), ("1.5e2", 150.0), ("7", 7), ("1e", "1e"), ("yes", True)],
)
def test_scalars(text: str, value: object) -> None:
    """Numbers with an exponent are numbers, even without the dot that YAML 1.1 wants."""
    assert strict_yaml.load(text) == value


def test_an_empty_file_is_an_empty_mapping() -> None:
    """A file of comments says nothing, which is allowed."""
    assert strict_yaml.load_mapping(b"# nothing\n") == ({}, [])


def test_a_byte_order_mark_is_overlooked() -> None:
    """Editors on Windows write one."""
    assert strict_yaml.load_mapping(b"\xef\xbb\xbfsize: 3") == ({"size": 3}, [])


@pytest.mark.parametrize(
    ("data", "clause"),
    [
        (b"a: &x 1\nb: *x", "aliases are not allowed (line 2, column 4)"),
        (b"a: [1", "not valid YAML"),
        (b"a: b: c", "(line 1, column 5)"),
        (b"- a\n- b", "must be `key: value` lines"),
        (b"just words", "must be `key: value` lines"),
        (b"1: a", "keys must be words (line 1, column 1)"),
        (b"[a, b]: c", "keys must be words"),
        (b"a: \xff", "not UTF-8 text (byte 3)"),
        (b"a: \x00", "not valid YAML"),
        (b'a: [b, "\\uD83D"]', "half of a surrogate pair is no character (line 1, column 8)"),
        (b'"\\uDE00": a', "half of a surrogate pair"),
        (b"a: " + b"[" * 5000, "nested deeper than 16 levels"),
        (b"---\na: 1\n---\nb: 2", "not valid YAML"),
    ],
)
def test_what_is_refused(data: bytes, clause: str) -> None:
    """Each refusal says what and, where it is known, in which line."""
    with pytest.raises(YamlError) as caught:
        strict_yaml.load_mapping(data)
    assert clause in str(caught.value)


@pytest.mark.parametrize(
    ("line", "clause"),
    [
        (b"a: 3", "stands there twice (line 2, column 1)"),
        (b"c: {x: 1, x: 2}", "x: stands there twice (line 2, column 11)"),
        (b"c: !!python/object/apply:os.system [ls]", "not valid YAML"),
        (b"c: [1, !!python/name:os.system ]", "not valid YAML"),
        (b"c: 2001-99-99", "not valid YAML"),
        (b"c: !!bool maybe", "not valid YAML"),
        (b'c: !!int ""', "not valid YAML"),
        (b"c: !!timestamp foo", "not valid YAML"),
        (b"c: !!binary 'x'", "not valid YAML"),
    ],
)
def test_a_wrong_value_concerns_its_key_alone(line: bytes, clause: str) -> None:
    """It is named with its key, and the other keys have their values."""
    values, found = strict_yaml.load_mapping(b"a: 1\n" + line + b"\nb: 2\n")
    ((key, what),) = found
    assert key == line[:1].decode()
    assert clause in what
    expected = {"a": 1, "b": 2}
    expected.pop(key, None)
    assert values == expected


def test_an_alias_bomb_costs_nothing() -> None:
    """The bomb is refused at its first alias, before anything multiplies."""
    levels = [b"l0: &l0 [x, x]"]
    levels += [b"l%d: &l%d [*l%d, *l%d]" % (n, n, n - 1, n - 1) for n in range(1, 40)]
    with pytest.raises(YamlError, match="aliases"):
        strict_yaml.load_mapping(b"\n".join(levels))
