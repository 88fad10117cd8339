"""All metrics together, in the formats of Prometheus."""

import pytest
from flask import Flask
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from storage_app.host.measures import Event
from storage_app.metrics import Metrics
from tests.support.metrics import lint, parse


@pytest.fixture
def text(app: Flask) -> str:
    metrics = Metrics()
    metrics.counters.answered("/", "GET", 200, seconds=0.1, received=0, sent=5)
    metrics.counters.count(Event.EARLY_REFUSAL, "4xx")
    metrics.of_worker.add("places_free", "Places.", lambda: 24)
    return metrics.exposition(app.extensions["storage"], "")[0].decode()


def test_counts_and_gauges_are_shown_together(text: str) -> None:
    found = parse(text)
    assert (found["sent_bytes_total"], found["places_free"], found["up"]) == (5, 24, 1)


def test_promtool_finds_nothing_to_say(text: str) -> None:
    assert lint(text) == ""


def test_format_is_the_one_that_prometheus_asks_for(app: Flask) -> None:
    wanted = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5"
    body, content_type = Metrics().exposition(app.extensions["storage"], wanted)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert len(list(text_string_to_metric_families(body.decode()))) > 10  # type: ignore[no-untyped-call]
