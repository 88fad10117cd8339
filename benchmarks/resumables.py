"""Resumable uploads: many slow ones at once, and large ones in pieces that go to one worker and another in turn.

.venv/bin/python -m benchmarks.resumables
"""

import argparse
import base64
import http.client
import multiprocessing
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin

from .results import aligned, number, percentile
from .servers import HOST, Server, end_by_signals, wait_briefly
from .targets import Raw, login, service

P99_MS, LAST_SECONDS, GROWTH_MIB = 100, 2.5, 30  # the bars
BUCKET = "films"
MIB = 1024 * 1024
PIECE_BYTES = 8 * MIB
PACE_BYTES = 256 * 1024  # a second, of one of the slow ones
_TICK_SECONDS = 0.125
_VERSION = {"Tus-Resumable": "1.0.0"}
_PIECE = {**_VERSION, "Content-Type": "application/offset+octet-stream"}
_AGAIN = (409, 423, 503)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table. Exits with 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resumables", description=__doc__.partition("\n")[0])
    parser.add_argument("--slow", type=int, default=64, help="uploads at 256 KiB a second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=6, help="of each of these (default: %(default)s)")
    parser.add_argument("--mib", type=int, default=1024, help="of each of four large ones (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="an existing one, on the disk to measure (default: TMPDIR or /tmp)")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="resumables-", dir=options.folder) as folder:
            server = service(Path(folder), {"DURABILITY": "fsync", "WEB_CONCURRENCY": "2", "LOG_LEVEL": "ERROR"})
            with server:
                server.start()
                Raw("the service", server.port, (server,), bucket=BUCKET).prepare()
                slow, large = (
                    measure_slow(server, options.slow, options.seconds),
                    measure_large(server, options.mib * MIB),
                )
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(str(error))
    p99 = 1000 * percentile(slow.health, 0.99)
    rows = [
        ("", "", "bar"),
        (f"{options.slow} slow ones, /health p50, ms", number(1000 * percentile(slow.health, 0.5)), ""),
        ("its p99, ms", number(p99), f"{P99_MS}"),
        ("answers of 503", str(slow.refused), ""),
        (f"{options.mib} MiB in pieces, seconds", number(large.seconds[0]), ""),
        ("the last piece, seconds", f"{large.last[0]:.2f}", f"{LAST_SECONDS}"),
        ("four of them, workers' growth, MiB", number(large.growth), f"{GROWTH_MIB}"),
    ]
    print(aligned(rows))
    missed = p99 >= P99_MS or large.last[0] >= LAST_SECONDS or large.growth >= GROWTH_MIB
    sys.exit("A bar is missed." if missed else 0)


@dataclass
class Slow:
    """How long /health took, in seconds, while slow uploads came, and how many of their pieces were put off."""

    health: list[float] = field(default_factory=list)
    refused: int = 0


@dataclass
class Large:
    """What large uploads took, each in all and for its last piece, in seconds, and by how much the workers grew."""

    seconds: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    growth: float = 0


class Upload:
    """One upload of `size` bytes over connections of its own."""

    def __init__(self, port: int, key: str, size: int) -> None:
        self.size = size
        with closing(http.client.HTTPConnection(HOST, port)) as connection:
            named = f"bucket_id {_base64(BUCKET)},file_id {_base64(key)}"
            headers = {**_VERSION, **login(), "Upload-Length": str(size), "Upload-Metadata": named}
            connection.request("POST", "/files/resumable", headers=headers)
            answer = connection.getresponse()
            if answer.status != 201:
                raise RuntimeError(f"an upload could not be created: {answer.read().decode()}")
            self.path = urljoin("/files/resumable", answer.headers["Location"])

    def offset(self, connection: http.client.HTTPConnection) -> int:
        connection.request("HEAD", self.path, headers=_VERSION)
        answer = connection.getresponse()
        answer.read()
        return int(answer.headers["Upload-Offset"])

    def patch(self, connection: http.client.HTTPConnection, offset: int, body: bytes | Iterator[bytes]) -> int:
        """Send a piece, and return the status."""
        length = len(body) if isinstance(body, bytes) else self.size - offset
        headers = {**_PIECE, "Upload-Offset": str(offset), "Content-Length": str(length)}
        connection.request("PATCH", self.path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def measure_slow(server: Server, count: int, seconds: float) -> Slow:
    """Send that many uploads at once, each for so many seconds, from a process of their own, and ask for /health."""
    result = Slow()
    with multiprocessing.get_context("spawn").Pool(1) as sender:
        sending = sender.apply_async(_send_slowly, (server.port, count, int(seconds * PACE_BYTES)))
        with closing(http.client.HTTPConnection(HOST, server.port)) as connection:
            while not sending.ready():
                began = time.perf_counter()
                connection.request("GET", "/health")
                connection.getresponse().read()
                result.health.append(time.perf_counter() - began)
                wait_briefly()
        result.refused = sending.get()
    return result


def _send_slowly(port: int, count: int, size: int) -> int:
    """Send the uploads, each until it is complete. Return how many pieces were put off."""
    with ThreadPoolExecutor(count) as clients:
        return sum(
            clients.map(lambda number: _send_one_slowly(Upload(port, f"slow/{number}", size), port), range(count))
        )


def _send_one_slowly(upload: Upload, port: int) -> int:
    put_off = 0
    while True:
        with closing(http.client.HTTPConnection(HOST, port)) as connection:
            offset = upload.offset(connection)
            if offset == upload.size:
                return put_off
            try:
                status = upload.patch(connection, offset, _paced(upload.size - offset))
            except OSError:  # refused while the body was sent
                status = 503
        if status in _AGAIN:
            put_off += 1
            time.sleep(1)
        elif status != 204:
            raise RuntimeError(f"a piece was answered with {status}")


def _paced(size: int) -> Iterator[bytes]:
    step = bytes(int(PACE_BYTES * _TICK_SECONDS))
    for sent in range(0, size, len(step)):
        yield step[: size - sent]
        time.sleep(_TICK_SECONDS)


def measure_large(server: Server, size: int) -> Large:
    """Send one upload, and then four at once, in pieces on alternating workers."""
    result = Large()
    _send_alternating(server, "large/warm", PIECE_BYTES, Large())
    _send_alternating(server, "large/alone", size, result)
    before = server.memory_mib()
    with _watched(server.memory_mib) as most, ThreadPoolExecutor(4) as clients:
        list(clients.map(lambda number: _send_alternating(server, f"large/{number}", size, result), range(4)))
    result.growth = max(most) - before
    return result


def _send_alternating(server: Server, key: str, size: int, result: Large) -> None:
    upload, piece, took = Upload(server.port, key, size), os.urandom(PIECE_BYTES), 0.0
    connections = [http.client.HTTPConnection(HOST, server.port) for _ in range(2)]
    for connection in connections:  # two new ones go to two workers
        connection.request("GET", "/health")
        connection.getresponse().read()
        _no_delay(connection)
    began = time.perf_counter()
    for turn, offset in enumerate(range(0, size, PIECE_BYTES)):
        sent = time.perf_counter()
        status = upload.patch(connections[turn % 2], offset, piece[: size - offset])
        took = time.perf_counter() - sent
        if status != 204:
            raise RuntimeError(f"a piece was answered with {status}")
    result.seconds.append(time.perf_counter() - began)
    result.last.append(took)
    for connection in connections:
        connection.close()


@contextmanager
def _watched(measure: Callable[[], float]) -> Iterator[list[float]]:
    """Measure now and then during the body of `with`."""
    found, ended = [measure()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            found.append(measure())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        ended.set()
        watching.join()


def _no_delay(connection: http.client.HTTPConnection) -> None:
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


if __name__ == "__main__":
    end_by_signals()
    main()
