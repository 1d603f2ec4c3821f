"""The benchmark's report: its shape and arithmetic; times are never asserted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from nstd import bench
from nstd.cli import app
from nstd.engine.estimate import operations

if TYPE_CHECKING:
    from nstd.bench import Report
    from nstd.engine.engine import Engine


@pytest.fixture(scope="module")
def report(engine: Engine) -> Report:
    """Measure tiny pictures once."""
    return bench.measure(
        engine,
        sides=(32,),
        rounds=1,
        drafts=((32, 48),),
        new_sizes=((40, 56),),
        matrix_side=64,
    )


def test_the_report_has_every_figure(report: Report) -> None:
    """An iteration for each preset, a draft for each size, a picture for each long preset."""
    assert [timed.preset for timed in report.iterations] == list(bench.PRESETS)
    assert [(draft.width, draft.height) for draft in report.drafts] == [(48, 32)]
    assert [picture.preset for picture in report.pictures] == ["fast", "quality"]
    assert (report.precision, report.matrix_product > 0) == ("float32", True)
    assert np.isfinite(report.new_size)


def test_shares_follow_from_the_rates(report: Report) -> None:
    """The share of a matrix product is a quotient of two figures of the same report."""
    for timed in report.iterations:
        assert timed.share == pytest.approx(timed.operations_per_second / report.matrix_product)
        assert timed.seconds > 0


def test_a_picture_takes_its_iterations_at_the_measured_rate(report: Report) -> None:
    """`fast` has one scale, so its expected time is a product."""
    picture = report.pictures[0]
    request = bench.request((picture.height, picture.width), "fast")
    recipe = request.params.recipe()
    layers = [layer for layer, _ in (*recipe.content_layers, *recipe.style_layers)]
    work = recipe.schedule[0] * operations(layers, picture.height, picture.width)
    rate = next(timed for timed in report.iterations if timed.preset == "fast")
    assert picture.seconds == pytest.approx(work / rate.operations_per_second)


def test_the_report_is_json_and_a_table(report: Report) -> None:
    """Both forms show every preset."""
    plain = json.loads(json.dumps(report.plain()))
    assert plain["iterations"][0]["preset"] == "classic"
    console = Console(width=100)
    with console.capture() as captured:
        console.print(bench.tables(report))
    assert all(preset in captured.get() for preset in ("draft", *bench.PRESETS))


def test_a_mirrored_request_is_as_large_and_another(engine: Engine) -> None:
    """What is known of a style doesn't help with its mirror image."""
    seen = bench.request((24, 32), "fast")
    mirrored = bench.request((24, 32), "fast", mirrored=True)
    assert seen.shape == mirrored.shape
    assert np.array_equal(seen.styles[0].rgb, mirrored.styles[0].rgb[:, ::-1])
    assert engine.transfer(mirrored).estimate.memory == engine.transfer(seen).estimate.memory


def test_bench_is_a_command() -> None:
    """Its help names the options."""
    shown = CliRunner().invoke(app, ["bench", "--help"], env={"COLUMNS": "100"})
    assert shown.exit_code == 0
    assert "quick" in shown.output
    assert "json" in shown.output
