"""A whole transfer on the real network, at small sizes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
from conftest import picture
from engine_nan import NanEngine
from transfers import SHALLOW, make, request, total_loss

from nstd.domain import StyleImage, StyleRequest
from nstd.engine.descent import Schedule, State
from nstd.engine.objective import Structure
from nstd.errors import ImageTooSmallError, NonFiniteLossError, TooLargeError
from nstd.params import StyleParams

if TYPE_CHECKING:
    from collections.abc import Callable

    from nstd.engine.engine import Engine


def test_the_best_iterate_is_kept_when_the_loss_rises_again(engine: Engine) -> None:
    """A huge learning rate overshoots; the result is the lowest iterate, not the last."""
    wanted = request(preset="classic", iterations=12, learning_rate=0.4)
    result = engine.transfer(wanted).result()
    totals = [losses.total for losses in result.trace]
    lowest = int(np.argmin(totals))
    assert len(totals) == 12
    assert lowest < 11, "the loss must rise after its minimum for this to prove anything"
    assert result.best_iteration == lowest
    assert total_loss(engine, wanted, result.image) == pytest.approx(totals[lowest], rel=1e-4)


def test_the_trace_belongs_to_the_pixels_before_the_update(engine: Engine) -> None:
    """The first loss is the starting picture's."""
    wanted = request(preset="classic", iterations=1)
    result = engine.transfer(wanted).result()
    assert result.trace[0].total == pytest.approx(
        total_loss(engine, wanted, wanted.content), rel=1e-4
    )
    assert np.array_equal(result.image, wanted.content)


def test_terms_add_up(engine: Engine) -> None:
    """Total is content plus style plus variation, in every iterate."""
    result = engine.transfer(request(preset="fast", iterations=5)).result()
    for losses in result.trace:
        parts = losses.content + losses.style + losses.variation
        assert losses.total == pytest.approx(parts, rel=1e-5)
        assert min(losses.content, losses.style, losses.variation) >= 0


def test_classic_starts_without_content_loss(engine: Engine) -> None:
    """From the content image, the content loss is 0 at first and the style loss falls."""
    result = engine.transfer(request(preset="classic", iterations=15)).result()
    assert result.trace[0].content == 0
    assert result.trace[-1].style < 0.7 * result.trace[0].style


def test_fast_improves_on_its_draft(engine: Engine) -> None:
    """The warm start, in the style's colours, is worth having, and the iterations too."""
    drafted = engine.transfer(request(preset="draft")).result()
    wanted = request(preset="fast", iterations=40)
    result = engine.transfer(wanted).result()
    start = total_loss(engine, wanted, drafted.image)
    assert result.trace[0].total < start
    assert result.trace[result.best_iteration or 0].total < 0.6 * start


def test_a_draft_has_no_iterates(engine: Engine) -> None:
    """The draft is a picture without an optimisation."""
    transfer = engine.transfer(request(preset="draft"))
    assert list(transfer) == []
    result = transfer.result()
    assert result.best_iteration is None
    assert result.image.shape == (40, 48, 3)


@pytest.mark.parametrize("preset", ["classic", "fast", "quality"])
def test_the_gradient_is_that_of_the_loss(engine: Engine, preset: str) -> None:
    """A central difference along the gradient agrees with the gradient's size."""
    objective, targets, weights = make(engine, request(32, 32, preset=preset))
    image = tf.constant(picture(32, 32, 2)[None] * 0.8 + 0.1)
    _, gradient = objective.value_and_gradient(image, targets, weights)
    # Along the gradient itself the difference is far above float32's rounding.
    direction = gradient / tf.norm(gradient)
    step = 0.02
    ends = [
        float(tf.reduce_sum(objective.terms(image + sign * step * direction, targets, weights)))
        for sign in (1, -1)
    ]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert slope == pytest.approx(float(tf.norm(gradient)), rel=0.03)


def test_how_iterations_are_grouped_into_calls_does_not_matter(engine: Engine) -> None:
    """Six iterations in one call are the same as six calls of one."""
    wanted = request(32, 32, preset="classic", iterations=6)
    recipe = wanted.params.recipe(32)
    descent = engine.network().descent(Structure.of(recipe))
    _, targets, weights = make(engine, wanted)
    settings = (targets, weights, Schedule.of(recipe, 6))
    content = tf.constant(wanted.content[None])
    at_once, trace, _ = descent.run(State.start(content), *settings, tf.constant(6))
    state = State.start(content)
    for _ in range(6):
        state, _, _ = descent.run(state, *settings, tf.constant(1))
    assert np.allclose(at_once.image, state.image, atol=1e-5)
    assert trace.shape == (6, 4)


def test_a_new_size_is_not_traced_again(engine: Engine) -> None:
    """Only the first transfer of a preset traces; other sizes and settings use its graphs."""
    engine.transfer(request(preset="fast", iterations=2)).result()
    before = engine.traces
    for width, height, rate in ((33, 57, 0.01), (64, 16, 0.05), (48, 40, 0.02)):
        wanted = request(width, height, preset="fast", iterations=2, learning_rate=rate)
        assert engine.transfer(wanted).result().traces == 0
    assert engine.traces == before


def test_pixels_stay_displayable(engine: Engine) -> None:
    """Whatever the learning rate, the result lies in [0, 1]."""
    image = engine.transfer(request(preset="fast", iterations=5, learning_rate=1.0)).result().image
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert image.max() <= 1


def test_iterates_are_reported_one_by_one(engine: Engine) -> None:
    """Each iterate comes once, in order, with its losses and the best so far."""
    iterates = list(engine.transfer(request(preset="fast", iterations=7)))
    assert [iterate.iteration for iterate in iterates] == list(range(7))
    assert {iterate.planned for iterate in iterates} == {7}
    best = math.inf
    for iterate in iterates:
        best = min(best, iterate.losses.total)
        assert iterate.best_iteration is not None
        assert iterates[iterate.best_iteration].losses.total == best


def test_equal_styles_blend_to_themselves(engine: Engine) -> None:
    """Two equal styles of any weights give the style itself: shares are normalised."""
    one = request(preset="fast", iterations=3)
    style = one.styles[0].rgb
    two = StyleRequest(one.content, (StyleImage(style, 3.0), StyleImage(style, 1.0)), one.params)
    assert np.allclose(
        engine.transfer(one).result().image, engine.transfer(two).result().image, atol=1e-4
    )


def test_a_loss_that_is_no_number_stops_and_fails(engine: Engine) -> None:
    """By default a diverged optimisation is an error that says where and what to do."""
    with pytest.raises(NonFiniteLossError, match=r"at iteration 3.*Lower learning_rate"):
        NanEngine(engine, 3).transfer(request(preset="classic", iterations=9, **SHALLOW)).result()


def test_a_loss_that_is_no_number_can_keep_the_best(engine: Engine) -> None:
    """By policy the best finite iterate is the result, with a note."""
    wanted = request(preset="classic", iterations=9, on_nonfinite="keep_best", **SHALLOW)
    result = NanEngine(engine, 3).transfer(wanted).result()
    assert len(result.trace) == 4
    assert math.isnan(result.trace[-1].total)
    finite = [losses.total for losses in result.trace[:3]]
    assert result.best_iteration == int(np.argmin(finite))
    assert np.isfinite(result.image).all()
    assert "iteration 3" in result.notes[0]


def test_the_last_iterate_is_none_where_it_is_no_picture(engine: Engine) -> None:
    """Whoever asks for the last gets the best after a divergence."""
    wanted = request(
        preset="classic", iterations=9, on_nonfinite="keep_best", keep="last", **SHALLOW
    )
    result = NanEngine(engine, 3).transfer(wanted).result()
    assert result.kept == "best"
    assert np.isfinite(result.image).all()


def test_no_finite_iterate_at_all_fails_whatever_the_policy(engine: Engine) -> None:
    """There is no best iterate to keep."""
    with pytest.raises(NonFiniteLossError):
        NanEngine(engine, 0).transfer(
            request(preset="classic", iterations=3, on_nonfinite="keep_best", **SHALLOW)
        ).result()


@pytest.mark.parametrize(
    ("preset", "width", "height"), [("classic", 15, 64), ("fast", 64, 15), ("draft", 8, 8)]
)
def test_a_small_content_image_is_refused(
    engine: Engine, preset: str, width: int, height: int
) -> None:
    """The message says what the size is, what is needed, and what to change."""
    with pytest.raises(ImageTooSmallError, match=f"{width}x{height}.*needs 16.*Raise size"):
        engine.transfer(request(width, height, preset=preset))


def test_a_small_style_image_is_refused(engine: Engine) -> None:
    """The style needs a position at the deepest layer too."""
    wanted = StyleRequest(
        picture(64, 64), (StyleImage(picture(9, 40)),), StyleParams(preset="fast")
    )
    with pytest.raises(ImageTooSmallError, match="the style image: size: is 9x40"):
        engine.transfer(wanted)


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({"preset": "fast", "style_scale": 0.2}, "style_scale: .*Raise style_scale or size"),
        ({"preset": "quality", "min_scale": 32}, "min_scale: .*Raise min_scale, or"),
    ],
)
def test_what_made_a_picture_small_is_to_blame(
    engine: Engine, params: dict[str, object], key: str
) -> None:
    """Not the picture's own size, where a parameter reduced it."""
    styles = (StyleImage(picture(64, 30)),)
    with pytest.raises(ImageTooSmallError, match=f"the style image: {key}"):
        engine.transfer(StyleRequest(picture(64, 64), styles, StyleParams(**params)))


def test_bfloat16_follows_float32(engine: Engine, build_engine: Callable[[str], Engine]) -> None:
    """The same optimisation with bfloat16 convolutions ends within a few per cent."""
    wanted = request(64, 64, preset="fast", iterations=20)
    exact = engine.transfer(wanted).result()
    rough = build_engine("bfloat16").transfer(wanted).result()
    assert rough.precision == "bfloat16"
    assert rough.trace[-1].total == pytest.approx(exact.trace[-1].total, rel=0.05)


def test_scales_lead_from_coarse_to_fine(engine: Engine) -> None:
    """Each scale has its size and iterations; the last is the result's, exactly."""
    wanted = request(61, 43, preset="quality", iterations=3, min_scale=32)
    result = engine.transfer(wanted).result()
    assert [(scale.width, scale.height) for scale in result.scales] == [(43, 30), (61, 43)]
    assert result.scales[-1].iterations == 3
    assert sum(scale.iterations for scale in result.scales) == len(result.trace)
    assert result.image.shape == (43, 61, 3)


def test_the_kept_picture_is_the_one_asked_for(engine: Engine) -> None:
    """Best, average and last differ, and their losses are those of the pictures returned."""
    images = {}
    for keep in ("best", "average", "last"):
        wanted = request(preset="fast", iterations=8, keep=keep, average_decay=0.8)
        result = engine.transfer(wanted).result()
        assert result.kept == keep
        assert result.loss is not None
        assert total_loss(engine, wanted, result.image) == pytest.approx(
            result.loss.total, rel=1e-3
        )
        images[keep] = result.image
    assert not np.allclose(images["best"], images["average"])
    assert not np.allclose(images["last"], images["average"])


def test_the_lower_of_best_and_average_is_kept(engine: Engine) -> None:
    """`lower` has the lower loss of the two."""
    losses = {}
    for keep in ("best", "average", "lower"):
        result = engine.transfer(
            request(preset="fast", iterations=12, keep=keep, average_decay=0.5)
        ).result()
        assert result.loss is not None
        losses[keep] = result.loss.total
    assert losses["lower"] == pytest.approx(min(losses["best"], losses["average"]), rel=1e-4)


def test_a_time_limit_ends_early_at_the_full_size(engine: Engine) -> None:
    """However short, one iteration is run, and the result has the size asked for."""
    wanted = request(96, 80, preset="quality", min_scale=32, time_limit=1e-6)
    result = engine.transfer(wanted).result()
    assert len(result.trace) == 1
    assert result.image.shape == (80, 96, 3)
    assert result.image.max() <= 1
    assert result.notes == ("time_limit ended it at iteration 0",)


def test_tolerance_ends_a_scale_that_has_settled(engine: Engine) -> None:
    """A loss that hardly falls is not worth more iterations; that is seen after thirty."""
    wanted = request(preset="fast", iterations=300, learning_rate=1e-5, tolerance=0.05)
    assert len(engine.transfer(wanted).result().trace) == 30


def test_strength_moves_style_against_content(engine: Engine) -> None:
    """More strength ends with less style loss and more content loss, in every preset."""
    for preset in ("fast", "classic"):
        weak, strong = (
            engine.transfer(
                request(preset=preset, iterations=25, strength=strength, **SHALLOW)
            ).result()
            for strength in (0.1, 10)
        )
        assert weak.loss is not None
        assert strong.loss is not None
        assert strong.loss.style < weak.loss.style
        # The content's weight is divided by the strength; undone here, the loss itself is larger.
        assert strong.loss.content * 10 > weak.loss.content / 10


def test_layers_and_pooling_can_be_chosen(engine: Engine) -> None:
    """Other layers, their weights and average pooling are used as asked."""
    wanted = request(
        preset="classic",
        iterations=2,
        content_layers={"block3_conv2": 1.0},
        style_layers={"block1_conv2": 3.0, "block2_conv2": 1.0},
        pooling="average",
        style_loss="w2",
    )
    result = engine.transfer(wanted).result()
    assert result.recipe["style_layers"] == {"block1_conv2": 0.75, "block2_conv2": 0.25}
    assert result.recipe["pooling"] == "average"
    assert result.trace[0].style > 0


def test_style_scale_looks_at_the_style_at_another_size(engine: Engine) -> None:
    """A style shown half as large is another target."""
    style = StyleImage(picture(96, 96, 1))
    first = [
        engine.transfer(
            StyleRequest(
                picture(48, 48),
                (style,),
                StyleParams(preset="classic", iterations=1, style_scale=scale),
            )
        )
        .result()
        .trace[0]
        .style
        for scale in (0.5, 1.0, 2.0)
    ]
    assert len({round(value, 6) for value in first}) == 3


def test_max_memory_refuses_before_anything_is_computed(engine: Engine) -> None:
    """The message has the estimate, the limit and the key."""
    with pytest.raises(TooLargeError, match=r"48x40 pixels would take .* max_memory: 0.01"):
        engine.transfer(request(max_memory=0.01))


def test_a_transfer_knows_what_it_will_take(engine: Engine) -> None:
    """More iterations take longer, larger pictures more memory."""
    small = engine.transfer(request(preset="fast", iterations=10)).estimate
    long = engine.transfer(request(preset="fast", iterations=100)).estimate
    large = engine.transfer(request(480, 400, preset="fast", iterations=10)).estimate
    assert long.seconds > 5 * small.seconds
    assert large.memory > small.memory


def test_estimates_learn_from_slow_iterations_too(engine: Engine) -> None:
    """Even where a call of the loop has one iteration only, as on a slow machine."""
    wanted = request(preset="fast", iterations=3, snapshots=1)  # a call for each iteration
    before = engine.transfer(wanted).estimate
    engine.transfer(wanted).result()
    assert engine.transfer(wanted).estimate.seconds != before.seconds


def test_the_picture_can_be_watched(engine: Engine) -> None:
    """At any time the transfer has a picture, at the present scale's size."""
    transfer = engine.transfer(request(48, 40, preset="quality", iterations=2, min_scale=32))
    assert transfer.image.shape == (40, 48, 3)
    sizes = {transfer.image.shape[:2] for _ in transfer}
    assert sizes == {(28, 34), (40, 48)}


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2000, 10)])
def test_extreme_shapes_are_refused_clearly(engine: Engine, width: int, height: int) -> None:
    """One pixel, or a strip: the message says what is needed."""
    with pytest.raises(ImageTooSmallError, match="needs 16 on the short side"):
        engine.transfer(request(width, height))
