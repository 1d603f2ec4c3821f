"""Log lines."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from nstd import telemetry
from nstd.config import Log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Leave logging and warnings as they were."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        yield
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Parse what was logged."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_lines_are_json_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """One object a line, with event, level and time; surrogates and line breaks are escaped."""
    telemetry.set_up(Log())
    structlog.get_logger().info(telemetry.JOB_DONE, name="caf\udce9\nnoir")
    (line,) = lines(capsys)
    assert line["event"] == "job.done"
    assert line["level"] == "info"
    assert line["name"] == "caf\udce9\nnoir"
    assert str(line["timestamp"]).endswith("Z")


def test_the_level_is_a_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    """Quieter lines are not written."""
    telemetry.set_up(Log(level="warning"))
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]


def test_listeners_hear_what_the_log_is_too_quiet_for() -> None:
    """What is counted doesn't depend on the level of the log, down to info."""
    heard: list[tuple[str, object]] = []

    def listener(event: str, fields: Mapping[str, Any]) -> None:
        heard.append((event, fields.get("name")))

    telemetry.set_up(Log(level="error"))
    telemetry.listen(listener)
    structlog.get_logger().info(telemetry.JOB_DONE, name="sea")
    structlog.get_logger().debug(telemetry.JOB_PROGRESS, name="sea")
    telemetry.unlisten(listener)
    structlog.get_logger().info(telemetry.JOB_RETIRED, name="sea")
    assert heard == [("job.done", "sea")]


def test_exceptions_pass_the_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    """They are logged as errors, whatever the method is called."""
    telemetry.set_up(Log(level="error"))
    try:
        int("no")
    except ValueError:
        structlog.get_logger().exception(telemetry.INTERNAL_ERROR)
    assert len(lines(capsys)) == 1


def test_the_console_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """On request, or on a terminal, lines are not JSON."""
    telemetry.set_up(Log(format="console"))
    structlog.get_logger().info(telemetry.JOB_DONE, name="harbour")
    said = capsys.readouterr().err
    assert "job.done" in said
    assert not said.startswith("{")


def test_tracebacks_stay_on_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception is a field, not thirty lines."""
    telemetry.set_up(Log())
    try:
        int("no")
    except ValueError:
        structlog.get_logger().exception(telemetry.INTERNAL_ERROR)
    (line,) = lines(capsys)
    assert "ValueError: invalid literal" in str(line["exception"])


def test_warnings_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    """What a library warns of does not break the stream of JSON."""
    telemetry.set_up(Log())
    warnings.warn("odd metadata", UserWarning, stacklevel=1)
    (line,) = lines(capsys)
    assert line["event"] == "warning"
    assert line["message"] == "odd metadata"


def test_event_names_are_unique() -> None:
    """Each constant of the catalogue is an event of its own."""
    names = [
        value
        for name, value in vars(telemetry).items()
        if name.isupper() and isinstance(value, str)
    ]
    assert len(names) > 10
    assert len(names) == len(set(names))
