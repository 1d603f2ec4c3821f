"""Progress bars for people at a terminal; on stderr, for standard output is for results."""

from __future__ import annotations

import os
import sys
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class IterationBar:
    """An optimisation's progress: iterations, loss, seconds an iteration, time left."""

    def __init__(self) -> None:
        # A descriptor of its own: building the engine silences the shared one for a while.
        self._stderr = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8")
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=(console := Console(file=self._stderr)),
            disable=not console.is_terminal,  # in a file, a bar is noise
        )
        self._task = self._bar.add_task("", total=None, facts="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._stderr.close()

    def say(self, what: str) -> None:
        """Tell what is going on while no iteration is."""
        self._bar.update(self._task, description=what)

    def tell(self, what: str) -> None:
        """Leave a line above the bar."""
        self._bar.console.print(what, markup=False, highlight=False)

    def show(
        self, *, iteration: int, planned: int, loss: float, seconds: float, what: str = "painting"
    ) -> None:
        """Move to an iterate; `iteration` counts from 0, `seconds` is what it took."""
        self._bar.update(
            self._task,
            description=what,
            total=planned,
            completed=iteration + 1,
            facts=f"{iteration + 1}/{planned}  loss {loss:.4g}  {seconds:.3f} s/iteration",
        )


class DownloadBar:
    """A download's progress; shows nothing unless there is a download."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=(console := Console(stderr=True)),
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("fetching the network's weights", total=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Move to `done` of `total` bytes."""
        if not self._bar.console.is_terminal:
            return
        self._bar.start()
        self._bar.update(self._task, completed=done, total=total)
