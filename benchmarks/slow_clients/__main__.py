"""Slow clients, hundreds at once, through nginx and straight to gunicorn: what others notice of them.

    .venv/bin/python -m benchmarks.slow_clients

Half of them upload, half download, each at 20 KiB a second. Meanwhile somebody asks for /health and for a small file.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ..figures import aligned, number, percentile
from ..lineup import started
from ..load import large, small
from ..peers.storage import Raw, deployed
from ..processes import end_by_signals
from ..programs import refuse_missing
from ..service import refuse_other_index
from ..targets import Request, Target, ask
from .crowd import RATE, Crowd, Tally
from .watch import PATIENCE_SECONDS, Watch

HEALTH, DOWNLOAD = "/health", "10 KiB down"
P99_MS = 100

_SMALL_BYTES = 10 * 1024
_LONG_BYTES = 64 * 1024 * 1024  # nobody gets to the end of it
_RAMP_SECONDS = 5.0
_PLACES = 5  # at which memory is shown, after the first


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen with one way in."""

    way: str
    before: Watch
    watch: Watch
    tally: Tally


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    allow_many_files()
    try:
        refuse_missing(["nginx"])
        refuse_other_index()
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder, ignore_cleanup_errors=True) as folder:
            seen = measure(Path(folder), clients=options.clients, seconds=options.seconds)
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    print(table(seen, options.clients))
    through = seen[0]
    over = [name for name, seconds in through.watch.seconds.items() if 1000 * percentile(seconds, 0.99) >= P99_MS]
    print(f"{through.way}, the p99 is to be under {P99_MS} ms: {'OVER with ' + ', '.join(over) if over else 'it is'}.")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_clients", description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=500, help="in each direction (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="with all of them there (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="an existing one, on the disk to measure")
    return parser.parse_args(arguments)


def allow_many_files() -> None:
    """Let this process and all that it starts have as many connections as the machine allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def measure(folder: Path, *, clients: int, seconds: float) -> Sequence[Seen]:
    """Measure a service through nginx, and then a new one straight."""
    through, gateway = deployed(folder / "through", durability="none")
    straight, _ = deployed(folder / "straight", durability="none")
    ways = [Raw("through nginx", gateway.port, (through, gateway)), Raw("straight", straight.port, (straight,))]
    seen = []
    for way in ways:
        print(f"{clients} uploads and {clients} downloads, {way.name}", file=sys.stderr, flush=True)
        with started([way]):
            seen.append(measure_way(way, clients=clients, seconds=seconds, folder=folder))
    return seen


def measure_way(way: Target, *, clients: int, seconds: float, folder: Path) -> Seen:
    """Let the crowd come, and watch when all of it is there."""
    (folder / "long").write_bytes(bytes(_LONG_BYTES))
    large.upload(way, "long", folder / "long")
    ask(way, way.put("short"), small.content(0, _SMALL_BYTES))
    requests = {HEALTH: Request("GET", HEALTH), DOWNLOAD: way.get("short")}
    before, watch = Watch(), Watch()
    before.run(way, requests, seconds=1)  # every worker is warm then
    crowd = Crowd(way.host, way.port, way.put("slow/NUMBER"), way.get("long"), clients, _RAMP_SECONDS, seconds)
    with process(crowd) as tally:
        Watch().run(way, {}, _RAMP_SECONDS)
        watch.run(way, requests, seconds)
        return Seen(way.name, before, watch, tally.recv())


@contextmanager
def process(crowd: Crowd) -> Iterator[Connection]:
    """Run the crowd in a process of its own, so that it does not hold up who watches; yields where its tally comes."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    running = context.Process(target=crowd.run, args=(sender,), daemon=True)
    running.start()
    sender.close()  # so that its end is noticed here
    try:
        yield receiver
    finally:
        running.kill()
        running.join()


def table(seen: Sequence[Seen], clients: int) -> str:
    columns = [dict(rows(each)) for each in seen]
    names = dict.fromkeys(name for column in columns for name in column)
    head = (f"{clients} uploads and {clients} downloads at {RATE // 1024} KiB/s", *(each.way for each in seen))
    return aligned(head, [(name, *(column.get(name, "") for column in columns)) for name in names])


def rows(seen: Seen) -> Iterator[tuple[str, str]]:
    watch, tally = seen.watch, seen.tally
    for name, seconds in watch.seconds.items():
        yield f"{name}, p50, ms", number(1000 * percentile(seconds, 0.5))
        yield f"{name}, p99, ms", number(1000 * percentile(seconds, 0.99))
        yield f"{name}, unanswered for {PATIENCE_SECONDS:g} s", f"{watch.unanswered[name]} of {len(seconds)}"
    yield "uploads done", str(sum(count for answer, count in tally.answers.items() if answer.startswith("2")))
    refused = {answer: count for answer, count in tally.answers.items() if not answer.startswith("2")}
    yield "uploads refused or broken", ", ".join(f"{count} x {answer}" for answer, count in refused.items()) or "none"
    yield "KiB/s sent", f"{tally.sent / 1024 / tally.seconds:,.0f}"
    yield "downloads with their rate", str(tally.fed)
    yield "KiB/s received", f"{tally.received / 1024 / tally.seconds:,.0f}"
    for server, mib in watch.memory.items():
        yield f"{server}, MiB before", number(seen.before.memory[server][-1])
        over_time = [mib[round(place * (len(mib) - 1) / _PLACES)] for place in range(_PLACES + 1)]
        yield f"{server}, MiB meanwhile", " ".join(f"{each:.0f}" for each in over_time)
    yield "the crowd's own share of a core", f"{100 * tally.own_cpu_seconds / tally.seconds:.0f} %"


if __name__ == "__main__":
    end_by_signals()
    main()
