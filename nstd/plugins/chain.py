"""Call plugins one after the other, in the configuration's order; none can fail a job by raising.

A plugin that kills the worker process, or hangs in it, is beyond that: it counts as an attempt of
the job's, as any other death of a worker does.
"""

from __future__ import annotations

import functools
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nstd.errors import ParamsError
from nstd.params import StyleParams
from nstd.plugins.loading import Plugin, version

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nstd.domain import Float32Image, Job

_T = TypeVar("_T")
_CHANNELS = 3
# A plugin may call `sys.exit`, or what it calls may.
_ERRORS = (Exception, SystemExit)


class Chain:
    """The plugins of a worker.

    Args:
        names: of their entry points, in the order in which they are called.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._versions = {name: version(name) for name in names}
        self._plugins: list[Plugin] = []
        self._unloadable: dict[str, str] = {}
        self._failures: dict[str, list[str]] = {}
        for name in names:
            try:
                self._plugins.append(Plugin(name))
            except _ERRORS as error:
                self._unloadable[name] = f"can't be loaded: {_words(error)}"

    def change_params(self, job: Job) -> StyleParams:
        """The job's parameters, as the plugins change them; begins a new account of failures."""
        self._failures = {name: [words] for name, words in self._unloadable.items()}
        params = job.params
        for plugin in self._plugins:
            params = self._try(plugin, params, functools.partial(_changed, plugin, params, job))
        return params

    def process_result(self, image: Float32Image, params: StyleParams, job: Job) -> Float32Image:
        """The result, as the plugins change it: float32 RGB [H, W, 3] in [0, 1]."""
        for plugin in self._plugins:
            image = self._try(
                plugin, image, functools.partial(_touched, plugin, image, params, job)
            )
        return image

    def account(self) -> list[dict[str, Any]]:
        """Which plugins the job met, for its manifest: name, version, and what failed."""
        return [
            {"name": name, "version": found, "failures": self._failures.get(name, [])}
            for name, found in self._versions.items()
        ]

    def _try(self, plugin: Plugin, before: _T, call: Callable[[], _T]) -> _T:
        """What a call gives; on failure, what there was before."""
        try:
            return call()
        except _ERRORS as error:
            self._failures.setdefault(plugin.name, []).append(_words(error))
            traceback.print_exc()  # into the worker's own log
            return before


def _changed(plugin: Plugin, params: StyleParams, job: Job) -> StyleParams:
    before = params.model_dump(mode="json")
    changes = plugin.hook.nstd_change_params(params=before, name=job.name, job_id=job.job_id)
    if changes is None:
        return params
    after = StyleParams.parse({**params.model_dump(mode="json"), **changes})
    if other := set(after.image_files) ^ set(params.image_files):
        key, _ = min(other)
        raise ParamsError(f"{key} can't name other pictures than the sidecar does", key=key)
    return after


def _touched(plugin: Plugin, image: Float32Image, params: StyleParams, job: Job) -> Float32Image:
    after = plugin.hook.nstd_process_result(
        image=image.copy(),  # what fails half way must leave no traces
        params=params.model_dump(mode="json"),
        name=job.name,
        job_id=job.job_id,
    )
    if after is None:
        return image
    if not isinstance(after, np.ndarray) or after.dtype != np.float32:
        kind = after.dtype if isinstance(after, np.ndarray) else type(after).__name__
        raise TypeError(f"nstd_process_result gave {kind}, not an array of float32")
    if after.ndim != _CHANNELS or after.shape[2] != _CHANNELS or not after.size:
        raise ValueError(f"nstd_process_result gave shape {after.shape}, not [H, W, 3]")
    if not np.isfinite(after).all():
        raise ValueError("nstd_process_result gave numbers that are not finite")
    return np.clip(after, 0.0, 1.0)


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
