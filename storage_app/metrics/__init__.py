"""What Prometheus reads at `/metrics`, for all workers together. Nothing below this package imports it.

Where a new metric belongs:

- *Something happens, or takes time:* a member of `Event` or `Duration` in `host/measures.py`, with its metric in
  `counters.py`. Any code calls `measures.count(Event.…, outcome)` or `measures.observe(Duration.…, began)`.
- *A number that the store or the database knows*, such as the length of a queue: a line in `gauges.py`. It is asked
  once for all workers, at the scrape.
- *A number that each worker knows of itself*, such as its free places: `Metrics.of_worker.add`, called at its start.

Each name that `deploy/grafana-dashboard.json` and `deploy/alerts.yml` use must exist.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric, multiprocess
from prometheus_client.exposition import choose_encoder

from ..node import Storage
from .counters import Counters
from .gauges import gauges_of
from .shared import counts_in_files
from .worker_gauges import WorkerGauges


class Metrics:
    """What this process counts and, if it is a worker of the server, what all of them count."""

    def __init__(self) -> None:
        self._registry = None if counts_in_files() else CollectorRegistry()
        self.counters = Counters(self._registry)
        self.of_worker = WorkerGauges(self._registry)

    def exposition(self, storage: Storage, accept: str) -> tuple[bytes, str]:
        """Return all metrics, and their media type, in a format of Prometheus that the header `accept` admits."""
        encode, content_type = choose_encoder(accept)
        return encode(_Scrape(self._registry, storage)), content_type


class _Scrape(CollectorRegistry):
    """All metrics, of one scrape."""

    def __init__(self, registry: CollectorRegistry | None, storage: Storage) -> None:
        super().__init__()
        self._counts = registry or multiprocess.MultiProcessCollector(None)  # type: ignore[no-untyped-call]
        self._storage = storage

    def collect(self) -> Iterator[Metric]:
        yield from self._counts.collect()
        yield from gauges_of(self._storage)
