"""The schemas say what the models say, and the documented files fit them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from nstd import config, schemas, sidecar
from nstd.errors import NstdError

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def problems(kind: schemas.Kind, text: str) -> list[str]:
    """Hold a YAML text against a schema; returns what it finds."""
    found = Draft202012Validator(schemas.schema(kind)).iter_errors(yaml.safe_load(text) or {})
    return [error.message for error in found]


def is_read(kind: schemas.Kind, text: str) -> bool:
    """Tell whether the program takes a text."""
    read: Any = {
        "config": config.parse,
        "sidecar": sidecar.parse,
        "folder": sidecar.parse_folder,
    }[kind]
    try:
        read(text.encode(), file="x.yaml")
    except NstdError:
        return False
    return True


@pytest.mark.parametrize("kind", ["config", "sidecar", "folder"])
def test_the_schemas_are_schemas(kind: schemas.Kind) -> None:
    """Of the dialect that they name."""
    Draft202012Validator.check_schema(schemas.schema(kind))


def test_the_example_configuration_fits() -> None:
    """Every key of it."""
    assert problems("config", (ROOT / "config.example.yaml").read_text(encoding="utf-8")) == []


def test_the_readmes_sidecars_fit() -> None:
    """As they stand there."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert blocks
    for text in blocks:
        assert problems("sidecar", text) == []


GOOD = {
    "folder": ["", "style: a.jpg\n", "style: [a.jpg, b.jpg]\npriority: 5\npreset: fast\n"],
    "sidecar": [
        "",
        "content: a.jpg\nstyle: b.jpg\n",
        "style: [a.jpg, {image: b.jpg, weight: 2}]\n",
        "content: none\nsize: original\n",
        "size: 512\nstyle_layers: {block1_conv1: 1.0}\ninit: a.png\n",
    ],
    "config": [
        "",
        "root: /x\nlimits: {attempts: 2}\ndefaults: {preset: fast, size: 64}\n",
        "device: [cpu:0, cpu:1]\nretain_days: {done: 3}\n",
    ],
}
BAD = {
    "folder": ["sise: 3\n", "content: a.jpg\n", "output: a\n", "style: 3\n"],
    "sidecar": [
        "sise: 3\n",
        "size: 3\n",
        "size: big\n",
        "style: []\n",
        "style: [{image: a.jpg, weight: 0}]\n",
        "style: {image: a.jpg}\n",
        "priority: high\n",
        "preset: best\n",
        "iterations: 1.5\n",
    ],
    "config": [
        "rot: /x\n",
        "threads: -1\n",
        "limits: {atempts: 2}\n",
        "defaults: {sise: 3}\n",
        "defaults: {size: 3}\n",
        "watch: {mode: never}\n",
    ],
}


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in GOOD.items() for text in texts]
)
def test_what_is_read_fits(kind: schemas.Kind, text: str) -> None:
    """An editor complains of nothing that the program takes."""
    assert is_read(kind, text)
    assert problems(kind, text) == []


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in BAD.items() for text in texts]
)
def test_what_is_refused_does_not_fit(kind: schemas.Kind, text: str) -> None:
    """Unknown keys, wrong types, values out of range."""
    assert not is_read(kind, text)
    assert problems(kind, text) != []
