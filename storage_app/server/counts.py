"""The files in which the workers count, as gunicorn's master looks after them."""

from typing import Any

from ..host import measures
from ..host.shared_memory import SharedMemory
from ..metrics import Metrics, shared
from ..node import Storage
from .places import places

# One for each master, also after a SIGHUP.
directory = SharedMemory("selfdb-storage")


def prepare(server: Any, worker: Any) -> None:
    """Number a worker that is about to start, and make the files in which it counts."""
    give_number(server, worker)
    try:
        shared.prepare(worker.number, directory.path)
    except OSError as error:
        server.log.warning("There is no room to count in %s: %s", directory.path, error)


def give_number(server: Any, worker: Any) -> None:
    """Give a worker that is about to start a number that no other one has."""
    taken = {each.number for each in server.WORKERS.values()}
    worker.number = next(number for number in range(len(taken) + 1) if number not in taken)


def begin(application: Any) -> None:
    """Count in this worker from now on."""
    metrics: Metrics = application.extensions["metrics"]
    measures.install(metrics.counters)
    measures.count(measures.Event.WORKER_START)
    add_gauges(metrics, application.extensions["storage"])
    metrics.of_worker.start()


def add_gauges(metrics: Metrics, storage: Storage) -> None:
    """Add what this worker knows of itself."""
    add = metrics.of_worker.add
    add("places_free", "Free places for requests that wait for their clients.", places.free)
    add("uploads_in_progress", "Uploads of which bytes come in.", storage.uploads_in_progress)


def forget(worker: Any) -> None:
    """Forget the state of a worker that has ended. Its counts stay."""
    shared.forget(worker.number, directory.path)
