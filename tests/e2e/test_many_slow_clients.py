"""Whatever any number of clients do or leave undone, requests that are whole are answered at once."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.memory import resident_bytes
from tests.support.nginx import NginxGateway
from tests.support.raw_http import Listener, SlowClient, send
from tests.support.service import RunningService, bearer, token

LARGE_BYTES = 20 * 1024 * 1024
THREADS = 8  # in each of two workers
PROBES = 20
GROWTH_BYTES = 64 * 1024 * 1024
QUICK_SECONDS = 0.75  # fifty times the usual, on a busy machine; a request without a thread waits for longer
SMALL = bytes(10 * 1024)


@dataclass(frozen=True)
class Kind:
    """Clients that send a `start` and then, now and then, some `more`, and read nothing."""

    start: str
    more: bytes = b""
    quick_seconds: float = QUICK_SECONDS
    settle_seconds: float = 5
    on_gthread: bool = False  # whether gunicorn's own worker bears them too


def request(line: str, *headers: str) -> str:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", *headers, "", ""])


LOGIN = f"Authorization: Bearer {token()}"
CHUNKED = "Transfer-Encoding: chunked"
LONG = "Content-Length: 90000"
MULTIPART = "Content-Type: multipart/form-data; boundary=cut"
FORM = '--cut\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
LARGE = "GET /storage/slow/large"

KINDS = {
    "idle": Kind(""),
    "head": Kind("GET /heal", b"a"),
    "refused body": Kind(request("PUT /files/upload-direct/slow/raw", LONG), b"x"),
    "refused chunks": Kind(request("PUT /files/upload-direct/slow/raw", "Transfer-Encoding: chunked")),
    "JSON": Kind(request("POST /buckets", LOGIN, "Content-Type: application/json", LONG) + '{"name": "', b"x"),
    "chunked JSON": Kind(
        request("POST /buckets", LOGIN, "Content-Type: application/json", CHUNKED) + "5\r\n{",
    ),
    "form": Kind(request("POST /files/upload/slow", LOGIN, MULTIPART, LONG) + FORM, b"x"),
    "raw": Kind(request("PUT /files/upload-direct/slow/raw", LOGIN, LONG) + "x", b"x"),
    "whole file": Kind(request(LARGE), on_gthread=True),
    "one range": Kind(request(LARGE, "Range: bytes=1-"), on_gthread=True),
    "several ranges": Kind(request(LARGE, "Range: bytes=0-0,2-"), on_gthread=True),
    "condition": Kind(request(LARGE, "If-Match: *"), on_gthread=True),
    "list": Kind(
        request("GET /files/list/full?limit=1000", LOGIN) * 40,
        quick_seconds=4,  # they cost processor time
        settle_seconds=30,
    ),
}


BESIDE = ["JSON", "form", "raw", "whole file", "several ranges"]


class Crowd:
    """Connections of one kind each."""

    def __init__(self, listener: Listener, kind: Kind, count: int) -> None:
        self._kind = kind
        self._stack = ExitStack()
        self._connections = [self._connect(listener) for _ in range(count)]

    def _connect(self, listener: Listener) -> socket.socket:
        connection = self._stack.enter_context(closing(socket.socket()))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", listener.port))
        connection.sendall(self._kind.start.encode())
        return connection

    def go_on(self) -> None:
        for connection in self._connections:
            with suppress(OSError):  # it was cut off
                connection.sendall(self._kind.more)

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="module")
def count(request: pytest.FixtureRequest) -> int:
    """How many clients there are of a kind: more than there are threads."""
    return 300 if request.config.getoption("--long") else 5 * THREADS


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    settings = {"THREADS": str(THREADS), "MAX_UPLOADS": str(2 * THREADS)}
    with RunningService(tmp_path_factory.mktemp("busy") / "store", **settings) as service:
        with httpx.Client(base_url=service.url, headers=bearer(), timeout=30) as client:
            for name in ("slow", "full"):
                client.post("/buckets", json={"name": name, "is_public": True}).raise_for_status()
            client.put("/files/upload-direct/slow/large", content=bytes(LARGE_BYTES)).raise_for_status()
            client.put("/files/upload-direct/slow/small", content=SMALL).raise_for_status()
            for number in range(100):
                client.put(f"/files/upload-direct/full/{number:0500}", content=b"x").raise_for_status()
        yield service


@pytest.fixture(scope="module", params=["straight", "nginx"])
def way(
    busy: RunningService, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Listener]:
    if request.param == "straight":
        yield busy
        return
    with NginxGateway(busy, tmp_path_factory.mktemp("busy-nginx")) as gateway:
        yield gateway


def settle(listener: Listener, seconds: float) -> None:
    """Wait until the work that the crowd made is done, such as reading a page for each reader from the index."""
    deadline = time.monotonic() + seconds
    while (last := answer_seconds(listener, "/health")) >= QUICK_SECONDS:
        assert time.monotonic() < deadline, last


def answer_seconds(listener: Listener, path: str) -> float:
    """Return how long a new connection waits for its answer."""
    began = time.monotonic()
    assert send(listener, f"GET {path}").status == 200
    return time.monotonic() - began


@pytest.mark.parametrize("kind", KINDS)
def test_slow_clients_keep_nobody_waiting(way: Listener, count: int, kind: str) -> None:
    if RunningService.worker == "gthread" and not KINDS[kind].on_gthread:
        pytest.skip("a client that was refused holds the main thread of gunicorn's own worker")
    with closing(Crowd(way, KINDS[kind], count)) as crowd:
        crowd.go_on()
        settle(way, KINDS[kind].settle_seconds)
        for path in ("/health", "/storage/slow/small"):
            seconds = sorted(answer_seconds(way, path) for _ in range(PROBES))
            crowd.go_on()
            assert seconds[-2] < KINDS[kind].quick_seconds, seconds


def test_transfers_end_beside_slow_clients_and_memory_stays(way: Listener, busy: RunningService, count: int) -> None:
    """They may also be told that there is no place for them."""
    if RunningService.worker == "gthread":
        pytest.skip("a client that was refused holds the main thread of gunicorn's own worker")
    pids = [running_pid(busy), *busy.worker_pids()]
    usual = transfer_seconds(way, {200}, {200, 201})
    before = resident_bytes(pids)
    with ExitStack() as stack:
        crowds = [stack.enter_context(closing(Crowd(way, KINDS[kind], count))) for kind in BESIDE]
        settle(way, 8)
        for crowd in crowds:
            crowd.go_on()
        assert transfer_seconds(way, {200, 503}, {200, 201, 503}) < max(10 * usual, 10)
        assert resident_bytes(pids) - before < GROWTH_BYTES
    wait_until(lambda: resident_bytes(pids) - before < GROWTH_BYTES / 2)


def running_pid(service: RunningService) -> int:
    assert service.process
    return service.process.pid


def transfer_seconds(listener: Listener, downloaded: set[int], uploaded: set[int]) -> float:
    """Return how long a download and an upload take together. Each is whole, or refused."""
    began = time.monotonic()
    answer = send(listener, LARGE)
    assert answer.status in downloaded
    assert answer.status != 200 or len(answer.body) == LARGE_BYTES
    headers = [*bearer().items(), ("Content-Length", str(LARGE_BYTES))]
    assert send(listener, "PUT /files/upload-direct/slow/copy", headers, bytes(LARGE_BYTES)).status in uploaded
    return time.monotonic() - began


def test_idle_connections_end_no_transfer(tmp_path: Path) -> None:
    """A worker has room for the files of its requests, whatever the number of connections."""
    if RunningService.worker == "gthread":
        pytest.skip("gunicorn's own worker keeps idle connections")
    limited = RunningService(tmp_path / "store", THREADS="8", MAX_UPLOADS="8")
    limited.prefix = ("prlimit", "--nofile=256:256")
    with limited as service, ExitStack() as stack:
        httpx.post(f"{service.url}/buckets", json={"name": "slow"}, headers=bearer()).raise_for_status()
        headers = [*bearer().items(), ("Content-Length", "1000")]
        uploads = [
            stack.enter_context(SlowClient(service, f"PUT /files/upload-direct/slow/{number}", headers))
            for number in range(6)
        ]
        for upload in uploads:
            upload.send(b"x" * 10)
        for _ in range(600):
            with suppress(ConnectionError):  # its place was given to another before it was connected
                stack.enter_context(closing(socket.create_connection(("127.0.0.1", service.port), timeout=10)))
        assert send(service, "GET /health").status == 200
        for upload in uploads:
            upload.send(b"x" * 990)
        assert [upload.answer().status for upload in uploads] == [201] * 6
        assert "Traceback" not in service.log()
