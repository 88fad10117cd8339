"""What a worker knows of itself is published once a second."""

import itertools

from prometheus_client import CollectorRegistry, generate_latest

from storage_app.metrics.worker_gauges import WorkerGauges
from tests.support.disruptions import wait_until
from tests.support.metrics import parse


def shown(registry: CollectorRegistry) -> float:
    return parse(generate_latest(registry).decode())["places_free"]


def test_gauge_is_what_it_was_at_the_last_publication() -> None:
    registry = CollectorRegistry()
    gauges, numbers = WorkerGauges(registry), [1]
    gauges.add("places_free", "Places.", lambda: numbers[0])
    assert shown(registry) == 1
    numbers[0] = 2
    assert shown(registry) == 1
    gauges.publish()
    assert shown(registry) == 2


def test_gauges_are_published_again_and_again() -> None:
    registry = CollectorRegistry()
    gauges, numbers = WorkerGauges(registry), itertools.count()
    gauges.add("places_free", "Places.", lambda: next(numbers))
    gauges.start()
    wait_until(lambda: shown(registry) >= 2)
