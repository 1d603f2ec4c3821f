"""The hooks of a plugin: it implements those it cares for, with the arguments that it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nstd.domain import Float32Image

PROJECT: Final = "nstd"
hookimpl: Final = pluggy.HookimplMarker(PROJECT)
_hookspec: Final = pluggy.HookspecMarker(PROJECT)


@_hookspec(firstresult=True)
def nstd_change_params(
    params: Mapping[str, Any], name: str, job_id: str
) -> Mapping[str, Any] | None:
    """Change parameters before the transfer; runs in the worker process.

    Args:
        params: every parameter of docs/parameters.md, as plain JSON values.
        name: the job's, to its owner.
        job_id: the job's.

    Returns:
        Those to change; None for none. `init` can't name another picture: it would not have been
        claimed. What is not a valid parameter changes nothing.
    """


@_hookspec(firstresult=True)
def nstd_process_result(
    image: Float32Image, params: Mapping[str, Any], name: str, job_id: str
) -> Float32Image | None:
    """Work on the result before it is encoded; runs in the worker process.

    Args:
        image: float32 RGB [H, W, 3] in [0, 1], sRGB; the plugin's own, to be changed at will.
        params: as the transfer used them.
        name: the job's, to its owner.
        job_id: the job's.

    Returns:
        Float32 RGB [H', W', 3], of another size if it likes; clipped to [0, 1]. None leaves the
        image as it is. What is not such an array, or isn't finite, changes nothing.
    """


@_hookspec
def nstd_event(
    event: str, document: Mapping[str, Any], name: str, job_id: str, files: Mapping[str, str]
) -> None:
    """Be told of an event; runs in a process of its own, see `hooks.plugins` in the configuration.

    Args:
        event: `claimed`, `published`, `failed` or `cancelled`.
        document: the job, the manifest or the reason.
        name: the job's, to its owner.
        job_id: the job's.
        files: paths on this machine: `result` and `manifest`, or `reason`.
    """
