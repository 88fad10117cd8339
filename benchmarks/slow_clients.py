"""Hundreds of slow clients at once, through nginx and straight to gunicorn: what other clients notice of them.

    .venv/bin/python -m benchmarks.slow_clients

Half of them upload, half download, each at 20 KiB a second. Meanwhile /health and a file of 10 KiB are requested.
"""

import argparse
import asyncio
import itertools
import multiprocessing
import resource
import socket
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from . import load
from .__main__ import started
from .results import aligned, number, percentile
from .servers import end_by_signals, wait_briefly
from .targets import Raw, Request, Target, deployed

RATE = 20 * 1024  # bytes a second of each client
P99_MS = 100
SMALL_BYTES, LONG_BYTES, UPLOAD_BYTES = 10 * 1024, 64 * 1024 * 1024, 10 * RATE

_STEP_SECONDS, _RETRY_SECONDS = 0.5, 1
_STEP_BYTES = int(RATE * _STEP_SECONDS)
_RAMP_SECONDS = 5.0
_PATIENCE_SECONDS = 5.0
_RECEIVE_BUFFER = 16 * 1024  # a distant client does not buffer megabytes either


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both ways in, and print a table. Exits with 1 when the p99 through nginx is over its bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_clients", description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=500, help="in each direction (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="with all of them present (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="an existing one, on the disk to measure")
    options = parser.parse_args(arguments)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))  # inherited by all that is started
    try:
        with tempfile.TemporaryDirectory(prefix="benchmark-", dir=options.folder, ignore_cleanup_errors=True) as folder:
            service, front = deployed(Path(folder) / "service", durability="none")
            ways = [Raw("through nginx", front.port, (service, front)), Raw("straight", service.port, (service,))]
            columns = [measure(way, options.clients, options.seconds, Path(folder)) for way in ways]
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    head = (f"{options.clients} uploads and {options.clients} downloads at 20 KiB/s", *(way.name for way in ways))
    print(aligned([head, *((name, *(column[name] for column in columns)) for name in columns[0])]))
    over = [name for name, cell in columns[0].items() if "p99" in name and float(cell.replace(",", "")) >= P99_MS]
    sys.exit(f"Through nginx, over {P99_MS} ms: {', '.join(over)}." if over else 0)


def measure(way: Target, clients: int, seconds: float, folder: Path) -> dict[str, str]:
    """Return the column of one way: let the crowd come, and measure once all of it is present."""
    print(f"{clients} uploads and {clients} downloads, {way.name}", file=sys.stderr, flush=True)
    (folder / "long").write_bytes(bytes(LONG_BYTES))
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with started([way]):
        load.upload(way, "long", folder / "long")
        way.ask(way.put("short"), load.content(0, SMALL_BYTES))
        before = sum(server.memory_mib() for server in way.servers)
        # A process of its own, so that it does not hold up the requests that are timed.
        arguments = (way, clients, seconds, sender)
        crowd = multiprocessing.get_context("fork").Process(target=run_crowd, args=arguments, daemon=True)
        crowd.start()
        sender.close()
        try:
            receiver.recv()  # all of it is present
            times, most = _watch(way, {"/health": Request("GET", "/health"), "10 KiB down": way.get("short")}, seconds)
            outcomes, received = receiver.recv()
        finally:
            crowd.kill()
            crowd.join()
    column = {
        f"{name}, {kind}": number(1000 * percentile(values, part))
        for name, values in times.items()
        for kind, part in (("p50, ms", 0.5), ("p99, ms", 0.99))
    }
    return column | {
        "uploads done": str(outcomes[True]),
        "uploads refused or broken": str(outcomes[False]),
        "downloads at half their rate or more": str(sum(count >= RATE * seconds / 2 for count in received)),
        "memory before, MiB": number(before),
        "memory meanwhile, most, MiB": number(most),
    }


def _watch(way: Target, requests: dict[str, Request], seconds: float) -> tuple[dict[str, list[float]], float]:
    """Return the seconds of each request, made over new connections one after the other, and the most MiB."""
    times, most, end = defaultdict(list), 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        for name, request in requests.items():
            began = time.perf_counter()
            with suppress(OSError), closing(way.connect()) as connection:  # one that is not answered counts in full
                connection.timeout = _PATIENCE_SECONDS
                connection.request(request.method, request.path, headers=dict(request.headers))
                way.accepted(request, connection.getresponse()).read()
            times[name].append(time.perf_counter() - began)
        most = max(most, sum(server.memory_mib() for server in way.servers))
        wait_briefly()
    return times, most


def run_crowd(way: Target, clients: int, seconds: float, report: Connection) -> None:
    """Run the slow clients. Sends once when all are present, and at the end the outcomes and the bytes received."""
    outcomes: Counter[bool] = Counter()
    received = [0] * clients

    async def run() -> None:
        tasks = []
        for number_ in range(clients):
            tasks += [asyncio.create_task(_upload_on(way, number_, outcomes))]
            tasks += [asyncio.create_task(_download(way, number_, received))]
            await asyncio.sleep(_RAMP_SECONDS / clients)
        report.send(None)
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    report.send((outcomes, received))


async def _upload_on(way: Target, number_: int, outcomes: Counter[bool]) -> None:
    """Upload one object after the other; count those that were stored, and the others."""
    for count in itertools.count():
        stored = False
        with suppress(OSError):
            reader, writer = await _sent(way, way.put(f"slow/{number_}-{count}"), UPLOAD_BYTES)
            with closing(writer):
                for _ in range(0, UPLOAD_BYTES, _STEP_BYTES):
                    writer.write(bytes(_STEP_BYTES))
                    await writer.drain()
                    await asyncio.sleep(_STEP_SECONDS)
                stored = (await reader.readline()).startswith(b"HTTP/1.1 20")
        outcomes[stored] += 1
        await asyncio.sleep(0 if stored else _RETRY_SECONDS)


async def _download(way: Target, number_: int, received: list[int]) -> None:
    with suppress(OSError):
        reader, writer = await _sent(way, way.get("long"))
        with closing(writer):
            while data := await reader.read(_STEP_BYTES):
                received[number_] += len(data)
                await asyncio.sleep(_STEP_SECONDS * len(data) / _STEP_BYTES)


async def _sent(way: Target, request: Request, size: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect and send the head of a request with a body of `size` bytes."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    sock.connect((way.host, way.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=_RECEIVE_BUFFER)
    headers = {"Host": "localhost", "Content-Length": str(size), **request.headers}
    lines = [f"{request.method} {request.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


if __name__ == "__main__":
    end_by_signals()
    main()
