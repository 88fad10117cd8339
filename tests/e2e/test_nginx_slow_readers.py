"""Clients that take their answers slowly, through nginx: none of them holds a thread of the service."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import Headers
from tests.support.service import RunningService, bearer

SIZE = 16 * 1024 * 1024  # more than any buffer on the way
THREADS = 2
LARGE = "GET /storage/public/large"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxGateway]:
    directory = tmp_path_factory.mktemp("slow")
    limits = {"WEB_CONCURRENCY": "1", "THREADS": str(THREADS)}
    with (
        RunningService(directory / "store", **OFFLOAD, **limits) as service,
        NginxGateway(service, directory / "nginx") as nginx,
        httpx.Client(base_url=service.url, headers=bearer()) as client,
    ):
        client.post("/buckets", json={"name": "public", "is_public": True}).raise_for_status()
        client.put("/files/upload-direct/public/large", content=os.urandom(SIZE)).raise_for_status()
        for number in range(60):
            note = {"metadata": {"note": "x" * 16_000}}
            client.put(f"/files/upload-direct/public/{number}", content=b"").raise_for_status()
            client.put(f"/files/metadata/public/{number}", json=note).raise_for_status()
        yield nginx


def slow_reader(gateway: NginxGateway, line: str, headers: Headers) -> socket.socket:
    """Return a connection on which a request was sent, and of whose answer only the first byte is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", gateway.port))
    lines = [f"{line} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers)]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    assert connection.recv(1) == b"H"
    return connection


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (LARGE, []),
        (LARGE, [("Range", "bytes=0-0,2-")]),
        (LARGE, [("Range", "BYTES=1-")]),
        (LARGE, [("Range", "bytes=x")]),
        (LARGE, [("If-Match", "*")]),
        (LARGE, [("If-Match", "*"), ("Range", "bytes=1-")]),
        (LARGE, [("If-Unmodified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")]),
        (LARGE, [("If-Range", '"other"'), ("Range", "bytes=1-")]),
        ("GET /files/list/public", [("Authorization", bearer()["Authorization"])]),
        ("GET /docs/swagger-ui-bundle.js", []),
    ],
)
def test_slow_readers_hold_no_thread(gateway: NginxGateway, line: str, headers: list[tuple[str, str]]) -> None:
    with ExitStack() as stack:
        for _ in range(3 * THREADS):
            stack.enter_context(slow_reader(gateway, line, headers))
        wait_until(lambda: httpx.get(f"{gateway.service.url}/health", timeout=5).is_success)
