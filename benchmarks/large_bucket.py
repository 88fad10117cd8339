"""A bucket of 1,000,000 files beside one of 1,000: rebuilds, requests and starts.

    .venv/bin/python -m benchmarks.large_bucket

Writes both stores as docs/on-disk-format.md describes them, and lets `storage rebuild` make their indexes. Most costs
must not grow with the bucket: their bar is a ratio of the large store to the small one.
"""

import argparse
import hashlib
import http.client
import itertools
import json
import math
import operator
import random
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urljoin

from .results import aligned, spread
from .servers import end_by_signals, spawn, wait_briefly
from .targets import OWNER, Raw, Request, service

BUCKET = "measured"
LEAST_FILES = 100
SAME_COST, FLAT_MEMORY = 1.5, 1.25  # ratios
CLEAN_START, KILLED_START = 2, 5  # seconds

_BODY = b"sixteen bytes..."
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_STRIDE = 2**31 - 1  # a prime, so that files are not created in the order of their keys
_SETS = 25  # of questions in a round
_CUT_UPLOADS = 8
_WAIT_SECONDS = 30

Rows = Sequence[Sequence[str]]


class Store:
    """A store in `folder` with one bucket of `count` files, and the service over it."""

    def __init__(self, folder: Path, count: int, *, durability: str = "none") -> None:
        self.folder, self.count = folder, count
        # A sync costs the same in every bucket, and would hide the difference of two.
        self.server = service(folder, {"DURABILITY": durability, "LOG_LEVEL": "WARNING"})
        bucket = folder / "store" / BUCKET
        for first in range(256):
            (bucket / f"{first:02x}").mkdir(parents=True)
        record = dict.fromkeys(("description", "max_file_size", "quota", "allowed_content_types", "cache_control"))
        named = {"uid": "0", "name": BUCKET, "is_public": False, "grants": {}}
        (bucket / ".bucket.json").write_text(json.dumps(record | named | _attributes(_MOMENT)))
        for created in range(count):
            _write_file(bucket, key_at(created * _STRIDE % count), _MOMENT + timedelta(milliseconds=created))

    def rebuild(self) -> tuple[float, float]:
        """Run `storage rebuild`; return its seconds and its peak memory in MiB. Raises `RuntimeError` when it fails."""
        began, peak = time.perf_counter(), 0
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "storage", "rebuild"]
        with spawn(command, self.folder, self.server.environment) as process:
            try:
                while process.poll() is None:
                    peak = max(peak, _peak_kib(process.pid))
                    wait_briefly()
            finally:
                process.kill()
        if process.returncode != 0:
            raise RuntimeError(f"The rebuild failed. {(self.folder / 'log').read_text()[-1000:]}")
        return time.perf_counter() - began, peak / 1024

    def kill_amid_uploads(self) -> None:
        """Kill every process of the service while it receives uploads, whose bytes stay behind."""
        staging, way = (
            self.folder / "store" / ".system" / "staging",
            Raw("the service", self.server.port, bucket=BUCKET),
        )
        deadline = time.monotonic() + _WAIT_SECONDS
        with ExitStack() as stack:
            for number in range(_CUT_UPLOADS):
                connection, request = stack.enter_context(closing(way.connect())), way.put(f"cut-{number}")
                half = {**request.headers, "Content-Length": "1024"}
                connection.request(request.method, request.path, bytes(512), half)
            while len([*staging.glob("*/*")]) < _CUT_UPLOADS:
                if time.monotonic() > deadline:
                    raise RuntimeError("The uploads that were to be cut did not begin.")
                wait_briefly()
            self.server.kill()


class Client:
    """Asks the service of a store one question after the other, over one connection."""

    def __init__(self, store: Store) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self._count = store.count
        self._way = Raw("the service", store.server.port, bucket=BUCKET)
        self._connection = self._way.connect()
        self._random = random.Random(store.count)  # noqa: S311  the same places in every run
        self._pages: dict[str, str] = {}

    def find_pages(self, order: str, size: int) -> None:
        """Walk the whole list once, for the pages to ask for: at its beginning, in the middle and at the end.

        Raises `RuntimeError` when it does not have all files.
        """
        step = min(1000, self._count // 10)
        paths, listed, path = [], 0, f"/files/list/{BUCKET}?order={order}&limit={step}"
        while path:
            paths.append(path)
            headers, body = self._ask(Request("GET", path, self._way.login))
            listed += len(json.loads(body))
            following = re.search(r'<([^>]*)>; rel="next"', headers.get("Link", ""))
            path = urljoin(path, following[1]) if following else ""
        if listed != self._count:
            raise RuntimeError(f"A bucket of {self._count} files lists {listed}.")
        for place, part in (("at the beginning", 0), ("in the middle", len(paths) // 2), ("at the end", -1)):
            self._pages[f"a page by {order}, {place}"] = paths[part].replace(f"limit={step}", f"limit={size}")

    def questions(self) -> Iterator[Callable[[], None]]:
        """Yield one question of each kind; each records the seconds it takes."""
        key = key_at(self._random.randrange(self._count))
        others = {"a lookup": f"/files/info/{BUCKET}/{key}", "the totals": f"/buckets/{BUCKET}"}
        for name, path in (self._pages | others).items():
            yield partial(self._timed, name, Request("GET", path, self._way.login))
        yield partial(self._timed, "an upload of 1 KiB", self._way.put(f"{key}-new"), bytes(1024))
        yield partial(self._timed, "a delete", self._way.delete(f"{key}-new"))

    def _timed(self, name: str, request: Request, body: bytes | None = None) -> None:
        began = time.perf_counter()
        self._ask(request, body)
        self.times[name].append(time.perf_counter() - began)

    def _ask(self, request: Request, body: bytes | None = None) -> tuple[http.client.HTTPMessage, bytes]:
        self._connection.request(request.method, request.path, body, dict(request.headers))
        response = self._way.accepted(request, self._connection.getresponse())
        return response.headers, response.read()

    def close(self) -> None:
        self._connection.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print each table as soon as it is complete. Exits with 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_bucket", description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=1_000_000, help="in the large bucket (default: %(default)s)")
    parser.add_argument("--small", type=int, default=1_000, help="files in the small one (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of requests and starts (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="an existing one, on the disk to measure (default: TMPDIR or /tmp)")
    options = parser.parse_args(arguments)
    if min(options.files, options.small) < LEAST_FILES or options.rounds < 1:
        parser.error(f"a bucket needs {LEAST_FILES} files or more, and there must be a round.")
    try:
        with tempfile.TemporaryDirectory(prefix="large-bucket-", dir=options.folder) as folder:
            print(f"Writing {options.files + options.small:,} files", file=sys.stderr, flush=True)
            large, small = Store(Path(folder) / "large", options.files), Store(Path(folder) / "small", options.small)
            rows = [
                *shown("Rebuild, the service stopped", rebuilds(large, small)),
                *shown("Requests, milliseconds", requests(large, small, options.rounds)),
                *shown("Start until /health answers, seconds", starts(large, small, options.rounds)),
            ]
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    missed = [name for name, *_, verdict in rows if verdict]
    sys.exit(f"Misses its bar: {'; '.join(missed)}." if missed else 0)


def shown(title: str, rows: Rows) -> Rows:
    print(f"{aligned([(title, 'large', 'small', 'ratio', 'bar', ''), *rows])}\n", flush=True)
    return rows


def row(name: str, sides: Sequence[Sequence[float]], bar: float = math.inf, *, of: str = "ratio") -> Sequence[str]:
    """Compare the large and the small store. `bar` is of the ratio, or of the large store's figure."""
    large, small, ratios = sides if len(sides) > 2 else (*sides, [*map(operator.truediv, *sides)])
    missed = statistics.median(ratios if of == "ratio" else large) > bar
    cells = (name, spread(large), spread(small), spread(ratios))
    return *cells, f"{of} {bar:g}" if bar < math.inf else "", "MISSES BAR" if missed else ""


def rebuilds(large: Store, small: Store) -> Rows:
    seconds, peaks = zip(*(store.rebuild() for store in (large, small)), strict=True)
    return [
        row("seconds", [[each] for each in seconds]),
        row("files a second", [[large.count / seconds[0]], [small.count / seconds[1]]]),
        row("peak memory, MiB", [[each] for each in peaks], FLAT_MEMORY),
    ]


def requests(large: Store, small: Store, rounds: int) -> Rows:
    """Ask both services each question in turn; a ratio is of two neighbours."""
    with ExitStack() as stack:
        for store in (large, small):
            stack.enter_context(store.server).start()
        one, other = [stack.enter_context(closing(Client(store))) for store in (large, small)]
        for client, order in itertools.product((one, other), ("key", "-created_at")):
            client.find_pages(order, min(100, small.count // 10))
        for number in range(1 + rounds * _SETS):
            for questions in zip(one.questions(), other.questions(), strict=True):
                for ask in questions if number % 2 else questions[::-1]:
                    ask()
        for store in (large, small):
            store.server.stop()
    # The first question of each kind warms up.
    return [row(name, _medians(times[1:], other.times[name][1:]), SAME_COST) for name, times in one.times.items()]


def _medians(large: Sequence[float], small: Sequence[float]) -> Sequence[Sequence[float]]:
    """Return the medians of each round, in milliseconds, and those of the ratios."""
    sides = [[1000 * each for each in large], [1000 * each for each in small], [*map(operator.truediv, large, small)]]
    return [[statistics.median(side[first : first + _SETS]) for first in range(0, len(side), _SETS)] for side in sides]


def starts(large: Store, small: Store, rounds: int) -> Rows:
    """Start after a clean stop, and after a kill amid uploads."""
    clean: Sequence[list[float]] = ([], [])
    killed: Sequence[list[float]] = ([], [])
    for _ in range(rounds):
        for side, store in enumerate((large, small)):
            with store.server as server:
                clean[side].append(server.start())
                store.kill_amid_uploads()
                killed[side].append(server.start())
                server.stop()
    return [
        row("after a clean stop", clean, CLEAN_START, of="large"),
        row("after kill -9 of everything", killed, KILLED_START, of="large"),
    ]


def key_at(place: int) -> str:
    """Return the key at `place` of the list by key."""
    return f"{place:09d}.txt"


def _write_file(bucket: Path, key: str, moment: datetime) -> None:
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    blob = f"{name}-{int(moment.timestamp() * 1000):012x}{0:08x}-{key}"
    record = {
        "key": key,
        "bucket_uid": "0",
        "blob": blob,
        "filename": key,
        "content_type": "text/plain",
        "size": len(_BODY),
        "sha256": hashlib.sha256(_BODY).hexdigest(),
        "metadata": {},
        "cache_control": None,
    }
    (bucket / name[:2] / blob).write_bytes(_BODY)
    (bucket / name[:2] / f"{name}.json").write_text(json.dumps(record | _attributes(moment)))


def _attributes(moment: datetime) -> dict[str, object]:
    text = moment.isoformat(timespec="microseconds")
    return {"format": 1, "owner_id": OWNER, "created_at": text, "updated_at": text}


def _peak_kib(pid: int) -> int:
    """Return the most memory that a process has had resident, 0 when it has ended."""
    with suppress(OSError):
        found = re.search(r"^VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0


if __name__ == "__main__":
    end_by_signals()
    main()
