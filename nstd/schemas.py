"""What the files that people write look like, as JSON Schema: for editors that complete and check.

The schemas come from the models that read the files, so they can't disagree about keys, types and
ranges. What no schema can say, such as that folders lie apart, only reading the file finds out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from nstd.config import Config
from nstd.params import StyleParams
from nstd.sidecar import Head

if TYPE_CHECKING:
    from pydantic import BaseModel

Kind = Literal["config", "sidecar"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: Kind) -> dict[str, Any]:
    """The schema of a kind of file."""
    return _config() if kind == "config" else _sidecar()


def _config() -> dict[str, Any]:
    found, params = _of(Config), _of(StyleParams)
    definitions = {**found.pop("$defs", {}), **params.pop("$defs", {}), "StyleParams": params}
    defaults = {"$ref": "#/$defs/StyleParams", "description": "What sidecars inherit."}
    properties = {**found["properties"], "defaults": defaults}
    described = {"title": "nstd's configuration", "properties": properties}
    return {"$schema": _DIALECT, **found, **described, "$defs": definitions}


def _sidecar() -> dict[str, Any]:
    """The sidecar's own keys, and beside them every parameter."""
    head, params = _of(Head), _of(StyleParams)
    return {
        "$schema": _DIALECT,
        **head,
        "title": "A sidecar of nstd",
        "description": "What is to be painted, and how; every key has a default.",
        "properties": {**head["properties"], **params["properties"]},
        "$defs": {**head.get("$defs", {}), **params.get("$defs", {})},
    }


def _of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()
