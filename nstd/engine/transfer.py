"""From a `StyleRequest` to a `StyleResult`: scales, targets, descent, the picture that is kept."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from nstd.domain import Iterate, Losses, StyleResult
from nstd.engine import checkpoint
from nstd.engine.checkpoint import Saved
from nstd.engine.course import Course
from nstd.engine.descent import Schedule, State
from nstd.engine.plan import Plan
from nstd.engine.tiles import nobody_waits
from nstd.errors import DeviceMemoryError, NonFiniteLossError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nstd.domain import Checkpoint, Float32Image, StyleRequest
    from nstd.engine.descent import Descent
    from nstd.engine.engine import Engine
    from nstd.engine.estimate import Estimate
    from nstd.engine.objective import Targets, Weights
    from nstd.engine.tiled import TiledDescent
    from nstd.engine.tiles import Alive

# Long enough that calls cost nothing beside the work, short enough for a lively progress bar.
_SECONDS_A_CALL = 0.5


class Transfer:
    """One transfer under way: iterate over it for its iterates, then ask for the result.

        transfer = Transfer(engine, request)
        for iterate in transfer:
            print(iterate.iteration, iterate.losses.total)
        picture = transfer.result().image

    Args:
        engine: does the work.
        request: what to paint.
        saving: where to leave checkpoints, and to go on from if one of this request is there.
        alive: called after each tile of an image that is computed by such, so that who waits for
            the next iterate knows that it will come; what it raises ends the transfer.

    Raises:
        ImageTooSmallError: an image, or a region of it, has no position left at the deepest layer.
        ParamsError: `init` names a picture that the request hasn't got.
        TooLargeError: even by tiles, the estimate exceeds the request's `max_memory`, or the
            machine's memory.

    Iterating raises DeviceMemoryError if the device has too little memory after all, and
    CannotWriteError if a checkpoint can't be written.
    """

    def __init__(
        self,
        engine: Engine,
        request: StyleRequest,
        saving: Checkpoint | None = None,
        alive: Alive = nobody_waits,
    ) -> None:
        self._engine = engine
        self._request = request
        self._traces_before = engine.traces
        self._plan = Plan(engine, request, alive)
        self._saving = saving
        self._mark = self._plan.fingerprint() if saving else ""
        self._state: State | None = None
        self._image: Any = None  # a tensor, or an array where there are tiles
        self._kept = "draft"
        self._loss: Losses | None = None
        self._course = Course()
        self._optimise_seconds = 0.0
        self._notes: list[str] = []
        self._iterates = self._guarded()

    def __iter__(self) -> Iterator[Iterate]:
        """The iterates that are still to come."""
        return self._iterates

    @property
    def estimate(self) -> Estimate:
        """What the transfer is likely to take."""
        return self._plan.estimate

    @property
    def planned(self) -> int:
        """Iterations at all scales, if nothing stops them early."""
        return self._plan.iterations

    @property
    def image(self) -> Float32Image:
        """The picture as it stands, float32 [h, w, 3] in [0, 1], at the present scale's size."""
        if self._image is not None:
            return np.asarray(self._image[0])
        # A copy: by tiles, the state's image is written to.
        return self._plan.content if self._state is None else np.array(self._state.latest[0])

    def result(self) -> StyleResult:
        """The stylised image; runs whatever iterations are left.

        Raises:
            NonFiniteLossError: loss or gradient stopped being a number, and the request's
                `on_nonfinite` is `fail` or no iterate of the scale under way was finite.
        """
        for _ in self._iterates:
            pass
        assert self._image is not None  # noqa: S101 - a drained run has set it or raised
        return StyleResult(
            image=self._plan.finished(np.asarray(self._image[0])),
            kept=self._kept,
            loss=self._loss,
            best_iteration=self._course.best[0] if self._course.best else None,
            trace=tuple(self._course.trace),
            scales=tuple(self._course.scales),
            recipe=self._plan.recipe.plain(),
            estimate=dataclasses.asdict(self._plan.estimate),
            seconds={**self._plan.seconds, "optimise": self._optimise_seconds},
            device=self._engine.device.name,
            precision=self._plan.precision,
            traces=self._engine.traces - self._traces_before,
            notes=tuple(self._notes),
        )

    def _guarded(self) -> Iterator[Iterate]:
        """Run; a device without memory for it is said so in our terms."""
        try:
            yield from self._run()
        except tf.errors.ResourceExhaustedError as error:
            height, width = self._request.shape
            raise DeviceMemoryError(
                f"{width}x{height} pixels are more than the memory of {self._engine.device.name} "
                "holds",
                file=self._request.name,
                key="size",
                remedy="lower size, or set limits.oom: shrink in the configuration",
            ) from error

    def _run(self) -> Iterator[Iterate]:
        limit = self._request.params.time_limit
        deadline = math.inf if limit is None else time.perf_counter() + limit
        first = self._resume()
        if not self._plan.stages:
            yield from self._by_tiles_at_need(self._draft, self._request.shape)
        for index in range(first, len(self._plan.stages)):
            size = self._plan.size(index)
            stage = functools.partial(self._stage, index, size, deadline)
            yield from self._by_tiles_at_need(stage, size)
            if self._image is not None:
                break

    def _by_tiles_at_need(
        self, action: Callable[[], Iterator[Iterate]], size: tuple[int, int]
    ) -> Iterator[Iterate]:
        """Run it; go on by tiles if the device's memory doesn't hold the image as a whole."""
        try:
            yield from action()
        except tf.errors.ResourceExhaustedError:
            if not self._plan.economise(size):
                raise
        else:
            return
        # Out here, where the error no longer holds on to what the failed attempt had on the device.
        self._notes.append(f"{size[1]}x{size[0]} by tiles, after the device's memory ran out")
        if self._state is not None:
            self._state = self._state.held(self._plan.descent(size).hold)
        yield from action()

    def _draft(self) -> Iterator[Iterate]:
        """A preset without iterations: its start is its result."""
        self._image = self._plan.start(self._request.shape)
        return iter(())

    def _stage(self, index: int, size: tuple[int, int], deadline: float) -> Iterator[Iterate]:
        """Run one scale, or what is left of it."""
        hold = self._plan.descent(size).hold
        if self._state is None:
            self._state = State.start(self._plan.start(size), hold, self._plan.recipe.optimizer)
        elif tuple(self._state.image.shape[1:3]) != size:
            self._state = self._state.at_size(*size, hold)
            self._course.begin_scale()
        yield from self._descend(index, size, deadline)

    def _descend(self, index: int, size: tuple[int, int], deadline: float) -> Iterator[Iterate]:
        """Run one scale; sets the kept picture if it is the last."""
        assert self._state is not None  # noqa: S101 - set by the caller
        stage = self._plan.stages[index]
        descent, targets = self._plan.descent(size), self._plan.targets(size)
        weights = self._plan.weights(size)
        schedule = Schedule.of(self._plan.recipe, self._plan.iterations)
        course, tolerance = self._course, self._request.params.tolerance
        count, finite, warm, saved_at = 1, True, False, time.perf_counter()
        while finite and course.iterations < stage.iterations:
            if self._state.is_done or course.has_settled(tolerance):
                break
            started = time.perf_counter()
            state, terms, all_finite = descent.run(
                self._state, targets, weights, schedule, tf.constant(count)
            )
            rows, finite = terms.numpy().tolist(), bool(all_finite)
            self._state = state
            taken = time.perf_counter() - started
            self._optimise_seconds += taken
            if warm:
                self._plan.learn(size, len(rows), taken)
            warm = True  # a scale's first call may have traced
            for row in rows:
                yield self._record(Losses(*row), taken / len(rows), stage.side)
            now = time.perf_counter()
            if self._saving and finite and now - saved_at >= self._saving.every_seconds:
                saved = Saved(self._state, tuple(course.trace), tuple(course.scales))
                checkpoint.save(self._saving, saved, self._mark)
                saved_at = now
            if now >= deadline:
                self._notes.append(f"time_limit ended it at iteration {len(course.trace) - 1}")
                break
            wanted = max(1, int(_SECONDS_A_CALL * len(rows) / taken))
            left = stage.iterations - course.iterations
            look = course.until_look(tolerance)
            count = int(max(1, min(wanted, left, look, self._until_snapshot())))
        if not finite:
            self._accept_or_fail()
        is_last = index == len(self._plan.stages) - 1
        if is_last or not finite or time.perf_counter() >= deadline:
            self._keep(descent, targets, weights, is_finite=finite)
        course.end_scale(*size)

    def _record(self, losses: Losses, seconds: float, scale: int) -> Iterate:
        self._course.record(losses)
        iteration, best = len(self._course.trace) - 1, self._course.best
        planned = self._plan.iterations
        return Iterate(iteration, planned, scale, losses, best[0] if best else None, seconds)

    def _until_snapshot(self) -> int:
        """Iterations until the next one after which somebody wants the picture."""
        every = self._request.params.snapshots
        return every - len(self._course.trace) % every if every else self._plan.iterations

    def _accept_or_fail(self) -> None:
        """Apply the request's policy to a descent that stopped being finite."""
        last = len(self._course.trace) - 1
        if self._course.best is None or self._request.params.on_nonfinite == "fail":
            raise NonFiniteLossError(
                f"loss or gradient stopped being a number at iteration {last}",
                file=self._request.name,
                remedy="lower learning_rate or the weights, or set on_nonfinite: keep_best",
            )
        self._notes.append(f"stopped at iteration {last}: loss or gradient not finite")

    def _keep(
        self,
        descent: Descent | TiledDescent,
        targets: Targets,
        weights: Weights,
        *,
        is_finite: bool,
    ) -> None:
        """Choose the picture that is the result, and bring it to the result's size.

        Where the descent stopped being finite, the last picture isn't one.
        """
        assert self._state is not None  # noqa: S101 - a scale has run
        assert self._course.best is not None  # noqa: S101 - and had a finite iterate
        state, keep = self._state, self._plan.recipe.keep
        self._kept, image = "best", state.best_image
        self._loss = self._course.trace[self._course.best[0]]
        if keep == "last" and is_finite:
            self._kept, image = "last", state.latest
        elif keep in {"average", "lower"}:
            average = state.average / np.float32(state.average_weight)
            losses = Losses(*descent.loss(average, targets, weights).numpy().tolist())
            if keep == "average" or losses.total < self._loss.total:
                self._kept, image, self._loss = "average", average, losses
        if self._kept == "last":
            self._loss = Losses(*descent.loss(image, targets, weights).numpy().tolist())
        if tuple(image.shape[1:3]) != self._request.shape:
            enlarged = tf.image.resize(image, self._request.shape, "bicubic")
            image = tf.clip_by_value(enlarged, 0.0, 1.0)
        self._image = image
        self._notes += state.remarks

    def _resume(self) -> int:
        """Take up a checkpoint if there is one; returns the scale to begin with."""
        if self._saving is None:
            return 0
        like = State.start(tf.zeros([1, 1, 1, 3]), optimizer=self._plan.recipe.optimizer)
        saved = checkpoint.load(self._saving, self._mark, like)
        if saved is None:
            return 0
        self._state, self._course = saved.state, Course.resumed(saved.trace, saved.scales)
        self._notes.append(f"resumed after iteration {len(saved.trace) - 1}")
        return len(saved.scales)
