"""Read torch's legacy state-dict files, without torch and without the `pickle` module.

Before 1.6, `torch.save` wrote five pickles one after the other (a magic number, a protocol number,
facts on the writer's machine, the state dict, the list of storage keys) and then, for each key, a
little-endian int64 count and that many raw float32. The dict's tensors name their storage by a
persistent id.

A pickle is a program, so a stranger's pickle is a stranger's program. Restricting
`pickle.Unpickler` to a few globals isn't enough: one memo instruction can still make it allocate
gigabytes, and one nested tuple used as a key can make it hash for years. Here is instead an
interpreter for the few instructions that a state dict needs. None of them imports or calls
anything: the three globals that the format mentions are only names to it.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

import numpy as np

from nstd.errors import WeightsCorruptError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_ORDERED_DICT: Final = "collections.OrderedDict"
_REBUILD_TENSOR: Final = "torch._utils._rebuild_tensor_v2"
_FLOAT_STORAGE: Final = "torch.FloatStorage"
_GLOBALS: Final = frozenset({_ORDERED_DICT, _REBUILD_TENSOR, _FLOAT_STORAGE})

# A one-byte instruction may cost a hundred bytes of memory, so a pickle's length bounds what it
# can cost. That of a VGG-19 has 4 kB.
_LONGEST_PICKLE: Final = 1 << 20
_MOST_DIMENSIONS: Final = 8

T = TypeVar("T")


class _RefusedError(Exception):
    """The file says something that a state dict of float32 tensors has no need to say."""


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # counted in elements, as torch does


def read_legacy(data: bytes | BinaryIO, *, name: str | None = None) -> dict[str, Floats]:
    """Return the tensors of a legacy torch file.

    Args:
        data: the whole file, or a stream that holds it and nothing else.
        name: the file's name, for the message of the error.

    Returns:
        Tensor name to float32 array, in the file's order, in torch's layout (a convolution's
        kernel is [out, in, height, width]). The arrays are read-only views of the data.

    Raises:
        WeightsCorruptError: the file isn't such a file, is cut short or too long, contradicts
            itself, or mentions a global or an instruction that a state dict doesn't need.
    """
    whole = data if isinstance(data, bytes) else data.read()
    try:
        return _read(whole)
    except _RefusedError as error:
        reason = str(error)
    except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError, struct.error) as error:
        reason = f"it can't be parsed ({type(error).__name__}: {error})"
    raise WeightsCorruptError(
        f"this isn't a legacy torch file that can be trusted: {reason}",
        file=name,
        remedy="get the file from its source again",
    )


def _read(whole: bytes) -> dict[str, Floats]:
    pickles = _Pickles(whole)
    if pickles.load() != _MAGIC:
        raise _RefusedError("its magic number is wrong")
    if (protocol := pickles.load()) != _PROTOCOL:
        raise _RefusedError(f"its protocol is {protocol!r:.40}, not {_PROTOCOL}")
    if _typed(pickles.load(), dict).get("little_endian") is not True:
        raise _RefusedError("it isn't little-endian")
    tensors = {
        name: _typed(tensor, _Tensor) for name, tensor in _typed(pickles.load(), dict).items()
    }
    keys = [_typed(key, str) for key in _typed(pickles.load(), list)]
    declared = {tensor.storage.key: tensor.storage.count for tensor in tensors.values()}
    if len(keys) != len(declared) or set(keys) != set(declared):
        raise _RefusedError("its list of storages isn't that of its tensors")
    storages = _storages(whole, pickles.position, {key: declared[key] for key in keys})
    return {name: _view(name, tensor, storages) for name, tensor in tensors.items()}


def _storages(whole: bytes, position: int, counts: Mapping[str, int]) -> dict[str, Floats]:
    """Slice the raw numbers after the pickles; every byte must be accounted for."""
    storages = {}
    for key, declared in counts.items():
        (count,) = struct.unpack_from("<q", whole, position)
        position += 8
        if count != declared:
            raise _RefusedError(f"storage {key} has {count} numbers, but {declared} are declared")
        if count * 4 > len(whole) - position:
            raise _RefusedError(f"it is cut short within storage {key}")
        storages[key] = np.frombuffer(whole, "<f4", count, position)
        position += count * 4
    if position != len(whole):
        raise _RefusedError(f"{len(whole) - position} bytes are left over at its end")
    return storages


def _view(name: str, tensor: _Tensor, storages: Mapping[str, Floats]) -> Floats:
    """Lay a tensor's shape over its storage, having made sure that it stays within."""
    flat = storages[tensor.storage.key]
    elements = math.prod(tensor.shape)
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
    # The first condition refuses a stride of 0, by which one number could pose as a billion.
    if not 0 < elements <= flat.size or tensor.storage.count != flat.size or last >= flat.size:
        raise _RefusedError(f"tensor {name:.80} doesn't fit its storage")
    strides = [stride * 4 for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(
        flat[tensor.offset :], tensor.shape, strides, writeable=False
    )


def _typed(value: object, kind: type[T]) -> T:
    """Return `value`, which must be exactly of that type: True is no int here."""
    if type(value) is kind and isinstance(value, kind):
        return value
    raise _RefusedError(f"it has a {type(value).__name__} where a {kind.__name__} belongs")


def _sizes(value: object) -> tuple[int, ...]:
    sizes = tuple(_typed(item, int) for item in _typed(value, tuple))
    if len(sizes) > _MOST_DIMENSIONS or min(sizes, default=0) < 0:
        raise _RefusedError("a tensor has an impossible shape")
    return sizes


def _storage(identity: object) -> _Storage:
    match identity:
        case ("storage", _Global(name=name), str(key), str(), int(count), None) if (
            name == _FLOAT_STORAGE and count >= 0
        ):
            return _Storage(key, count)
    raise _RefusedError("a persistent id isn't that of a float storage")


def _tensor(arguments: object) -> _Tensor:
    # The last two are requires_grad and the hooks: there are none in a saved state dict.
    match arguments:
        case (_Storage() as storage, offset, shape, strides, bool(), hooks) if not hooks:
            (start,) = _sizes((offset,))
            return _Tensor(storage, start, _sizes(shape), _sizes(strides))
    raise _RefusedError("a tensor isn't described as _rebuild_tensor_v2 expects")


class _Pickles:
    """The interpreter: a stack of values, and the place of the next instruction.

    Args:
        data: the file; its first pickle begins at byte 0.

    Attributes:
        position: where the next pickle begins.
    """

    def __init__(self, data: bytes) -> None:
        self.position = 0
        self._data = data
        self._limit = 0
        self._stack: list[object] = []
        self._outer: list[list[object]] = []  # the stacks below each mark
        self._memo: dict[int, object] = {}  # a dict: an index costs nothing, however large

    def load(self) -> object:
        """Run one pickle and return its value."""
        self._limit = min(self.position + _LONGEST_PICKLE, len(self._data))
        self._stack, self._outer, self._memo = [], [], {}
        while (code := self._take(1)) != b".":
            if code not in _INSTRUCTIONS:
                raise _RefusedError(f"forbidden pickle instruction {code!r}")
            _INSTRUCTIONS[code](self)
        if len(self._stack) != 1 or self._outer:
            raise _RefusedError("a pickle doesn't leave one value")
        return self._stack.pop()

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > self._limit:
            raise _RefusedError("it is cut short within a pickle, or the pickle is too long")
        taken = self._data[self.position : end]
        self.position = end
        return taken

    def number(self, size: int, *, signed: bool = False) -> int:
        """Read a little-endian integer of that many bytes."""
        return int.from_bytes(self._take(size), "little", signed=signed)

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self._stack.append(value)

    def protocol(self) -> None:
        """PROTO."""
        if (version := self.number(1)) != 2:  # noqa: PLR2004: torch never wrote another
            raise _RefusedError(f"it has a pickle of protocol {version}, not 2")

    def text(self) -> None:
        """BINUNICODE."""
        self.push(self._take(self.number(4)).decode())

    def mark(self) -> None:
        """MARK."""
        self._outer.append(self._stack)
        self._stack = []

    def since_mark(self) -> list[object]:
        """Take everything above the last mark, and the mark."""
        items, self._stack = self._stack, self._outer.pop()
        return items

    def put(self, size: int) -> None:
        """BINPUT, LONG_BINPUT."""
        self._memo[self.number(size)] = self._stack[-1]

    def get(self, size: int) -> None:
        """BINGET, LONG_BINGET."""
        self.push(self._memo[self.number(size)])

    def pack(self, count: int) -> None:
        """TUPLE1, TUPLE2, TUPLE3."""
        items = [self._stack.pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    def append(self, items: list[object]) -> None:
        """APPEND, APPENDS."""
        _typed(self._stack[-1], list).extend(items)

    def set_items(self, items: list[object]) -> None:
        """SETITEM, SETITEMS: keys are strings, whose hashes are cheap."""
        target = _typed(self._stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_typed(key, str)] = value

    def find(self) -> None:
        """GLOBAL: name one of the three; nothing is imported."""
        end = self._data.index(b"\n", self._data.index(b"\n", self.position, self._limit) + 1)
        module, name = self._take(end + 1 - self.position).decode().split("\n")[:2]
        if f"{module}.{name}" not in _GLOBALS:
            raise _RefusedError(f"forbidden global {module:.80}.{name:.80}")
        self.push(_Global(f"{module}.{name}"))

    def reduce(self) -> None:
        """REDUCE: an empty dict or a tensor; nothing is called."""
        arguments = _typed(self._stack.pop(), tuple)
        function = _typed(self._stack.pop(), _Global).name
        if function == _REBUILD_TENSOR:
            self.push(_tensor(arguments))
        elif function == _ORDERED_DICT and not arguments:
            self.push({})
        else:
            raise _RefusedError(f"forbidden call of {function}")

    def build(self) -> None:
        """BUILD: torch hangs metadata on the dict; they are dropped, no attribute is set."""
        _typed(self._stack.pop(), dict)
        _typed(self._stack[-1], dict)

    def pop(self, count: int) -> list[object]:
        """Take the last values of the stack."""
        return [self._stack.pop() for _ in range(count)][::-1]


_INSTRUCTIONS: Final[dict[bytes, Callable[[_Pickles], None]]] = {
    b"\x80": _Pickles.protocol,
    b"N": lambda run: run.push(None),
    b"\x88": lambda run: run.push(True),  # noqa: FBT003
    b"\x89": lambda run: run.push(False),  # noqa: FBT003
    b"K": lambda run: run.push(run.number(1)),
    b"M": lambda run: run.push(run.number(2)),
    b"J": lambda run: run.push(run.number(4, signed=True)),
    b"\x8a": lambda run: run.push(run.number(run.number(1), signed=True)),
    b"X": _Pickles.text,
    b"(": _Pickles.mark,
    b")": lambda run: run.push(()),
    b"t": lambda run: run.push(tuple(run.since_mark())),
    b"\x85": lambda run: run.push(tuple(run.pop(1))),
    b"\x86": lambda run: run.push(tuple(run.pop(2))),
    b"\x87": lambda run: run.push(tuple(run.pop(3))),
    b"]": lambda run: run.push([]),
    b"a": lambda run: run.append(run.pop(1)),
    b"e": lambda run: run.append(run.since_mark()),
    b"}": lambda run: run.push({}),
    b"s": lambda run: run.set_items(run.pop(2)),
    b"u": lambda run: run.set_items(run.since_mark()),
    b"q": lambda run: run.put(1),
    b"r": lambda run: run.put(4),
    b"h": lambda run: run.get(1),
    b"j": lambda run: run.get(4),
    b"c": _Pickles.find,
    b"Q": lambda run: run.push(_storage(run.pop(1)[0])),
    b"R": _Pickles.reduce,
    b"b": _Pickles.build,
}
