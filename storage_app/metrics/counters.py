"""What is counted in each worker as it happens.

A child of a metric, which has its labels, is looked up once and kept: the library looks each one up under a lock.
"""

from http import HTTPMethod

from prometheus_client import CollectorRegistry, Counter, Histogram

from ..host.measures import Duration, Event

PREFIX = "selfdb_storage_"

_METHODS = frozenset(HTTPMethod)
# Labels for requests of no route, and for methods that HTTP does not define. Clients choose neither.
_NO_ROUTE, _OTHER_METHOD = "none", "other"

# Upper bounds in seconds. With that of everything else, no histogram has more than ten.
_REQUESTS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10)
_WAITS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10)

_DURATIONS = {
    Duration.TRANSACTION: ("index_transaction", "How long write transactions of the index took."),
    Duration.SYNC: ("sync", "How long syncs to the disk took."),
    Duration.LOCK_WAIT: ("index_lock_wait", "How long those that had to wait waited for a lock of the index."),
    Duration.TURN_WAIT: ("turn_wait", "How long those that had to wait waited for other requests of their worker."),
}
_EVENTS = {
    Event.WORKER_START: ("workers_started", "Workers that have started, the replaced ones included.", ()),
    Event.WEBHOOK: ("webhooks", "Attempts to deliver an event.", ("outcome",)),
    Event.LOST_WEBHOOK: ("webhooks_lost", "Events that were not kept, because too many were.", ()),
    Event.EARLY_REFUSAL: ("early_refusals", "Requests that were refused before the application saw them.", ("status",)),
}


class Counters:
    """The histograms and counters of this process, in `registry`, or in files if there is none.

    It is the recorder of `host/measures.py`. Threads may share it.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._requests = Histogram(
            f"{PREFIX}request_seconds",
            "How long requests took, until the first byte of the answer.",
            ("route", "method", "status"),
            buckets=_REQUESTS,
            registry=registry,
        )
        self._received = Counter(f"{PREFIX}received_bytes", "Bytes of bodies that were received.", registry=registry)
        self._sent = Counter(
            f"{PREFIX}sent_bytes",
            "Bytes of bodies that were answered, those that nginx sends included.",
            registry=registry,
        )
        self._durations = {
            what: Histogram(f"{PREFIX}{name}_seconds", text, buckets=_WAITS, registry=registry)
            for what, (name, text) in _DURATIONS.items()
        }
        self._events = {
            what: Counter(f"{PREFIX}{name}", text, labels, registry=registry)
            for what, (name, text, labels) in _EVENTS.items()
        }
        self._kept: dict[tuple[str | None, str, int], Histogram] = {}

    def answered(
        self, route: str | None, method: str, status: int, *, seconds: float, received: int, sent: int
    ) -> None:
        """Count a request, whose bodies had so many bytes. `route` is None if its path has none."""
        key = route, method, status
        child = self._kept.get(key) or self._child(*key)
        child.observe(seconds)
        if received:
            self._received.inc(received)
        if sent:
            self._sent.inc(sent)

    def observe(self, what: Duration, seconds: float) -> None:
        self._durations[what].observe(seconds)

    def count(self, what: Event, outcome: str) -> None:
        counter = self._events[what]
        (counter.labels(outcome) if outcome else counter).inc()

    def _child(self, route: str | None, method: str, status: int) -> Histogram:
        known = method in _METHODS
        child = self._requests.labels(route or _NO_ROUTE, method if known else _OTHER_METHOD, f"{status // 100}xx")
        if known:  # or clients could fill the memory
            self._kept[route, method, status] = child
        return child
