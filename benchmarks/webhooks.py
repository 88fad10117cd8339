"""The price of webhooks: uploads of 10 KiB a second with a receiver, and without, synced and unsynced.

    .venv/bin/python -m benchmarks.webhooks

The receiver answers 410, so that what is measured is that each event is kept. To deliver one takes as much processor
time as an upload, from whatever is idle.
"""

import argparse
import http.server
import statistics
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .__main__ import show, started
from .measures import FULL, MEASURES, Material
from .results import aligned, number
from .servers import HOST, end_by_signals
from .targets import Raw, service

BARS = {"none": 0.9, "fsync": 0.8}  # of the rate without webhooks
_SECRET = "whsec_" + "A" * 32

Rates = Mapping[str, Mapping[str, Sequence[float]]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table. Exits with 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="an existing one, on the disk to measure (default: TMPDIR or /tmp)")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder, ignore_cleanup_errors=True) as folder:
            rates = measure(Path(folder), options.rounds, options.seconds)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    print(aligned([("uploads of 10 KiB a second", "without", "with", "ratio", "bar"), *rows(rates)]))
    missed = [durability for durability, ways in rates.items() if ratio(ways) < BARS[durability]]
    sys.exit(f"Misses its bar: DURABILITY={' and '.join(missed)}." if missed else 0)


def measure(folder: Path, rounds: int, seconds: int) -> Rates:
    """Return uploads a second by durability and way, one for each round."""
    material = Material.make(folder, replace(FULL, seconds=seconds, present=100, large=1, huge=1))
    rates: dict[str, dict[str, list[float]]] = {durability: defaultdict(list) for durability in BARS}
    with _receiver() as url:
        for durability, ways in rates.items():
            settings = {"DURABILITY": durability, "LOG_LEVEL": "ERROR"}
            webhooks = {"with": {"WEBHOOK_URL": url, "WEBHOOK_SECRET": _SECRET}, "without": {}}
            servers = {way: service(folder / f"{durability}-{way}", settings | more) for way, more in webhooks.items()}
            targets = [Raw(way, server.port, (server,)) for way, server in servers.items()]
            with started(targets):
                for count in range(rounds):
                    show(f"{durability}, round {count + 1}")
                    for target in targets[:: -1 if count % 2 else 1]:
                        ways[target.name].append(MEASURES["small-up"](target, material).value)
    return rates


@contextmanager
def _receiver() -> Iterator[str]:
    class Gone(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is that of the library
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(410)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer((HOST, 0), Gone) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def rows(rates: Rates) -> Sequence[Sequence[str]]:
    return [
        (
            f"DURABILITY={durability}",
            number(statistics.median(ways["without"])),
            number(statistics.median(ways["with"])),
            f"{ratio(ways):.2f}",
            str(BARS[durability]),
        )
        for durability, ways in rates.items()
    ]


def ratio(ways: Mapping[str, Sequence[float]]) -> float:
    """Return the median of the ratios of the rounds."""
    return statistics.median(a / b for a, b in zip(ways["with"], ways["without"], strict=True))


if __name__ == "__main__":
    end_by_signals()
    main()
