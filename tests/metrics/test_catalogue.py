"""The catalogue of metrics, and the documents that are made from it or rely on it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from nstd.metrics.catalogue import BY_NAME, CATALOGUE, UNKNOWN, known

ALERTS = Path(__file__).parents[2] / "docs" / "alerts.yml"
UNITS = ("_seconds", "_bytes", "_ratio", "_total", "_info", "_jobs")
SWITCHES = {
    "nstd_held",
    "nstd_paused",
    "nstd_inbox_absent",
    "nstd_worker_ready",
    "nstd_scrape_problem",
}


def test_names_follow_prometheus_conventions() -> None:
    """Each once, with the program's name first, and its unit last unless it is 0 or 1."""
    assert len(BY_NAME) == len(CATALOGUE)
    for metric in CATALOGUE:
        assert re.fullmatch(r"nstd(_[a-z]+)+", metric.name)
        assert metric.name.endswith(UNITS) or metric.name in SWITCHES
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert (metric.kind == "histogram") == bool(metric.buckets)
        assert list(metric.buckets) == sorted(metric.buckets)


def test_labels_stay_few() -> None:
    """What an event may say is one of a closed set, or unknown."""
    assert known("draft", ("draft", "fast")) == "draft"
    assert known("one-off", ("draft", "fast")) == UNKNOWN
    assert known(None, ("draft", "fast")) == UNKNOWN
    assert known(["draft"], ("draft", "fast")) == UNKNOWN


def test_alerts_ask_for_metrics_that_there_are() -> None:
    """And for label values that there are: a misspelt alert would never fire."""
    rules = [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]
    assert len(rules) > 5
    for rule in rules:
        for name in re.findall(r"\bnstd_\w+", rule["expr"]):
            assert name in BY_NAME, rule["alert"]
        for name, label, value in re.findall(r'(nstd_\w+)\{(\w+)=~?"([^"]+)"\}', rule["expr"]):
            values = dict(BY_NAME[name].labels)[label]
            assert set(value.split("|")) <= set(values), rule["alert"]
