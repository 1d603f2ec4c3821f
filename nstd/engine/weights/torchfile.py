"""Read torch's legacy state-dict files without torch.

Before 1.6, `torch.save` wrote five pickles one after the other (a magic number, a protocol number,
facts on the writer's machine, the state dict, the list of storage keys) and then, for each key, a
little-endian int64 count and that many raw float32. The dict's tensors name their storage by a
persistent id.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from nstd.engine.weights.torchpickle import Pickles, RefusedError, Tensor, typed
from nstd.errors import WeightsCorruptError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_MAGIC: Final = 0x1950A86A20F9469CFC6C
_PROTOCOL: Final = 1001
_COUNT: Final = struct.Struct("<q")
_FLOAT: Final = np.dtype("<f4")


def read_legacy(
    data: bytes | BinaryIO, *, name: str | None = None
) -> dict[str, NDArray[np.float32]]:
    """Return the tensors of a legacy torch file.

    Args:
        data: the whole file, or a stream that holds it and nothing else.
        name: the file's name, for the message of the error.

    Returns:
        Tensor name to float32 array, in the file's order and in torch's layout (a convolution's
        kernel is [out, in, height, width]). The arrays are read-only views of the data.

    Raises:
        WeightsCorruptError: the file isn't such a file, is cut short or too long, contradicts
            itself, or mentions a global or an instruction that a state dict doesn't need.
    """
    whole = data if isinstance(data, bytes) else data.read()
    try:
        return _read(whole)
    except RefusedError as error:
        reason = str(error)
    except (
        ArithmeticError,
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        reason = f"it can't be parsed ({type(error).__name__}: {error})"
    raise WeightsCorruptError(
        f"not a legacy torch file that can be trusted: {reason}",
        file=name,
        remedy="get the file from its source again",
    )


def _read(whole: bytes) -> dict[str, NDArray[np.float32]]:
    pickles = Pickles(whole)
    if pickles.load() != _MAGIC:
        raise RefusedError("its magic number is wrong")
    if pickles.load() != _PROTOCOL:
        raise RefusedError(f"its protocol isn't {_PROTOCOL}")
    if typed(pickles.load(), dict).get("little_endian") is not True:
        raise RefusedError("it isn't little-endian")
    state = typed(pickles.load(), dict)
    tensors = {name: typed(tensor, Tensor) for name, tensor in state.items()}
    keys = [typed(key, str) for key in typed(pickles.load(), list)]
    if sorted(keys) != sorted({tensor.storage.key for tensor in tensors.values()}):
        raise RefusedError("its list of storages isn't that of its tensors")
    storages = _storages(whole, pickles.position, keys)
    return {name: _view(name, tensor, storages) for name, tensor in tensors.items()}


def _storages(whole: bytes, position: int, keys: list[str]) -> dict[str, NDArray[np.float32]]:
    """Slice the numbers that follow the pickles; every byte must be accounted for."""
    storages = {}
    for key in keys:
        (count,) = _COUNT.unpack_from(whole, position)
        position += _COUNT.size
        if not 0 <= count * _FLOAT.itemsize <= len(whole) - position:
            raise RefusedError(f"storage {key:.80} has {count} numbers, more than the file")
        storages[key] = np.frombuffer(whole, _FLOAT, count, position)
        position += storages[key].nbytes
    if position != len(whole):
        raise RefusedError(f"{len(whole) - position} bytes are left over at its end")
    return storages


def _view(
    name: str, tensor: Tensor, storages: Mapping[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Lay a tensor's shape over its storage, having made sure that it stays within."""
    numbers = storages[tensor.storage.key]
    if numbers.size != tensor.storage.count:
        raise RefusedError(
            f"the storage of {name:.80} has {numbers.size} numbers, not {tensor.storage.count}"
        )
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
    # The count is compared too: by a stride of 0, one number could pose as a billion.
    if not 0 < math.prod(tensor.shape) <= numbers.size or last >= numbers.size:
        raise RefusedError(f"tensor {name:.80} reaches beyond its storage")
    strides = [stride * numbers.itemsize for stride in tensor.strides]
    return np.lib.stride_tricks.as_strided(
        numbers[tensor.offset :], tensor.shape, strides, writeable=False
    )
