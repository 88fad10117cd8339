"""A folder of many files renamed and then deleted, by one client: how fast, and what others notice of it.

.venv/bin/python -m benchmarks.folders
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from .large_bucket import BUCKET, Store
from .results import aligned, number, percentile
from .servers import end_by_signals, wait_briefly
from .targets import Raw, Request

DELETES, P99_MS = 1500, 100  # the bars of the deletion: files a second, and of /health meanwhile


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table. Exits with 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folders", description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=100_000, help="that are deleted (default: %(default)s)")
    parser.add_argument("--renamed", type=int, default=10_000, help="that are renamed (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="an existing one, on the disk to measure (default: TMPDIR or /tmp)")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="folders-", dir=options.folder) as folder:
            store = Store(Path(folder), max(options.files, options.renamed), durability="fsync")
            store.rebuild()
            os.sync()  # or the first syncs of the service would write all of it
            with store.server as server:
                server.start()
                renamed, deleted = rename(store, options.renamed), delete(store)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    head = ("", "files", "a second", "requests", "/health, p50; p99, ms", "workers' growth, MiB")
    print(aligned([head, ("renamed", *renamed.cells()), ("deleted", *deleted.cells())]))
    missed = deleted.rate < DELETES or deleted.health(0.99) >= P99_MS
    sys.exit(f"The deletion misses its bar: {DELETES} files a second, p99 under {P99_MS} ms." if missed else 0)


class Operation:
    """What one operation on many files took, asked for until its answer was complete."""

    def __init__(self, store: Store, path: str, body: object, counted: str) -> None:
        self._way = Raw("the service", store.server.port, (store.server,), bucket=BUCKET)
        self._times: list[float] = []
        self.files = self.requests = 0
        before, self._most = store.server.memory_mib(), 0.0
        ended = threading.Event()
        watching = threading.Thread(target=self._watch, args=(ended,))
        watching.start()
        began, is_complete = time.perf_counter(), False
        try:
            while not is_complete:
                answer: dict[str, Any] = {**self._way.post(path, body)}
                self.files += answer[counted]
                self.requests += 1
                is_complete = bool(answer["complete"])
        finally:
            self.rate = self.files / (time.perf_counter() - began)
            ended.set()
            watching.join()
        self.growth = self._most - before

    def _watch(self, ended: threading.Event) -> None:
        with closing(self._way.connect()) as connection:
            while not ended.is_set():
                began = time.perf_counter()
                connection.request("GET", "/health")
                self._way.accepted(Request("GET", "/health"), connection.getresponse()).read()
                self._times.append(time.perf_counter() - began)
                self._most = max(self._most, sum(server.memory_mib() for server in self._way.servers))
                wait_briefly()

    def health(self, part: float) -> float:
        """Return a percentile of how long /health took, in milliseconds."""
        return 1000 * percentile(self._times, part)

    def cells(self) -> Sequence[str]:
        health = f"{number(self.health(0.5))}; {number(self.health(0.99))}"
        return f"{self.files:,}", number(self.rate), str(self.requests), health, number(self.growth)


def rename(store: Store, count: int) -> Operation:
    """Move the first `count` files, whose keys begin with zeros, and back. Return the first of both."""
    digits = len(str(count - 1))
    first, other = "0" * (9 - digits), "renamed/"
    moved = Operation(store, "/files/move", _places(first, other), "moved")
    Operation(store, "/files/move", _places(other, first), "moved")
    return moved


def delete(store: Store) -> Operation:
    return Operation(store, f"/files/delete/{BUCKET}", {"prefix": "0"}, "deleted")


def _places(source: str, destination: str) -> object:
    places = {"source": source, "destination": destination}
    return {name: {"bucket_id": BUCKET, "prefix": prefix} for name, prefix in places.items()}


if __name__ == "__main__":
    end_by_signals()
    main()
