"""What the page tells of a picture that was painted: in few words, and the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nstd import names
from nstd.durations import duration
from nstd.params import StyleParams
from nstd.web.view import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nstd.entry import Entry

_ENGINE_STAGES: Final = ("load", "draft", "targets", "optimise", "encode")


def summary(entry: Entry) -> list[str]:
    """Preset, size, iterations and the engine's time."""
    rendered = entry.rendered
    if rendered is None:
        return []
    known = rendered.facts
    told = [str(_parameters(entry).get("preset", ""))]
    told.append(f"{rendered.width} × {rendered.height}")  # noqa: RUF001 - the sign for it
    if iterations := known.get("iterations"):
        told.append(f"{iterations} iterations")
    spent = known.get("seconds") or {}
    told.append(f"{duration(sum(spent.get(stage, 0.0) for stage in _ENGINE_STAGES))} of work")
    return [names.shown(one) for one in told if one]


def facts(entry: Entry) -> list[Fact]:
    """Parameters that differ from the defaults, and how it came about."""
    known = entry.rendered.facts if entry.rendered else {}
    defaults = StyleParams().model_dump(mode="json")
    told: list[tuple[str, Any]] = [
        (key, value)
        for key, value in _parameters(entry).items()
        if key != "preset" and value != defaults.get(key)
    ]
    best = ((known.get("losses") or {}).get("best") or {}).get("total")
    told += [("best iteration", known.get("best_iteration"))]
    told += [("loss", None if best is None else f"{best:.4g}")]
    told += [("seconds an iteration", known.get("seconds_per_iteration"))]
    told += [("device", known.get("device")), ("precision", known.get("precision"))]
    told += [("weights", _weights(entry)), ("duplicate of", entry.duplicate_of or None)]
    return [Fact(name, names.shown(_plain(value))) for name, value in told if value is not None]


def _parameters(entry: Entry) -> Mapping[str, Any]:
    """As plugins left them; as they were asked for if that isn't known."""
    told = entry.rendered.facts.get("parameters") if entry.rendered else None
    found: Mapping[str, Any] = told or (
        entry.params.model_dump(mode="json") if entry.params else {}
    )
    return found


def _weights(entry: Entry) -> str | None:
    """Of the styles in a blend."""
    styles = [one.source.weight for one in entry.inputs if one.source.role == "style"]
    return " : ".join(f"{weight:g}" for weight in styles) if len(styles) > 1 else None


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
