"""The optimisation loop as one TensorFlow graph that serves every image size.

Image, moments, best iterate and targets come in and go out as tensors, so the graph holds no
state and is traced once for the life of the process. Several iterations run in one call.

An iteration is one evaluation of loss and gradient, in both optimizers. L-BFGS, whose steps take
one evaluation or several, decides between them in Python: it costs little beside the network.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from nstd.engine.graph import graph
from nstd.engine.lbfgs import Search, advance
from nstd.engine.objective import IMAGE, Objective, Targets, Weights
from nstd.engine.optimizers import Moments, adam, cosine_decay

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from nstd.engine.masking import MaskTensors
    from nstd.engine.objective import Structure
    from nstd.engine.style import Tensors
    from nstd.engine.vgg import FeatureExtractor
    from nstd.recipes import Optimizer, Recipe

    Hold = Callable[[Any], Any]

SCALAR = tf.TensorSpec([], tf.float32)
_COUNT = tf.TensorSpec([], tf.int32)
NO_ITERATION = -1


class State(NamedTuple):
    """Where an optimisation stands.

    Attributes:
        image: the next iterate, [1, H, W, 3] in [0, 1].
        memory: the optimizer's: Adam's moments, shaped like the image, or the search of L-BFGS,
            whose trial is the next iterate.
        iteration: of the whole optimisation, for Adam's bias and the learning rate.
        average: exponential average of this scale's iterates, not yet divided by its weight.
        average_weight: 1 - decay^n after n iterates.
        best_image: the pixels that `best_loss` was computed from, before their update.
        best_loss: the lowest finite total of this scale.
        best_iteration: whose it is.
    """

    image: tf.Tensor
    memory: Moments | Search
    iteration: tf.Tensor
    average: tf.Tensor
    average_weight: tf.Tensor
    best_image: tf.Tensor
    best_loss: tf.Tensor
    best_iteration: tf.Tensor

    @classmethod
    def start(
        cls, image: tf.Tensor, hold: Hold = tf.convert_to_tensor, optimizer: Optimizer = "adam"
    ) -> State:
        """Before the first iteration, from an image [1, H, W, 3].

        Args:
            image: float32.
            hold: makes each image what the descent wants it to be.
            optimizer: says what is to be remembered.
        """
        if optimizer == "lbfgs":
            memory: Moments | Search = Search.start(tf.convert_to_tensor(image))
        else:
            memory = Moments(hold(tf.zeros_like(image)), hold(tf.zeros_like(image)))
        return cls._of_scale(hold(image), memory, tf.constant(0), hold)

    @property
    def latest(self) -> tf.Tensor:
        """The picture so far: the next iterate, or the point that L-BFGS searches from."""
        return self.memory.point if isinstance(self.memory, Search) else self.image

    @property
    def is_done(self) -> bool:
        """Whether the optimizer has nothing left to try at this scale."""
        return isinstance(self.memory, Search) and bool(self.memory.done)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know of how the optimizer fared."""
        if not isinstance(self.memory, Search):
            return ()
        failures = int(self.memory.failures)
        searches = f"{failures} line search{'es' if failures > 1 else ''} of L-BFGS"
        failed = f"{searches} failed, and a gradient step was taken instead" if failures else ""
        ended = "L-BFGS ended early: no step lowers the loss" if self.is_done else ""
        return tuple(remark for remark in (failed, ended) if remark)

    def at_size(self, height: int, width: int, hold: Hold = tf.convert_to_tensor) -> State:
        """The state for the next scale: image and moments resized, average and best afresh.

        Adam's first moment is a direction and is resized like the image; the second is a size and
        must stay positive. The history of L-BFGS is of another function now, and is dropped.
        `hold` as for `start`.
        """
        size = (height, width)
        image = hold(tf.clip_by_value(tf.image.resize(self.latest, size, "bicubic"), 0.0, 1.0))
        if isinstance(self.memory, Search):
            search = Search.start(tf.convert_to_tensor(image), self.memory.failures)
            return self._of_scale(image, search, self.iteration, hold)
        moments = Moments(
            hold(tf.image.resize(self.memory.mean, size, "bicubic")),
            hold(tf.nn.relu(tf.image.resize(self.memory.square, size, "bilinear"))),
        )
        return self._of_scale(image, moments, self.iteration, hold)

    def held(self, hold: Hold) -> State:
        """The same state, its images made anew by `hold`."""
        held: State = tf.nest.map_structure(
            lambda part: hold(part) if len(part.shape) else part, self
        )
        return held

    @classmethod
    def _of_scale(
        cls, image: tf.Tensor, memory: Moments | Search, iteration: tf.Tensor, hold: Hold
    ) -> State:
        return cls(
            image,
            memory,
            iteration,
            hold(tf.zeros_like(image)),
            tf.constant(0.0),
            hold(image),
            tf.constant(float("inf")),
            tf.constant(NO_ITERATION),
        )

    @classmethod
    def spec(cls) -> State:
        """Shapes for Adam's graphs, which serve every size."""
        return cls(IMAGE, Moments(IMAGE, IMAGE), _COUNT, IMAGE, SCALAR, IMAGE, SCALAR, _COUNT)


class Schedule(NamedTuple):
    """The optimizer's settings for one optimisation; L-BFGS has rate and average only."""

    planned: tf.Tensor
    learning_rate: tf.Tensor
    final_rate: tf.Tensor
    betas: tf.Tensor
    average_decay: tf.Tensor

    @classmethod
    def of(cls, recipe: Recipe, planned: int) -> Schedule:
        """The recipe's schedule for this many iterations in all."""
        return cls(
            tf.constant(planned),
            tf.constant(recipe.learning_rate, tf.float32),
            tf.constant(recipe.final_rate, tf.float32),
            tf.constant(recipe.betas, tf.float32),
            tf.constant(recipe.average_decay, tf.float32),
        )

    @classmethod
    def spec(cls) -> Schedule:
        """Shapes for the graph."""
        return cls(_COUNT, SCALAR, SCALAR, tf.TensorSpec([2], tf.float32), SCALAR)


class Descent:
    """Gradient descent on the pixels for one structure of the objective.

    Args:
        extractor: the network.
        structure: of the objective.

    Attributes:
        objective: of this structure.
        traces: how many graphs TensorFlow has traced for it so far.
        hold: of the state's images; see `State.start`.
    """

    hold: Hold = staticmethod(tf.convert_to_tensor)

    def __init__(self, extractor: FeatureExtractor, structure: Structure) -> None:
        self.traces = 0
        self.objective = Objective(extractor, structure)
        layers = tf.TensorSpec([None], tf.float32)
        targets, weights = self.objective.target_specs(), Weights(layers, layers, SCALAR)
        self.content_targets = graph(self._content_targets, [IMAGE])
        self.style_statistics = graph(self._style_statistics, [IMAGE, structure.mask_specs])
        self.loss = graph(self._loss, [IMAGE, targets, weights])
        self.evaluate = graph(self._evaluate, [IMAGE, targets, weights])
        self._run_adam = graph(
            self._adam, [State.spec(), targets, weights, Schedule.spec(), _COUNT]
        )

    def _content_targets(self, image: tf.Tensor) -> list[tf.Tensor]:
        self.traces += 1  # runs while tracing only
        return self.objective.content_targets(image)

    def _style_statistics(self, image: tf.Tensor, masks: MaskTensors) -> list[Tensors]:
        self.traces += 1
        return self.objective.style_statistics(image, masks)

    def style_targets(self, statistics: list[Tensors]) -> list[Tensors]:
        """See `Objective.style_targets`; once a scale, so it needs no graph."""
        return self.objective.style_targets(statistics)

    def _loss(self, image: tf.Tensor, targets: Targets, weights: Weights) -> tf.Tensor:
        """[total, content, style, variation] of an image."""
        self.traces += 1
        return with_total(self.objective.terms(image, targets, weights))

    def _evaluate(
        self, image: tf.Tensor, targets: Targets, weights: Weights
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """[total, content, style, variation] of an image, and the total's gradient."""
        self.traces += 1
        terms, gradient = self.objective.value_and_gradient(image, targets, weights)
        return with_total(terms), gradient

    def run(
        self,
        state: State,
        targets: Targets,
        weights: Weights,
        schedule: Schedule,
        count: tf.Tensor,
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Up to `count` iterations of the state's optimizer.

        Adam stops after the first whose loss or gradient isn't finite, L-BFGS where it has nothing
        left to try.

        Returns:
            The new state; [total, content, style, variation] of each iterate, [iterations, 4];
            whether the optimisation can go on from something finite.
        """
        if isinstance(state.memory, Search):
            evaluate = functools.partial(self.evaluate, targets=targets, weights=weights)
            return run_lbfgs(evaluate, state, schedule, int(count))
        found: tuple[State, tf.Tensor, tf.Tensor] = self._run_adam(
            state, targets, weights, schedule, count
        )
        return found

    def _adam(
        self,
        state: State,
        targets: Targets,
        weights: Weights,
        schedule: Schedule,
        count: tf.Tensor,
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """`run` by Adam, in a graph."""
        self.traces += 1

        def going(done: tf.Tensor, finite: tf.Tensor, *_: object) -> tf.Tensor:
            return tf.logical_and(done < count, finite)

        def iteration(
            done: tf.Tensor, _: tf.Tensor, state: State, trace: tf.TensorArray
        ) -> tuple[tf.Tensor, tf.Tensor, State, tf.TensorArray]:
            terms, gradient = self.objective.value_and_gradient(state.image, targets, weights)
            row = with_total(terms)
            positions = tf.cast(tf.size(state.image) // 3, tf.float32)
            state = update(state, row[0], gradient, positions, schedule)
            return done + 1, _are_finite(terms, gradient), state, trace.write(done, row)

        trace = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=[4])
        _, finite, state, trace = tf.while_loop(
            going,
            iteration,
            (tf.constant(0), tf.constant(True), state, trace),  # noqa: FBT003 - a tensor
        )
        return state, trace.stack(), finite


def run_lbfgs(
    evaluate: Callable[[Any], tuple[tf.Tensor, Any]],
    state: State,
    schedule: Schedule,
    count: int,
) -> tuple[State, tf.Tensor, tf.Tensor]:
    """`Descent.run` by L-BFGS, whoever evaluates.

    What was accepted is averaged; what was evaluated may be the best.

    Args:
        evaluate: [total, ...] and the total's gradient of an image [1, H, W, 3].
        state: whose memory is a search that isn't done.
        schedule: of the optimisation.
        count: evaluations at most, 1 or more.
    """
    search, finite = state.memory, tf.constant(value=True)
    assert isinstance(search, Search)  # noqa: S101 - the caller has looked
    rows: list[tf.Tensor] = []
    while len(rows) < count and not search.done:
        row, gradient = evaluate(state.image)
        rows.append(row)
        search = advance(search, row[0], gradient, first_step=schedule.learning_rate)
        state = _remember(state, row[0], schedule, search.point)._replace(
            image=search.trial, memory=search, iteration=state.iteration + 1
        )
        if search.done:
            finite = _are_finite(row, gradient)
    return state, tf.stack(rows), finite


def with_total(terms: tf.Tensor) -> tf.Tensor:
    """Their sum before the terms."""
    return tf.concat([tf.reduce_sum(terms)[None], terms], 0)


def _are_finite(*tensors: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(tensor)) for tensor in tensors])


def update(
    state: State, loss: tf.Tensor, gradient: tf.Tensor, positions: tf.Tensor, schedule: Schedule
) -> State:
    """The state after one iteration of Adam; everything but the scalars is by the pixel.

    Args:
        state: of the image, or of some rows of it.
        loss: the image's, a scalar.
        gradient: like the state's image.
        positions: H W of the whole image.
        schedule: of the optimisation.
    """
    # A mean over positions makes the gradient fall as 1 / pixels; undone here, so that one
    # learning rate, one epsilon and moments resized between scales serve every size.
    remembered = _remember(state, loss, schedule, state.image)
    return _advance(remembered, gradient * positions, schedule)


def _remember(state: State, loss: tf.Tensor, schedule: Schedule, picture: tf.Tensor) -> State:
    """Keep the iterate if its loss is the lowest so far (NaN is not), and average a picture in."""
    better = loss < state.best_loss
    decay = schedule.average_decay
    return state._replace(
        average=decay * state.average + (1 - decay) * picture,
        average_weight=decay * state.average_weight + (1 - decay),
        best_image=tf.where(better, state.image, state.best_image),
        best_loss=tf.where(better, loss, state.best_loss),
        best_iteration=tf.where(better, state.iteration, state.best_iteration),
    )


def _advance(state: State, gradient: tf.Tensor, schedule: Schedule) -> State:
    """One update of the pixels, clipped to [0, 1] so that every iterate is a picture."""
    assert isinstance(state.memory, Moments)  # noqa: S101 - the caller has looked
    rate = cosine_decay(
        state.iteration, schedule.planned, schedule.learning_rate, schedule.final_rate
    )
    update, moments = adam(
        gradient,
        state.memory,
        iteration=state.iteration,
        rate=rate,
        betas=schedule.betas,
    )
    return state._replace(
        image=tf.clip_by_value(state.image + update, 0.0, 1.0),
        memory=moments,
        iteration=state.iteration + 1,
    )
