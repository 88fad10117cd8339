"""Requests are counted by route, method and class of status, and no client can make up one of these."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from storage_app.host.measures import Duration, Event
from storage_app.metrics.counters import Counters
from tests.support.metrics import Samples, parse, requests


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def counters(registry: CollectorRegistry) -> Counters:
    return Counters(registry)


def counted(registry: CollectorRegistry) -> Samples:
    return parse(generate_latest(registry).decode())


def answered(counters: Counters, route: str | None, method: str = "GET", status: int = 200) -> None:
    counters.answered(route, method, status, seconds=0.002, received=3, sent=10)


def test_requests_are_counted_by_route_method_and_class_of_status(
    counters: Counters, registry: CollectorRegistry
) -> None:
    for status in (200, 206, 404):
        answered(counters, "/files/{file_id}", "GET", status)
    answered(counters, "/files/{file_id}", "PUT", 201)

    found = counted(registry)
    assert requests(found, "GET", "/files/{file_id}", "2xx") == 2
    assert requests(found, "GET", "/files/{file_id}", "4xx") == 1
    assert requests(found, "PUT", "/files/{file_id}", "2xx") == 1
    assert (found["received_bytes_total"], found["sent_bytes_total"]) == (12, 40)


def test_clients_choose_no_label(counters: Counters, registry: CollectorRegistry) -> None:
    for number in range(100):
        answered(counters, None, f"M{number}", 405)
    answered(counters, None, "GET", 404)

    found = counted(registry)
    assert requests(found, "other", "none", "4xx") == 100
    assert requests(found, "GET", "none", "4xx") == 1
    assert len([name for name in found if name.startswith("request_seconds_count")]) == 2


def test_histograms_have_ten_buckets_at_most(counters: Counters, registry: CollectorRegistry) -> None:
    answered(counters, "/")
    of_histograms = [name.partition("_bucket")[0] for name in counted(registry) if "_bucket{" in name]

    assert {name: of_histograms.count(name) for name in of_histograms} == {
        "request_seconds": 10,
        "index_transaction_seconds": 8,
        "sync_seconds": 8,
        "index_lock_wait_seconds": 8,
        "turn_wait_seconds": 8,
    }


@pytest.mark.parametrize("what", Duration)
def test_every_duration_has_a_histogram(counters: Counters, registry: CollectorRegistry, what: Duration) -> None:
    before = counted(registry)
    counters.observe(what, 0.25)
    after = counted(registry)
    assert sum(after[name] - before[name] for name in after if name.endswith("_seconds_count")) == 1
    assert sum(after[name] - before[name] for name in after if name.endswith("_seconds_sum")) == 0.25


@pytest.mark.parametrize(
    ("what", "outcome", "name"),
    [
        (Event.WORKER_START, "", "workers_started_total"),
        (Event.WEBHOOK, "failed", 'webhooks_total{outcome="failed"}'),
        (Event.LOST_WEBHOOK, "", "webhooks_lost_total"),
        (Event.EARLY_REFUSAL, "4xx", 'early_refusals_total{status="4xx"}'),
    ],
)
def test_every_event_has_a_counter(
    counters: Counters, registry: CollectorRegistry, what: Event, outcome: str, name: str
) -> None:
    counters.count(what, outcome)
    assert counted(registry)[name] == 1
