"""YAML for files that strangers write: plain values only, nothing clever, bounded."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEPTH = 16
_HALF = re.compile("[\ud800-\udfff]")
_NULL = "tag:yaml.org,2002:null"
# What PyYAML's constructors raise on a tag that doesn't fit its value, such as `!!int ""`.
_CONSTRUCTION_ERRORS = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


class YamlError(Exception):
    """The text isn't acceptable YAML; the message is a clause that says where and why."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader without aliases (they multiply), duplicate keys, deep nesting, or half characters.

    An escape may name half of a character, which no file name, ledger or log can hold.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:  # noqa: ANN401 - PyYAML's
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise YamlError(f"aliases are not allowed{_place(event)}")
        self._depth += 1
        if self._depth > _DEPTH:
            raise YamlError(f"nested deeper than {_DEPTH} levels")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode) and _HALF.search(node.value):
            raise YamlError(f"half of a surrogate pair is no character{_place(node)}")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            word = _word(key)
            if word in seen:
                raise YamlError(f"{word}: stands there twice{_place(key)}")
            seen.add(word)
        return super().construct_mapping(node, deep=deep)


# YAML 1.1 reads 1e-3 as a word, for want of a dot; everybody who writes it means a number.
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def load(text: str) -> Any:  # noqa: ANN401 - a YAML document may be anything
    """The document as plain values.

    Raises:
        YamlError: syntax, tags, aliases, duplicate keys, keys that aren't words, deep nesting.
    """
    with _explained():
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        return None if node is None else loader.construct_document(node)


def load_mapping(data: bytes) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The mapping that a UTF-8 file holds; an empty file is an empty mapping.

    Returns:
        The values that could be read, and for each key whose value couldn't, or that stands
        there twice, what is wrong, so that all of it can be told at once.

    Raises:
        YamlError: not UTF-8, not a mapping, or nothing can be said about single keys: syntax,
            aliases, deep nesting, keys that aren't words.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(f"not UTF-8 text (byte {error.start})") from error
    with _explained():
        loader = _StrictLoader(text)
        node = loader.get_single_node()
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == _NULL):
        return {}, []
    if not isinstance(node, yaml.MappingNode):
        raise YamlError("must be `key: value` lines")
    values: dict[str, Any] = {}
    found: list[tuple[str, str]] = []
    for key, value in node.value:
        word = _word(key)
        if word in values:
            found.append((word, f"stands there twice{_place(key)}"))
            continue
        values[word] = None
        try:
            with _explained():
                values[word] = loader.construct_object(value, deep=True)
        except YamlError as error:
            found.append((word, str(error)))
    wrong = {word for word, _ in found}
    return {word: value for word, value in values.items() if word not in wrong}, found


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn PyYAML's complaints into ours."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark) if error.problem_mark else ""
        raise YamlError(f"not valid YAML: {error.problem}{place}") from error
    except (yaml.YAMLError, *_CONSTRUCTION_ERRORS) as error:
        raise YamlError(f"not valid YAML: {(str(error) or repr(error)).splitlines()[0]}") from error


def _word(key: yaml.Node) -> str:
    """A mapping's key, which must be a plain word."""
    if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
        raise YamlError(f"keys must be words{_place(key)}")
    return str(key.value)


def _place(where: Any) -> str:  # noqa: ANN401 - a mark, or a node or event that has one
    mark = getattr(where, "start_mark", where)
    return f" (line {mark.line + 1}, column {mark.column + 1})"
