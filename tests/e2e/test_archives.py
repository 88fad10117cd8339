"""Archives of the real service, straight and through nginx: whole ones, cut ones, and slow readers."""

import io
import os
import socket
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.service import RunningService, bearer

LARGE = 8 * 1024 * 1024  # more than the buffers on the way
THREADS = 4


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxGateway]:
    directory = tmp_path_factory.mktemp("archives")
    limits = {"WEB_CONCURRENCY": "1", "THREADS": str(THREADS)}
    with (
        RunningService(directory / "store", **OFFLOAD, **limits) as service,
        NginxGateway(service, directory / "nginx") as nginx,
        httpx.Client(base_url=service.url, headers=bearer()) as client,
    ):
        client.post("/buckets", json={"name": "photos"}).raise_for_status()
        for key in ("whole/я.txt", "whole/large", "cut/large", "cut/lost", "cut/zero"):
            content = os.urandom(LARGE) if key.endswith("large") else key.encode()
            client.put(f"/files/upload-direct/photos/{key}", content=content).raise_for_status()
        (lost,) = service.storage_path.glob("photos/*/*-lost")
        lost.unlink()
        yield nginx


@pytest.fixture(params=["through nginx", "straight"])
def client(gateway: NginxGateway, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    url = gateway.url if request.param == "through nginx" else gateway.service.url
    with httpx.Client(base_url=url, headers=bearer(), timeout=60) as opened:
        yield opened


def test_archive_is_whole(client: httpx.Client, tmp_path: Path) -> None:
    answer = client.get("/files/archive/photos?prefix=whole/").raise_for_status()
    assert answer.headers["Content-Length"] == str(len(answer.content))
    path = tmp_path / "a.zip"
    path.write_bytes(answer.content)
    subprocess.run(["unzip", "-tqq", path], check=True)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["large", "я.txt"]
        assert archive.read("large") == client.get("/files/download/photos/whole/large").content


def test_signed_archive_needs_no_credential(client: httpx.Client) -> None:
    body = {"bucket_id": "photos", "prefix": "whole/я"}
    link = client.post("/files/initiate-download", json=body).raise_for_status().json()["download_url"]
    path = httpx.URL(link).path
    for _ in range(2):
        answer = httpx.get(client.base_url.join(path)).raise_for_status()
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.read("я.txt") == "whole/я.txt".encode()


def test_archive_of_a_file_that_is_gone_is_cut(client: httpx.Client, gateway: NginxGateway) -> None:
    with client.stream("GET", "/files/archive/photos?prefix=cut/") as answer:
        assert answer.status_code == 200
        got: list[bytes] = []
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            got.extend(answer.iter_bytes())
    assert len(b"".join(got)) < int(answer.headers["Content-Length"])
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(got)))
    assert isinstance(gateway.service, RunningService)
    assert "Traceback" not in gateway.service.log()


def slow_reader(gateway: NginxGateway, port: int) -> socket.socket:
    """Return a connection that has asked for an archive, and of whose answer only the first bytes are read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", port))
    lines = ["GET /files/archive/photos HTTP/1.1", "Host: localhost", f"Authorization: {bearer()['Authorization']}"]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    connection.recv(12)
    return connection


def test_slow_readers_leave_threads_for_others(gateway: NginxGateway, client: httpx.Client) -> None:
    port = client.base_url.port
    assert port is not None
    with ExitStack() as stack:
        for _ in range(3 * THREADS):
            stack.enter_context(slow_reader(gateway, port))
        wait_until(lambda: httpx.get(f"{gateway.service.url}/health", timeout=5).is_success)
    wait_until(lambda: client.get("/files/archive/photos?prefix=whole/").is_success)
