"""What the files that people write look like, as JSON Schema: for editors that complete and check.

The schemas come from the models that read the files, so they can't disagree about keys, types and
ranges. What no schema can say, such as that folders lie apart, only reading the file finds out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from nstd.config import Config
from nstd.params import StyleParams
from nstd.sidecar import FolderHead, Head

if TYPE_CHECKING:
    from pydantic import BaseModel

Kind = Literal["config", "sidecar", "folder"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: Kind) -> dict[str, Any]:
    """The schema of a kind of file."""
    match kind:
        case "config":
            return _config()
        case "sidecar":
            described = "What is to be painted, and how; every key has a default."
            return _with_params(Head, "A sidecar of nstd", described)
        case "folder":
            described = "What every sidecar in the same folder inherits; every image is a job."
            return _with_params(FolderHead, "nstd.yaml, which makes a folder a hot one", described)


def _config() -> dict[str, Any]:
    found, params = _of(Config), _of(StyleParams)
    definitions = {**found.pop("$defs", {}), **params.pop("$defs", {}), "StyleParams": params}
    defaults = {"$ref": "#/$defs/StyleParams", "description": "What sidecars inherit."}
    properties = {**found["properties"], "defaults": defaults}
    described = {"title": "nstd's configuration", "properties": properties}
    return {"$schema": _DIALECT, **found, **described, "$defs": definitions}


def _with_params(model: type[BaseModel], title: str, description: str) -> dict[str, Any]:
    """A file's own keys, and beside them every parameter."""
    head, params = _of(model), _of(StyleParams)
    return {
        "$schema": _DIALECT,
        **head,
        "title": title,
        "description": description,
        "properties": {**head["properties"], **params["properties"]},
        "$defs": {**head.get("$defs", {}), **params.get("$defs", {})},
    }


def _of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()
