from __future__ import annotations

import io
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from weights_doubles import Calls, Published, fetch_and_die, fetch_together, publish
from weights_fixtures import converted, flip, leftovers

from nstd.engine import weights
from nstd.engine.weights import container
from nstd.errors import (
    WeightsCacheError,
    WeightsCorruptError,
    WeightsError,
    WeightsUnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def real() -> weights.Weights:
    """Return the real weights, from the user's cache or index."""
    try:
        return weights.load(weights.resolve(None))
    except WeightsUnreachableError as error:
        pytest.skip(str(error))


def test_the_real_weights_have_the_documented_layout(real: weights.Weights) -> None:
    """All 26 convolutions are there, read-only float32 in TensorFlow's order."""
    widths = {"block1": 64, "block2": 128, "block3": 256, "block4": 512, "block5": 512}
    depth = {"block1": 2, "block2": 2, "block3": 4, "block4": 4, "block5": 4}
    names = ["preprocess"]
    names += [f"{block}_conv{i + 1}" for block, count in depth.items() for i in range(count)]
    names += [f"decoder_conv{i + 1}" for i in range(9)]
    assert sorted(real.arrays) == sorted(f"{n}/{k}" for n in names for k in ("kernel", "bias"))
    for block, width in widths.items():
        assert real.arrays[f"{block}_conv2/kernel"].shape == (3, 3, width, width)
    assert real.arrays["block1_conv1/kernel"].shape == (3, 3, 3, 64)
    assert real.arrays["decoder_conv1/kernel"].shape == (3, 3, 512, 256)
    assert real.arrays["decoder_conv9/kernel"].shape == (3, 3, 64, 3)
    assert {array.dtype for array in real.arrays.values()} == {np.dtype(np.float32)}
    assert not any(array.flags.writeable for array in real.arrays.values())


def test_the_real_preprocessing_is_the_networks_own(real: weights.Weights) -> None:
    """The 1x1 convolution turns RGB in [0,1] into BGR*255 less the mean of ImageNet."""
    rgb = np.array([0.2, 0.5, 0.9], np.float32)
    turned = rgb @ real.arrays["preprocess/kernel"][0, 0] + real.arrays["preprocess/bias"]
    expected = rgb[::-1] * 255 - np.array([103.939, 116.779, 123.68])
    np.testing.assert_allclose(turned, expected, rtol=1e-6)


def test_loaded_weights_cannot_be_changed(tmp_path: Path, small: Published) -> None:
    """Neither the mapping nor an array in it can be written."""
    arrays = weights.load(converted(small, tmp_path / "w.npz"), release=small.release).arrays
    with pytest.raises(TypeError):
        arrays["preprocess/bias"] = np.zeros(3)  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        arrays["preprocess/bias"][0] = 0


@pytest.mark.usefixtures("cache")
def test_a_converted_file_can_be_carried_over(tmp_path: Path, small: Published) -> None:
    """The file of one machine's cache fills another's."""
    carried = converted(small, tmp_path / "carried")
    path = weights.fetch(carried, release=small.release)
    assert weights.verify(path, release=small.release) == small.release.sha256


def test_a_configured_converted_file_is_used_where_it_is(
    tmp_path: Path, cache: Path, small: Published
) -> None:
    """A converted file needs no cache."""
    path = converted(small, tmp_path / "w.npz")
    assert weights.resolve(path, release=small.release) == path
    assert not cache.exists()


@pytest.mark.usefixtures("cache")
def test_a_configured_sdist_is_converted_once(small: Published) -> None:
    """The second start finds the converted file in the cache and leaves it alone."""
    path = weights.resolve(small.sdist, release=small.release)
    before = path.stat()
    assert weights.resolve(small.sdist, release=small.release) == path
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.usefixtures("cache")
def test_a_tampered_cache_is_replaced(small: Published) -> None:
    """What the cache has lost is converted again."""
    path = weights.resolve(small.sdist, release=small.release)
    flip(path, path.stat().st_size // 2)
    with pytest.raises(WeightsCorruptError):
        weights.verify(path, release=small.release)
    assert weights.resolve(small.sdist, release=small.release) == path
    weights.verify(path, release=small.release)


@pytest.mark.usefixtures("cache")
def test_a_tampered_configured_file_is_an_error(tmp_path: Path, small: Published) -> None:
    """What the user chose isn't silently replaced by something else."""
    weights.fetch(small.sdist, release=small.release)
    path = converted(small, tmp_path / "w.npz")
    flip(path, path.stat().st_size // 2)
    with pytest.raises(WeightsCorruptError) as caught:
        weights.resolve(path, release=small.release)
    assert caught.value.file == str(path)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("make", [lambda _: None, Path.mkdir, os.mkfifo])
def test_a_path_without_a_file_is_an_error(
    tmp_path: Path, small: Published, make: Callable[[Path], None]
) -> None:
    """A missing file, a folder and a pipe are named; nobody waits for the pipe."""
    path = tmp_path / "w"
    make(path)
    for use in (weights.load, weights.resolve, weights.fetch):
        with pytest.raises(WeightsError, match="can't be read") as caught:
            use(path, release=small.release)
        assert caught.value.file == str(path)


def test_an_object_array_is_not_unpickled(tmp_path: Path, small: Published) -> None:
    """A pickle within the converted file is refused and not run."""
    canary = tmp_path / "canary"
    evil = np.array([Calls(os.system, f"touch '{canary}'")], object)
    path = tmp_path / "w.npz"
    np.savez(path, **(small.arrays | {"preprocess/bias": evil}))
    with pytest.raises(WeightsCorruptError):
        weights.load(path, release=small.release)
    raw = io.BytesIO()
    np.save(raw, evil, allow_pickle=True)
    padded = raw.getvalue()
    with zipfile.ZipFile(path, "w") as archive:  # of the expected length, so that it is parsed
        for name, array in small.arrays.items():
            member = io.BytesIO()
            np.save(member, array)
            is_evil = name == "preprocess/bias"
            archive.writestr(f"{name}.npy", padded if is_evil else member.getvalue())
    with pytest.raises(WeightsCorruptError, match="allow_pickle"):
        weights.load(path, release=small.release)
    assert not canary.exists()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"extra": np.zeros(1, np.float32)}, id="an array too many"),
        pytest.param({"preprocess/bias": np.zeros(3, np.int32)}, id="another type"),
        pytest.param({"preprocess/bias": np.zeros(3, ">f4")}, id="another byte order"),
        pytest.param({"preprocess/bias": np.zeros((3, 1), np.float32)}, id="another shape"),
        pytest.param({"preprocess/bias": np.zeros(4096, np.float32)}, id="a larger array"),
        pytest.param({"preprocess/bias": np.zeros(3, np.float32)}, id="other numbers"),
    ],
)
def test_a_converted_file_with_other_content_is_refused(
    tmp_path: Path, small: Published, change: dict[str, np.ndarray]
) -> None:
    """Names, types, shapes and numbers must all be the release's."""
    np.savez(tmp_path / "w.npz", **(small.arrays | change))
    with pytest.raises(WeightsCorruptError):
        weights.load(tmp_path / "w.npz", release=small.release)


def test_a_compressed_file_is_refused(tmp_path: Path, small: Published) -> None:
    """Compressed entries could unpack to anything, so they aren't unpacked."""
    np.savez_compressed(tmp_path / "w.npz", **small.arrays)
    with pytest.raises(WeightsCorruptError, match="compressed"):
        weights.load(tmp_path / "w.npz", release=small.release)


def test_damage_to_a_converted_file_never_passes(tmp_path: Path, small: Published) -> None:
    """Cut or changed at random, a file is refused, or its content is intact all the same."""
    whole = np.frombuffer(converted(small, tmp_path / "w.npz").read_bytes(), np.uint8)
    random = np.random.default_rng(5)
    refused = 0
    for trial in range(400):
        damaged = whole.copy()
        damaged[random.integers(whole.size)] ^= np.uint8(1 << random.integers(8))
        cut = random.integers(whole.size) if trial % 4 == 0 else whole.size
        (tmp_path / "damaged.npz").write_bytes(damaged[:cut].tobytes())
        try:
            loaded = weights.load(tmp_path / "damaged.npz", release=small.release)
        except WeightsCorruptError:
            refused += 1
        else:
            assert container.digest(loaded.arrays) == small.release.sha256
    assert refused > 200


def test_a_cache_that_cannot_be_made_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: Published
) -> None:
    """Below a regular file not even root can make a folder."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("NSTD_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsCacheError, match="NSTD_CACHE_DIR") as caught:
        weights.fetch(small.sdist, release=small.release)
    assert caught.value.file == str(tmp_path / "file" / "cache")


def test_a_read_only_cache_is_told_so() -> None:
    """A user who may not write the cache gets the error that names the folder."""
    command = [sys.executable, "-c", "from nstd.engine import weights; weights.fetch(None)"]
    if os.geteuid() == 0:
        if (setpriv := shutil.which("setpriv")) is None:
            pytest.skip("root may write everywhere, and there is no setpriv to be someone else")
        command = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    with tempfile.TemporaryDirectory() as cache:  # pytest's own folders are closed to others
        Path(cache).chmod(0o555)
        variables = {"NSTD_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, check=False
        )
    if "WeightsCacheError" not in done.stderr:
        pytest.skip(f"another user can't run this interpreter: {done.stderr[-200:]}")
    assert f"{cache}: the cache can't be written: Permission denied" in done.stderr


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, cache: Path) -> None:
    """A write that the system refuses is an error of the cache, and the half-written file goes."""
    small = publish(tmp_path / "published")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(WeightsCacheError, match="File too large"):
            weights.fetch(small.sdist, release=small.release)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert leftovers(cache) == []


def test_two_processes_may_convert_at_once(cache: Path, small: Published) -> None:
    """Both succeed, and whoever looks meanwhile sees no file or a whole one."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    arguments = (barrier, small.sdist, small.release)
    processes = [context.Process(target=fetch_together, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    barrier.wait(60)
    path = weights.cached_path(release=small.release)
    while any(process.is_alive() for process in processes):
        if path.exists():
            weights.verify(path, release=small.release)
        time.sleep(0.001)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert leftovers(cache) == [path.name]


def test_a_killed_fetch_is_cleaned_up_by_the_next(cache: Path, small: Published) -> None:
    """The lock of a killed process is free, and its half-made files are removed."""
    process = multiprocessing.get_context("spawn").Process(target=fetch_and_die, args=(cache,))
    process.start()
    process.join()
    assert process.exitcode == -9
    assert len(leftovers(cache)) == 1
    path = weights.fetch(small.sdist, release=small.release)
    assert leftovers(cache) == [path.name]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"NSTD_CACHE_DIR": "/a", "CACHE_DIRECTORY": "/b:/c"}, "/a"),
        ({"NSTD_CACHE_DIR": "", "CACHE_DIRECTORY": "/b:/c"}, "/b"),
        ({"XDG_CACHE_HOME": "/home/cache"}, "/home/cache/nstd"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    """NSTD_CACHE_DIR, then the first of systemd's folders, then the user's cache."""
    for name in ("NSTD_CACHE_DIR", "CACHE_DIRECTORY", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert weights.cache_dir() == Path(expected)
    assert weights.cached_path().parent == Path(expected)


def test_importing_the_module_is_cheap() -> None:
    """The command line pays for NumPy, requests and TensorFlow only when it uses them."""
    heavy = "{'numpy', 'requests', 'pypi_simple', 'tensorflow', 'torch', 'tarfile'}"
    code = f"import sys, nstd.engine.weights; print(*({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
