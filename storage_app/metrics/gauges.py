"""What is asked at the scrape: the state of the store and of the index, which all workers share."""

import platform
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from ..domain.times import now
from ..errors import StorageError
from ..index import Outbox
from ..node import Services, Storage
from ..version import __version__
from .counters import PREFIX

# Only the largest buckets have a time series of their own.
LARGEST_BUCKETS = 100
# All other buckets together. No bucket can have this name.
OTHERS = "_others"


def gauges_of(storage: Storage) -> Iterator[Metric]:
    """Yield the gauges of the store. While it cannot be asked, yield only that it is not up."""
    yield _gauge("build_info", "The version that runs.", 1, version=__version__, python=platform.python_version())
    try:
        of_store = list(_of_store(storage.services))
    except StorageError:
        of_store = []
    yield _gauge("up", "Whether the store is open and its index answers.", bool(of_store))
    yield from of_store


def _of_store(services: Services) -> Iterator[Metric]:
    index = services.index
    yield _gauge("intents_open", "Changes in progress, or to be recovered.", services.logs.count_open())
    yield _gauge(
        "pending_deletions", "Blobs that were replaced or deleted, and are to be removed.", index.count_deletions()
    )
    yield _gauge("spool_reserved_bytes", "Bytes that are reserved for bodies on their way in.", index.reserved_bytes())
    count, unsent = index.open_resumables()
    yield _gauge("resumable_uploads_open", "Resumable uploads that are no file yet.", count)
    yield _gauge("resumable_unsent_bytes", "Bytes that resumable uploads may still send.", unsent)
    if (free := services.store.free_bytes()) is not None:
        yield _gauge("free_bytes", "Free bytes of the disk.", free)
    yield from _totals(services)
    if services.outbox is not None:
        yield from _webhooks(services.outbox)


def _totals(services: Services) -> Iterator[Metric]:
    """Yield files and bytes of the LARGEST_BUCKETS, and of the others as one."""
    files = GaugeMetricFamily(f"{PREFIX}bucket_files", "Files of the largest buckets.", labels=("bucket",))
    size = GaugeMetricFamily(f"{PREFIX}bucket_bytes", "Bytes of the files of the largest buckets.", labels=("bucket",))
    largest, count, every = services.index.largest_buckets(limit=LARGEST_BUCKETS)
    for name, totals in largest:
        files.add_metric((name,), totals.file_count)
        size.add_metric((name,), totals.total_size)
    files.add_metric((OTHERS,), every.file_count - sum(totals.file_count for _, totals in largest))
    size.add_metric((OTHERS,), every.total_size - sum(totals.total_size for _, totals in largest))
    yield _gauge("buckets", "Buckets.", count)
    yield files
    yield size


def _webhooks(outbox: Outbox) -> Iterator[Metric]:
    events = GaugeMetricFamily(f"{PREFIX}webhook_events", "Events in the outbox.", labels=("state",))
    for state, count in outbox.counts().items():
        events.add_metric((state,), count)
    yield events
    oldest = outbox.oldest_due()
    age = 0.0 if oldest is None else max(0.0, (now() - oldest).total_seconds())
    yield _gauge("webhook_oldest_seconds", "The age of the oldest event that was not delivered.", age)


def _gauge(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, text, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), value)
    return family
