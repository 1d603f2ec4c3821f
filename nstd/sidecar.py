"""The sidecar: bounded YAML bytes in, a frozen `Sidecar` out, every problem at once.

Likewise the `nstd.yaml` of a hot folder, from which its sidecars inherit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from nstd import names
from nstd.errors import SidecarError
from nstd.params import FORMATS, MAX_STYLE_WEIGHT, StyleParams
from nstd.strict_yaml import YamlError, load_mapping
from nstd.validation import problems, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nstd.entry import Role

Model = TypeVar("Model", bound=BaseModel)

TEXTURE = "none"
REMEDY = "correct the sidecar and move it, with its images, back to the inbox"
_SINGLE = re.compile(r"^style\.0(\.image)?(?=\.|$)")
FOLDER_REMEDY = "correct it where it is: the jobs of its folder wait"


def _below(name: str) -> str:
    """A file at or below the sidecar's folder, written with forward slashes."""
    path = PurePosixPath(name)
    if not path.parts or "\0" in name or name.endswith("/"):
        raise ValueError("must be a file name")
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("must stay within the sidecar's folder")
    if any(names.is_ignored(part) for part in path.parts):
        raise ValueError("must not be a hidden or temporary file")
    if names.is_sidecar(name) or path.name == names.FOLDER_DEFAULTS:
        raise ValueError("must be an image, not a sidecar")
    return name


def _plain(name: str) -> str:
    stem = names.without_image_suffix(name)
    if not stem.strip() or any(character in stem for character in "/\\\0") or stem.startswith("."):
        raise ValueError("must be a plain name, without slash or leading dot")
    return name


def _as_list(style: Any) -> Any:  # noqa: ANN401 - whatever stood there
    """One style, or names among weighted styles, in the long form."""
    if isinstance(style, list):
        return [{"image": one} if isinstance(one, str) else one for one in style]
    return style if style is None else [{"image": style}]


FileName = Annotated[str, AfterValidator(_below)]


class WeightedStyle(BaseModel):
    """One entry of a list of styles."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    image: FileName
    weight: float = Field(default=1.0, gt=0, le=MAX_STYLE_WEIGHT)


# One style, or several: names and weighted ones.
_AsWritten = FileName | Annotated[list[FileName | WeightedStyle], Field(min_length=1)] | None


class FolderHead(BaseModel):
    """The keys of a hot folder's own; every other key is a parameter of the engine."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    style: Annotated[
        list[WeightedStyle] | None,
        BeforeValidator(_as_list, json_schema_input_type=_AsWritten),
        Field(min_length=1),
    ] = None
    priority: int = Field(default=0, ge=-1000, le=1000)

    @property
    def styles(self) -> tuple[tuple[str, float], ...]:
        """(name, weight) of each style."""
        return tuple((style.image, style.weight) for style in self.style or ())


class Head(FolderHead):
    """The sidecar's own keys; every other key is a parameter of the engine."""

    content: FileName | None = None
    output: Annotated[str, AfterValidator(_plain)] | None = None

    @property
    def stem(self) -> str | None:
        """Of the result."""
        return None if self.output is None else names.without_image_suffix(self.output)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a sidecar asks for.

    Attributes:
        content: name relative to the sidecar's folder; None: found by the sidecar's own name;
            `TEXTURE`: there is none, and a texture is made of the styles alone.
        styles: (name, weight); empty: found by the sidecar's own name.
        output: stem of the result; None: the sidecar's.
        priority: higher runs first.
        params: of the engine, with the configuration's defaults filled in.
    """

    content: str | None
    styles: tuple[tuple[str, float], ...]
    output: str | None
    priority: int
    params: StyleParams

    @property
    def further(self) -> tuple[tuple[Role, str], ...]:
        """Role and name, relative to the sidecar's folder, of images that parameters name."""
        return tuple(
            ("init" if key == "init" else "mask", name) for key, name in self.params.image_files
        )


@dataclass(frozen=True, slots=True)
class FolderDefaults:
    """What the sidecars of a hot folder inherit.

    Attributes:
        styles: (name, weight), relative to the folder; empty: each sidecar's own.
        priority: of a sidecar that names none.
        values: parameters, as they were written.
        images: names of the images that it asks for; they belong to the folder, not to a job.
    """

    styles: tuple[tuple[str, float], ...] = ()
    priority: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)
    images: frozenset[str] = frozenset()


def parse(
    data: bytes,
    *,
    file: str,
    defaults: Mapping[str, Any] | None = None,
    folder: FolderDefaults | None = None,
) -> Sidecar:
    """Read a sidecar.

    Args:
        data: its bytes; the caller bounds their number.
        file: its name to its owner, for messages.
        defaults: parameters for what neither it nor its folder says.
        folder: what its folder says, if that is a hot one.

    Raises:
        SidecarError: not YAML, unknown keys, wrong types, values out of range; all at once.
    """
    given = folder or FolderDefaults()
    head, params, _ = _read(Head, data, {**(defaults or {}), **given.values}, file, REMEDY)
    suffix = PurePosixPath(head.output or "").suffix.lower()
    if FORMATS.get(suffix, params.format) != params.format:
        raise SidecarError(
            f"ends in {suffix}, but the result is a {params.format}",
            file=file,
            key="output",
            remedy=f"write format: {FORMATS[suffix]} too, or leave out {suffix}; {REMEDY}",
        )
    return Sidecar(
        head.content,
        head.styles or given.styles,
        head.stem,
        head.priority if "priority" in head.model_fields_set else given.priority,
        params,
    )


def parse_folder(
    data: bytes, *, file: str, defaults: Mapping[str, Any] | None = None
) -> FolderDefaults:
    """Read a hot folder's `nstd.yaml`; arguments and errors as those of `parse`."""
    head, params, own = _read(FolderHead, data, defaults or {}, file, FOLDER_REMEDY)
    images = {name for name, _ in head.styles}
    images.update(name for key, name in params.image_files if key in own)
    return FolderDefaults(head.styles, head.priority, own, frozenset(images))


def _read(
    model: type[Model], data: bytes, defaults: Mapping[str, Any], file: str, remedy: str
) -> tuple[Model, StyleParams, dict[str, Any]]:
    """The file's own keys, the parameters with defaults filled in, and those that stand in it."""
    try:
        values, found = load_mapping(data)
    except YamlError as error:
        raise SidecarError(str(error), file=file, remedy=remedy) from error
    own = {key: value for key, value in values.items() if key in model.model_fields}
    rest = {key: value for key, value in values.items() if key not in model.model_fields}
    for misplaced in sorted(rest.keys() & Head.model_fields.keys()):
        found.append((misplaced, "belongs in a sidecar, since it is about one job"))
        del rest[misplaced]
    known = [*model.model_fields, *StyleParams.model_fields]
    head = _validated(model, own, known, found)
    if not isinstance(own.get("style"), list):  # then the list of one is ours, not the owner's
        found = [(_SINGLE.sub("style", key), clause) for key, clause in found]
    params = _validated(StyleParams, {**defaults, **rest}, known, found)
    if params is not None:
        found += _misplaced(params)
    if head is None or params is None or found:
        what, key = summarise(found)
        raise SidecarError(what, file=file, key=key, remedy=remedy)
    return head, params, rest


def _misplaced(params: StyleParams) -> list[tuple[str, str]]:
    """The parameters' image files that aren't where a sidecar's may be."""
    found = []
    for key, name in params.image_files:
        try:
            _below(name)
        except ValueError as error:
            found.append((key, f"{error}, not {name!r}"))
    return found


def _validated(
    model: type[Model],
    values: Mapping[str, Any],
    known: Sequence[str],
    found: list[tuple[str, str]],
) -> Model | None:
    """The model, or None with its problems added to `found`."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        found.extend(problems(error, known, WeightedStyle.model_fields))
        return None
