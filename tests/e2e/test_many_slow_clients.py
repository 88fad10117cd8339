"""Whatever any number of clients do or leave undone, requests that are whole are answered at once."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.memory import family, resident_bytes
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import Listener, SlowClient, send
from tests.support.service import RunningService, bearer, token

LARGE_BYTES = 20 * 1024 * 1024
THREADS = 8  # in each of two workers
GROWTH_BYTES = 64 * 1024 * 1024
SMALL = bytes(10 * 1024)


@dataclass(frozen=True)
class Form:
    """How many clients there are of a kind, and how quick others are meanwhile.

    Of `probes` requests, one after another, the share `quick` is answered within `seconds`, and each within `worst`.
    """

    clients: int
    probes: int
    quick: float
    seconds: float
    worst: float


# More clients than there are threads. A request without a thread waits for a second or more, until a client has lost
# its place, or for 10 s, the time of a JSON body. A busy machine delays some by tenths of a second.
SHORT = Form(clients=3 * THREADS, probes=20, quick=0.8, seconds=1, worst=5)
# What is promised. It needs a machine that has nothing else to do.
LONG = Form(clients=300, probes=200, quick=0.99, seconds=0.25, worst=1)


@dataclass(frozen=True)
class Kind:
    """Clients that send a `start` and then, now and then, some `more`, and read nothing."""

    start: str
    more: bytes = b""
    on_gthread: bool = False  # whether gunicorn's own worker bears them too


def request(line: str, *headers: str) -> str:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", *headers, "", ""])


LOGIN = f"Authorization: Bearer {token()}"
CHUNKED = "Transfer-Encoding: chunked"
SHORT_BODY = "Content-Length: 60000"
LONG_BODY = "Content-Length: 100000"  # the least that nginx spools, or passes on as it comes
MULTIPART = "Content-Type: multipart/form-data; boundary=cut"
FORM = '--cut\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
LARGE = "GET /storage/slow/large"

KINDS = {
    "idle": Kind(""),
    "head": Kind("GET /heal", b"a"),
    "refused body": Kind(request("PUT /files/upload-direct/slow/raw", LONG_BODY), b"x"),
    "refused chunks": Kind(request("PUT /files/upload-direct/slow/raw", "Transfer-Encoding: chunked")),
    "JSON": Kind(request("POST /buckets", LOGIN, "Content-Type: application/json", SHORT_BODY) + '{"name": "', b"x"),
    "chunked JSON": Kind(
        request("POST /buckets", LOGIN, "Content-Type: application/json", CHUNKED) + "5\r\n{",
    ),
    "form": Kind(request("POST /files/upload/slow", LOGIN, MULTIPART, LONG_BODY) + FORM, b"x"),
    "raw": Kind(request("PUT /files/upload-direct/slow/raw", LOGIN, LONG_BODY) + "x", b"x"),
    "whole file": Kind(request(LARGE), on_gthread=True),
    "one range": Kind(request(LARGE, "Range: bytes=1-"), on_gthread=True),
    "several ranges": Kind(request(LARGE, "Range: bytes=0-0,2-"), on_gthread=True),
    "condition": Kind(request(LARGE, "If-Match: *"), on_gthread=True),
    # More than the kernel takes. They cost processor time, and others overtake them.
    "list": Kind(request("GET /files/list/full", LOGIN) * 6),
}


BESIDE = ["JSON", "form", "raw", "whole file", "several ranges", "list"]


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
def form(request: pytest.FixtureRequest) -> Form:
    return LONG if request.config.getoption("--long") else SHORT


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    settings = {**OFFLOAD, "THREADS": str(THREADS), "MAX_UPLOADS": str(2 * THREADS)}
    with RunningService(tmp_path_factory.mktemp("busy") / "store", **settings) as service:
        with httpx.Client(base_url=service.url, headers=bearer(), timeout=30) as client:
            for name in ("slow", "full"):
                client.post("/buckets", json={"name": name, "is_public": True}).raise_for_status()
            client.put("/files/upload-direct/slow/large", content=bytes(LARGE_BYTES)).raise_for_status()
            client.put("/files/upload-direct/slow/small", content=SMALL).raise_for_status()
            for number in range(70):  # their page ends at 1 MiB
                client.put(f"/files/upload-direct/full/{number}", content=b"x").raise_for_status()
                note = {"metadata": {"note": "x" * 16_000}}
                client.put(f"/files/metadata/full/{number}", json=note).raise_for_status()
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


def answer_seconds(listener: Listener, path: str) -> float:
    """Return how long a new connection waits for its answer."""
    began = time.monotonic()
    assert send(listener, f"GET {path}").status == 200
    return time.monotonic() - began


@pytest.mark.parametrize("kind", KINDS)
def test_slow_clients_keep_nobody_waiting(way: Listener, form: Form, kind: str) -> None:
    if RunningService.worker == "gthread" and not KINDS[kind].on_gthread:
        pytest.skip("a client that was refused holds the main thread of gunicorn's own worker")
    with closing(Crowd(way, KINDS[kind], form.clients)) as crowd:
        crowd.go_on()
        seconds = sorted(answer_seconds(way, path) for path in ("/health", "/storage/slow/small") * (form.probes // 2))
        crowd.go_on()
        assert seconds[ceil(form.quick * form.probes) - 1] < form.seconds, seconds
        assert seconds[-1] < form.worst


def test_transfers_end_beside_slow_clients_and_memory_stays(way: Listener, busy: RunningService, form: Form) -> None:
    """They may also be told that there is no place for them."""
    if RunningService.worker == "gthread":
        pytest.skip("a client that was refused holds the main thread of gunicorn's own worker")
    usual = transfer_seconds(way, {200}, {200, 201})
    pids = [pid for each in {busy, way} for pid in family(running_pid(each))]
    before = resident_bytes(pids)
    for kind in BESIDE:
        with closing(Crowd(way, KINDS[kind], form.clients)) as crowd:
            crowd.go_on()
            wait_until(lambda: answer_seconds(way, "/health") < form.seconds)
            # A busy machine may take its time for a short transfer.
            assert transfer_seconds(way, {200, 503}, {200, 201, 503}) < max(10 * usual, 0 if form is LONG else 10)
            assert resident_bytes(pids) - before < GROWTH_BYTES, kind
    wait_until(lambda: resident_bytes(pids) - before < GROWTH_BYTES / 2)


def running_pid(running: Listener) -> int:
    assert isinstance(running, RunningService | NginxGateway)
    assert running.process
    return running.process.pid


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
