"""Results in the outbox."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from claims import claimed, rendered, tree
from conftest import save_picture

from nstd.errors import CannotWriteError
from nstd.spool import files
from nstd.spool.publish import publish, short_stem

if TYPE_CHECKING:
    from nstd.config import Config


def test_result_and_manifest_appear_under_the_sidecars_name(config: Config) -> None:
    """The folder is kept, and nothing temporary is left."""
    claim = claimed(config, folder="deep")
    result = rendered(claim, config)
    published = publish(claim, result, {"job_id": claim.job_id}, config)
    assert tree(config.folder("outbox")) == {"deep/a.png", "deep/a.json"}
    assert files.sha256(published.path) == result.sha256
    manifest = json.loads(published.manifest.read_text())
    assert manifest == {
        "job_id": claim.job_id,
        "output": {"name": "a.png", "width": 64, "height": 48, "sha256": result.sha256},
    }


def test_the_sidecar_may_name_the_result(config: Config) -> None:
    """`output` replaces the sidecar's own stem."""
    claim = claimed(config, text="output: painted")
    publish(claim, rendered(claim, config), {}, config)
    assert tree(config.folder("outbox")) == {"painted.png", "painted.json"}


@pytest.mark.parametrize("taken", ["a.png", "a.json"])
def test_a_taken_name_gets_a_suffix(config: Config, taken: str) -> None:
    """Picture and manifest must both be free; nothing is overwritten."""
    claim = claimed(config)
    outbox = config.folder("outbox")
    (outbox / taken).write_text("mine")
    (outbox / "a-2.json").write_text("mine too")
    published = publish(claim, rendered(claim, config), {}, config)
    assert published.path == outbox / "a-3.png"
    assert published.manifest == outbox / "a-3.json"
    assert (outbox / taken).read_text() == "mine"


def test_a_damaged_copy_is_not_published(config: Config) -> None:
    """What was written is read back; if its hash is wrong, nothing appears."""
    claim = claimed(config)
    wrong = dataclasses.replace(rendered(claim, config), sha256="0" * 64)
    with pytest.raises(CannotWriteError, match="reads back differently"):
        publish(claim, wrong, {}, config)
    assert tree(config.folder("outbox")) == set()


def test_an_outbox_that_refuses_is_a_resource_problem(config: Config) -> None:
    """The error says where, and the result is still in the work folder."""
    claim = claimed(config)
    result = rendered(claim, config)
    config.folder("outbox").rmdir()
    config.folder("outbox").write_text("in the way")
    with pytest.raises(CannotWriteError):
        publish(claim, result, {}, config)
    assert result.path.exists()


def test_long_names_are_cut_to_fit() -> None:
    """Every suffix that nstd adds fits the 255 bytes of a name."""
    assert len(short_stem("a" * 250)) == 200
    assert short_stem("harbour") == "harbour"
    assert short_stem("a" + 120 * "\u00e9").encode() == b"a" + 99 * "\u00e9".encode()


def test_snapshots_lie_beside_the_result(config: Config) -> None:
    """Intermediate pictures are in a folder with the result's name."""
    claim = claimed(config)
    result = rendered(claim, config)
    snapshot = save_picture(result.path.parent / "snapshots" / "000020.jpg")
    publish(claim, dataclasses.replace(result, snapshots=(snapshot,)), {}, config)
    assert "a.snapshots/000020.jpg" in tree(config.folder("outbox"))
