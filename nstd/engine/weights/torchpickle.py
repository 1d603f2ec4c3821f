"""Run the pickles of a torch state dict without the `pickle` module.

A pickle is a program, so a stranger's pickle is a stranger's program. Restricting
`pickle.Unpickler` to a few globals isn't enough: one memo instruction can still make it allocate
gigabytes, and a tuple nested sixty deep, used as a key, makes it hash for years. Here is instead
an interpreter for the few instructions that a state dict needs. None of them imports or calls
anything: the three globals that the format mentions are only names to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_ORDERED_DICT: Final = "collections.OrderedDict"
_REBUILD_TENSOR: Final = "torch._utils._rebuild_tensor_v2"
_FLOAT_STORAGE: Final = "torch.FloatStorage"
_GLOBALS: Final = frozenset({_ORDERED_DICT, _REBUILD_TENSOR, _FLOAT_STORAGE})

_PICKLE_PROTOCOL: Final = 2  # torch never wrote another
_MOST_DIMENSIONS: Final = 8
# A one-byte instruction may cost a hundred bytes of memory, so a pickle's length bounds what it
# can cost. That of a VGG-19 has 4 kB.
_LONGEST_PICKLE: Final = 1 << 20

T = TypeVar("T")


class RefusedError(Exception):
    """The file says something that a state dict of float32 tensors has no need to say."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of float32 numbers that follows the pickles, as the state dict announces it."""

    key: str
    count: int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A view of a storage; offset and strides are counted in numbers, as torch does."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


def typed(value: object, kind: type[T]) -> T:
    """Return `value`, which must be exactly of that type: True is no int here."""
    if type(value) is kind and isinstance(value, kind):
        return value
    raise RefusedError(f"it has a {type(value).__name__} where a {kind.__name__} belongs")


class Pickles:
    """The interpreter: a stack of values, and the place of the next instruction.

    Besides strings, numbers, None, tuples, lists and dicts with string keys, a value may be a
    `Tensor` or a `Storage`.

    Args:
        data: the file; its first pickle begins at byte 0, each next one where the last ended.

    Attributes:
        position: where the next pickle begins.
    """

    def __init__(self, data: bytes) -> None:
        self.position = 0
        self._data = data
        self._limit = 0
        self._stack: list[object] = []
        self._outer: list[list[object]] = []  # what lies below each mark
        self._memo: dict[int, object] = {}  # a dict: no index is too large for it

    def load(self) -> object:
        """Run one pickle and return its value.

        Raises:
            RefusedError: it holds a global or an instruction that a state dict doesn't need.
            LookupError: it takes a value that isn't there.
            ValueError: a string isn't UTF-8, or a key lacks its value.
        """
        self._limit = min(self.position + _LONGEST_PICKLE, len(self._data))
        self._stack, self._outer, self._memo = [], [], {}
        while (code := self._take(1)) != b".":
            if code not in _INSTRUCTIONS:
                raise RefusedError(f"forbidden pickle instruction {code!r}")
            _INSTRUCTIONS[code](self)
        (value,) = self.pop(1)
        return value

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > self._limit:
            raise RefusedError("it is cut short within a pickle, or the pickle is too long")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def _line(self) -> str:
        end = self._data.index(b"\n", self.position, self._limit)
        return self._take(end + 1 - self.position)[:-1].decode()

    def number(self, size: int, *, signed: bool = False) -> int:
        """Read a little-endian integer of that many bytes."""
        return int.from_bytes(self._take(size), "little", signed=signed)

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def pop(self, count: int) -> list[object]:
        """Take the last values off the stack."""
        return [self._stack.pop() for _ in range(count)][::-1]

    def mark(self) -> None:
        """MARK: begin a group."""
        self._outer.append(self._stack)
        self._stack = []

    def group(self) -> list[object]:
        """Take what was pushed since the last mark."""
        items, self._stack = self._stack, self._outer.pop()
        return items

    def protocol(self) -> None:
        """PROTO."""
        if (version := self.number(1)) != _PICKLE_PROTOCOL:
            raise RefusedError(f"it has a pickle of protocol {version}, not {_PICKLE_PROTOCOL}")

    def text(self) -> None:
        """BINUNICODE."""
        self.push(self._take(self.number(4)).decode())

    def remember(self, size: int) -> None:
        """BINPUT, LONG_BINPUT."""
        self._memo[self.number(size)] = self._stack[-1]

    def recall(self, size: int) -> None:
        """BINGET, LONG_BINGET."""
        self.push(self._memo[self.number(size)])

    def append(self, items: list[object]) -> None:
        """APPEND, APPENDS."""
        typed(self._stack[-1], list).extend(items)

    def set_items(self, items: list[object]) -> None:
        """SETITEM, SETITEMS: keys are strings, whose hashes are cheap."""
        target = typed(self._stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[typed(key, str)] = value

    def name(self) -> None:
        """GLOBAL: one of the three; nothing is imported."""
        name = f"{self._line()}.{self._line()}"
        if name not in _GLOBALS:
            raise RefusedError(f"forbidden global {name:.160}")
        self.push(_Global(name))

    def reduce(self) -> None:
        """REDUCE: an empty dict or a tensor; nothing is called."""
        function, arguments = self.pop(2)
        match function, arguments:
            case _Global(name=name), tuple() if name == _REBUILD_TENSOR:
                self.push(_tensor(arguments))
            case _Global(name=name), () if name == _ORDERED_DICT:
                self.push({})
            case _:
                raise RefusedError("forbidden call in a pickle")

    def build(self) -> None:
        """BUILD: torch hangs metadata on the dict; they are dropped, no attribute is set."""
        for value in (*self.pop(1), self._stack[-1]):
            typed(value, dict)


def _storage(identity: object) -> Storage:
    match identity:
        case ("storage", _Global(name=name), str(key), str(), int(count), None) if (
            name == _FLOAT_STORAGE
        ):
            return Storage(key, count)
    raise RefusedError("a persistent id isn't that of a float storage")


def _tensor(arguments: object) -> Tensor:
    match arguments:  # the last two, requires_grad and hooks, mean nothing in a saved tensor
        case (Storage() as storage, int(offset), shape, strides, bool(), hooks) if not hooks:
            return Tensor(storage, _sizes((offset,))[0], _sizes(shape), _sizes(strides))
    raise RefusedError("a tensor isn't described as _rebuild_tensor_v2 expects")


def _sizes(value: object) -> tuple[int, ...]:
    items = typed(value, tuple)
    if len(items) > _MOST_DIMENSIONS:  # first, for a long tuple can be recalled often
        raise RefusedError("a tensor has too many dimensions")
    sizes = tuple(typed(item, int) for item in items)
    if min(sizes, default=0) < 0:
        raise RefusedError("a tensor has a negative size, stride or offset")
    return sizes


_INSTRUCTIONS: Final[dict[bytes, Callable[[Pickles], None]]] = {
    b"\x80": Pickles.protocol,
    b"N": lambda run: run.push(None),
    b"\x88": lambda run: run.push(True),  # noqa: FBT003 - a value, not a flag
    b"\x89": lambda run: run.push(False),  # noqa: FBT003 - a value, not a flag
    b"K": lambda run: run.push(run.number(1)),
    b"M": lambda run: run.push(run.number(2)),
    b"J": lambda run: run.push(run.number(4, signed=True)),
    b"\x8a": lambda run: run.push(run.number(run.number(1), signed=True)),
    b"X": Pickles.text,
    b"(": Pickles.mark,
    b")": lambda run: run.push(()),
    b"t": lambda run: run.push(tuple(run.group())),
    b"\x85": lambda run: run.push(tuple(run.pop(1))),
    b"\x86": lambda run: run.push(tuple(run.pop(2))),
    b"\x87": lambda run: run.push(tuple(run.pop(3))),
    b"]": lambda run: run.push([]),
    b"a": lambda run: run.append(run.pop(1)),
    b"e": lambda run: run.append(run.group()),
    b"}": lambda run: run.push({}),
    b"s": lambda run: run.set_items(run.pop(2)),
    b"u": lambda run: run.set_items(run.group()),
    b"q": lambda run: run.remember(1),
    b"r": lambda run: run.remember(4),
    b"h": lambda run: run.recall(1),
    b"j": lambda run: run.recall(4),
    b"c": Pickles.name,
    b"Q": lambda run: run.push(_storage(*run.pop(1))),
    b"R": Pickles.reduce,
    b"b": Pickles.build,
}
