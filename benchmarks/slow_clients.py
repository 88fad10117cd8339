"""Hundreds of slow clients at once, through nginx and straight to gunicorn: what other clients notice of them.

    .venv/bin/python -m benchmarks.slow_clients

Half of them upload, half download, each at 20 KiB a second. Meanwhile /health and a file of 10 KiB are requested.
"""

import argparse
import asyncio
import itertools
import resource
import socket
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from . import load
from .__main__ import started
from .results import aligned, number, percentile
from .servers import end_by_signals, wait_briefly
from .targets import Raw, Request, Target, deployed

RATE = 20 * 1024  # bytes a second of each client
UPLOAD_BYTES, LONG_BYTES = 10 * RATE, 64 * 1024 * 1024
P99_MS = 100  # the bar, through nginx

_STEP_SECONDS, _RAMP_SECONDS, _RETRY_SECONDS, _PATIENCE_SECONDS = 0.5, 5.0, 1.0, 5.0
_STEP_BYTES = int(RATE * _STEP_SECONDS)
_RECEIVE_BUFFER = 16 * 1024  # a distant client does not buffer megabytes either


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both ways in, and print a table. Exits with 1 when the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow_clients", description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=500, help="in each direction (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="with all of them present (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="an existing one, on the disk to measure")
    options = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
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


def measure(way: Target, clients: int, seconds: float, folder: Path) -> Mapping[str, str]:
    """Return the figures of one way."""
    print(f"{clients} uploads and {clients} downloads, {way.name}", file=sys.stderr, flush=True)
    (folder / "long").write_bytes(bytes(LONG_BYTES))
    with started([way]):
        load.upload(way, "long", folder / "long")
        way.ask(way.put("short"), load.content(0, 10 * 1024))
        return asyncio.run(_measure(way, clients, seconds))


async def _measure(way: Target, clients: int, seconds: float) -> Mapping[str, str]:
    """Let the slow clients come, and measure once all of them are present."""
    outcomes, received, tasks, before = Counter[bool](), [0] * clients, [], _memory_mib(way)
    for client in range(clients):
        tasks.append(asyncio.create_task(_upload(way, client, outcomes)))
        tasks.append(asyncio.create_task(_download(way, client, received)))
        await asyncio.sleep(_RAMP_SECONDS / clients)
    requests = {"/health": Request("GET", "/health"), "10 KiB down": way.get("short")}
    times, most = await asyncio.to_thread(_watch, way, requests, seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    parts = {"p50, ms": 0.5, "p99, ms": 0.99}
    return {
        **{f"{name}, {part}": number(1000 * percentile(times[name], parts[part])) for name in times for part in parts},
        "uploads done": str(outcomes[True]),
        "uploads refused or broken": str(outcomes[False]),
        "downloads at half their rate or more": str(sum(count >= RATE * seconds / 2 for count in received)),
        "memory before; meanwhile, most, MiB": f"{number(before)}; {number(most)}",
    }


def _watch(way: Target, requests: Mapping[str, Request], seconds: float) -> tuple[Mapping[str, Sequence[float]], float]:
    """Return the seconds of each request, made over new connections one after the other, and the most MiB."""
    times, most, end = defaultdict[str, list[float]](list), 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        for name, request in requests.items():
            began = time.perf_counter()
            with suppress(OSError), closing(way.connect()) as connection:  # one that is not answered counts in full
                connection.timeout = _PATIENCE_SECONDS
                connection.request(request.method, request.path, headers=dict(request.headers))
                way.accepted(request, connection.getresponse()).read()
            times[name].append(time.perf_counter() - began)
        most = max(most, _memory_mib(way))
        wait_briefly()
    return times, most


def _memory_mib(way: Target) -> float:
    return sum(server.memory_mib() for server in way.servers)


async def _upload(way: Target, client: int, outcomes: Counter[bool]) -> None:
    """Upload one object after the other; count those that were stored, and the others."""
    for count in itertools.count():
        stored = False
        with suppress(OSError):
            reader, writer = await _sent(way, way.put(f"slow/{client}-{count}"), UPLOAD_BYTES)
            with closing(writer):
                for _ in range(0, UPLOAD_BYTES, _STEP_BYTES):
                    writer.write(bytes(_STEP_BYTES))
                    await writer.drain()
                    await asyncio.sleep(_STEP_SECONDS)
                stored = (await reader.readline()).startswith(b"HTTP/1.1 20")
        outcomes[stored] += 1
        await asyncio.sleep(0 if stored else _RETRY_SECONDS)


async def _download(way: Target, client: int, received: list[int]) -> None:
    with suppress(OSError):
        reader, writer = await _sent(way, way.get("long"))
        with closing(writer):
            while data := await reader.read(_STEP_BYTES):
                received[client] += len(data)
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
