"""What only a worker itself knows of its state now, such as how many uploads it receives.

The requests set no gauge. Each worker publishes its numbers once a second, and the answer adds up those of all workers.
"""

import threading
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from .counters import PREFIX

_PUBLISH_SECONDS = 1


class WorkerGauges:
    """The gauges of this worker, in `registry`, or in files if there is none."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._registry = registry
        self._read: dict[Gauge, Callable[[], float]] = {}
        self._thread = threading.Thread(target=self._run, name="gauges", daemon=True)

    def add(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Publish what `read` returns. It is called in a thread of its own, and must not wait."""
        gauge = Gauge(PREFIX + name, text, registry=self._registry, multiprocess_mode="livesum")
        gauge.set(read())
        self._read[gauge] = read

    def start(self) -> None:
        """Publish once a second from now on, as long as the process lives."""
        self._thread.start()

    def publish(self) -> None:
        """Publish every number now."""
        for gauge, read in self._read.items():
            gauge.set(read())

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(_PUBLISH_SECONDS):
            self.publish()
