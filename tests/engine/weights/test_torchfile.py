from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from weights_doubles import Calls, integer, legacy, numbers, parts, state, storage, tensor, text

from nstd.engine.weights.torchfile import read_legacy
from nstd.errors import WeightsCorruptError

if TYPE_CHECKING:
    from pathlib import Path

ARRAYS = {
    "0.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "0.bias": np.array([-1, 0.5], np.float32),
}


def one(item: bytes, count: int = 6, raw: bytes | None = None) -> bytes:
    """Build a file with one item that uses one storage, `k`, of 0, 1, 2, ..."""
    content = np.arange(count, dtype="<f4").tobytes() if raw is None else raw
    return legacy(
        {},
        state=state({"w": item}),
        keys=pickle.dumps(["k"], 2),
        raw=struct.pack("<q", count) + content,
    )


def refusal(data: bytes) -> str:
    """Return the message with which a file is refused."""
    with pytest.raises(WeightsCorruptError) as caught:
        read_legacy(data, name="evil.pth")
    assert caught.value.file == "evil.pth"
    return str(caught.value)


@pytest.mark.parametrize("wrap", [bytes, io.BytesIO])
def test_a_legacy_file_gives_its_tensors(wrap: type) -> None:
    """Names, order, shapes and numbers come back, from bytes and from a stream."""
    read = read_legacy(wrap(legacy(ARRAYS)))
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert read[name].dtype == np.float32
        np.testing.assert_array_equal(read[name], array)


def test_the_arrays_are_read_only() -> None:
    """A tensor can't be written through."""
    with pytest.raises(ValueError, match="read-only"):
        read_legacy(legacy(ARRAYS))["0.bias"][0] = 1


def test_a_strided_tensor_is_followed() -> None:
    """Offset and strides within the storage give the view that torch would give."""
    read = read_legacy(one(tensor(storage("k", 6), (2, 2), (1, 2), offset=1)))
    np.testing.assert_array_equal(read["w"], [[1, 3], [2, 4]])


def test_two_tensors_may_share_a_storage() -> None:
    """A storage that two tensors name is stored once."""
    items = {
        "a": tensor(storage("k", 4), (2,), (1,)),
        "b": tensor(storage("k", 4), (2,), (1,), offset=2),
    }
    raw = struct.pack("<q4f", 4, 1, 2, 3, 4)
    read = read_legacy(legacy({}, state=state(items), keys=pickle.dumps(["k"], 2), raw=raw))
    assert [list(read["a"]), list(read["b"])] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("part", ["magic", "protocol", "system", "state", "keys"])
def test_a_call_of_os_system_is_refused_unmade(tmp_path: Path, part: str) -> None:
    """In whichever pickle it hides, os.system is named and not called."""
    canary = tmp_path / "canary"
    evil = pickle.dumps(Calls(os.system, f"touch '{canary}'"), 2)
    assert "forbidden global posix.system" in refusal(legacy(ARRAYS, **{part: evil}))
    assert not canary.exists()
    pickle.loads(evil)  # noqa: S301 - it is as evil as it looks: pickle itself obeys
    assert canary.exists()


@pytest.mark.parametrize("fix_imports", [True, False])
def test_a_call_of_eval_is_refused_unmade(tmp_path: Path, *, fix_imports: bool) -> None:
    """Eval is refused under its name of Python 2 and under that of Python 3."""
    canary = tmp_path / "canary"
    call = Calls(builtins.eval, f"open({str(canary)!r}, 'w')")
    evil = pickle.dumps(call, 2, fix_imports=fix_imports)
    module = "__builtin__" if fix_imports else "builtins"
    assert f"forbidden global {module}.eval" in refusal(legacy(ARRAYS, state=evil))
    assert not canary.exists()


@pytest.mark.parametrize(
    "name", ["torch DoubleStorage", "torch._utils _rebuild_parameter", "collections Counter"]
)
def test_a_neighbour_of_an_allowed_global_is_refused(name: str) -> None:
    """Only the three globals themselves are allowed, not their modules."""
    module, attribute = name.split()
    evil = f"c{module}\n{attribute}\n.".encode()
    assert f"forbidden global {module}.{attribute}" in refusal(legacy(ARRAYS, state=evil))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"(i" + b"os\nsystem\n", id="INST"),
        pytest.param(b"\x8c\x02os\x8c\x06system\x93", id="STACK_GLOBAL"),
        pytest.param(b"ccollections\nOrderedDict\n)\x81", id="NEWOBJ"),
        pytest.param(b"\x82\x01", id="EXT1"),
        pytest.param(b"P1\n", id="PERSID"),
        pytest.param(b"\x96" + b"\xff" * 7 + b"\x7f", id="BYTEARRAY8"),
    ],
)
def test_an_instruction_that_no_state_dict_needs_is_refused(body: bytes) -> None:
    """The other ways to import, to build or to allocate are unknown to the interpreter."""
    assert "forbidden pickle instruction" in refusal(legacy(ARRAYS, state=b"\x80\x02" + body))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"ccollections\nOrderedDict\n(]tR", id="OrderedDict of something"),
        pytest.param(b"ctorch\nFloatStorage\n)R", id="a storage called"),
        pytest.param(b"ctorch._utils\n_rebuild_tensor_v2\n)R", id="a tensor of nothing"),
        pytest.param(b"ccollections\nOrderedDict\n}b", id="attributes set on a global"),
        pytest.param(b"ccollections\nOrderedDict\n)R(tb", id="a state that is no dict"),
        pytest.param(b"}X\x01\0\0\0aNs" + b")R", id="a dict called"),
        pytest.param(b"(Nt" + b"Q", id="another persistent id"),
        pytest.param(text("k") + b"Q", id="a persistent id that is a string"),
    ],
)
def test_an_allowed_global_can_only_be_used_as_meant(body: bytes) -> None:
    """REDUCE, BUILD and persistent ids do what the format does with them, and nothing else."""
    refusal(legacy(ARRAYS, state=b"\x80\x02" + body + b"."))


def test_a_newer_pickle_protocol_is_refused() -> None:
    """Torch wrote protocol 2; 4 has other means, so it isn't even looked at."""
    assert "protocol 4" in refusal(legacy(ARRAYS, state=pickle.dumps(Calls(os.getpid), 4)))


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("magic", 1, "magic number"),
        ("protocol", 1002, "protocol"),
        ("system", {"little_endian": False}, "little-endian"),
        ("system", {}, "little-endian"),
        ("state", ["no", "dict"], "list where a dict belongs"),
        ("state", {"w": 1}, "int where a Tensor belongs"),
        ("state", {}, "list of storages"),
        ("keys", ["key of 0.weight"], "list of storages"),
        ("keys", ["key of 0.weight"] * 2, "list of storages"),
        ("keys", {}, "dict where a list belongs"),
    ],
)
def test_a_part_with_another_value_is_refused(part: str, value: object, reason: str) -> None:
    """Magic number, protocol, byte order, state and keys must be what the format says."""
    assert reason in refusal(legacy(ARRAYS, **{part: pickle.dumps(value, 2)}))


def test_a_file_cut_anywhere_is_refused() -> None:
    """No prefix of a file passes for a file."""
    whole = legacy(ARRAYS)
    for length in range(len(whole)):
        refusal(whole[:length])


def test_a_byte_left_over_is_refused() -> None:
    """What follows the last storage is not ignored."""
    assert "1 bytes are left over" in refusal(legacy(ARRAYS) + b"\0")


@pytest.mark.parametrize("count", [2**40, 2**62, -1, -(2**62)])
def test_a_lying_storage_count_allocates_nothing(count: int) -> None:
    """A count beyond the file, or below 0, is refused, whoever else repeats it."""
    item = tensor(storage("k", count), (1,), (1,))
    data = legacy(
        {}, state=state({"w": item}), keys=pickle.dumps(["k"], 2), raw=struct.pack("<q", count)
    )
    assert "more than the file" in refusal(data)


def test_a_storage_shorter_than_announced_is_refused() -> None:
    """The count in the state dict and the count before the numbers must agree."""
    assert "6 numbers, not 7" in refusal(one(tensor(storage("k", 7), (2,), (1,))))


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        pytest.param((7,), (1,), 0, id="too long"),
        pytest.param((6,), (1,), 1, id="offset too large"),
        pytest.param((2, 3), (4, 1), 0, id="stride too large"),
        pytest.param((2, 3), (-3, 1), 3, id="negative stride"),
        pytest.param((1,), (1,), -1, id="negative offset"),
        pytest.param((-1,), (1,), 0, id="negative size"),
        pytest.param((2**31, 2**31), (0, 0), 0, id="one number posing as many"),
        pytest.param((2,), (2**61,), 0, id="stride that overflows"),
        pytest.param((0,), (1,), 0, id="empty"),
        pytest.param((2, 3), (1,), 0, id="strides missing"),
        pytest.param((1,) * 9, (1,) * 9, 0, id="too many dimensions"),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    """No shape, stride or offset reaches a number outside the tensor's own storage."""
    refusal(one(tensor(storage("k", 6), shape, strides, offset)))


def test_a_size_that_is_no_integer_is_refused() -> None:
    """True is 1 to Python, but no size."""
    item = tensor(storage("k", 6), (1,), (1,)).replace(numbers((1,)), b"\x88\x85", 1)
    assert "bool where a int belongs" in refusal(one(item))


def test_a_huge_memo_index_costs_nothing() -> None:
    """The memo is not an array: index 4 294 967 295 is as good as 0."""
    item = tensor(storage("k", 6), (6,), (1,)) + b"r\xff\xff\xff\xff"
    assert read_legacy(one(item))["w"].shape == (6,)


def test_a_key_that_takes_years_to_hash_is_refused() -> None:
    """Keys are strings: a tuple that contains itself twice, 60 deep, is never hashed."""
    doubling = b"".join(b"q\x00h\x00\x86" for _ in range(60))
    assert "tuple where a str belongs" in refusal(
        legacy(ARRAYS, state=b"\x80\x02})" + doubling + b"Ns.")
    )


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    """A tuple nested a hundred thousand deep is refused like any other value."""
    assert "tuple" in refusal(legacy(ARRAYS, state=b"\x80\x02)" + b"\x85" * 100_000 + b"."))


def test_an_endless_pickle_is_refused() -> None:
    """A pickle longer than any state dict's is given up before it fills the memory."""
    assert "too long" in refusal(legacy(ARRAYS, state=b"\x80\x02" + b"}" * (2 << 20) + b"."))


@pytest.mark.parametrize(
    "body", [b"t", b"Q", b"R", b"s", b"u", b"a", b"h\x07", b"q\x00", b"c", b"\x86"]
)
def test_an_instruction_without_its_values_is_refused(body: bytes) -> None:
    """A stack, a mark, a memo or a line that isn't there is an error of the file, not a crash."""
    refusal(legacy(ARRAYS, state=b"\x80\x02" + body + b"."))


def test_damage_never_surfaces_as_another_error() -> None:
    """Bytes changed at random give a state dict or WeightsCorruptError, never anything else."""
    whole = np.frombuffer(legacy(ARRAYS), np.uint8)
    random = np.random.default_rng(3)
    pickled = whole.size - len(parts(ARRAYS)["raw"])
    for _ in range(3000):
        damaged = whole.copy()
        damaged[random.integers(pickled, size=random.integers(1, 4))] = random.integers(256)
        try:
            read_legacy(damaged.tobytes())
        except WeightsCorruptError:
            continue


def test_integers_of_any_width_are_read() -> None:
    """BININT1, BININT2, BININT and LONG1 all give sizes."""
    for two in (b"K\x02", b"M\x02\x00", b"J\x02\x00\x00\x00", integer(2)):
        item = tensor(storage("k", 6), (3,), (2,)).replace(numbers((2,)), two + b"\x85")
        np.testing.assert_array_equal(read_legacy(one(item))["w"], [0, 2, 4])
