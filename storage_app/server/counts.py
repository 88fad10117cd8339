"""The files in which the workers count, as gunicorn's master looks after them."""

from typing import Any

from ..host import measures
from ..host.shared_memory import SharedMemory
from ..metrics import Metrics, shared
from .places import places

# One for each master, also after a SIGHUP.
directory = SharedMemory("selfdb-storage")


def give_number(server: Any, worker: Any) -> None:
    """Give a worker that is about to start a number that no other one has."""
    taken = {each.number for each in server.WORKERS.values()}
    worker.number = next(number for number in range(len(taken) + 1) if number not in taken)


def begin(application: Any) -> None:
    """Count in this worker from now on."""
    metrics: Metrics = application.extensions["metrics"]
    measures.install(metrics.counters)
    measures.count(measures.Event.WORKER_START)
    metrics.of_worker.add("places_free", "Places for requests that wait for their clients.", places.free)
    metrics.of_worker.add(
        "uploads_in_progress", "Uploads of which bytes come in.", application.extensions["storage"].uploads_in_progress
    )
    metrics.of_worker.start()


def forget(worker: Any) -> None:
    """Forget the state of a worker that has ended. Its counts stay."""
    shared.forget(worker.number, directory.path)
