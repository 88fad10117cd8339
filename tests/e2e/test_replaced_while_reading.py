"""Who began to read a file gets it to the end, whatever happens to it meanwhile; who begins later gets what is there.

Through the service alone, and through nginx, which carries the bytes.
"""

import hashlib
import itertools
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest

from storage_app.domain.times import now
from storage_app.maintenance import collect as collection
from storage_app.node import Storage
from storage_app.settings import load_settings
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.relay import Relay
from tests.support.service import RunningService, bearer

KEY = "films/lake.bin"
# More than the sockets between a writer and a reader hold, so that the writer still has the file open.
SIZE = 24 * 1024 * 1024
OLD = hashlib.shake_256(b"old").digest(SIZE)
NEW = hashlib.shake_256(b"new").digest(SIZE // 2)

_buckets = itertools.count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("replaced") / "store", **OFFLOAD) as running:
        yield running


@pytest.fixture(params=["service", "nginx"])
def port(request: pytest.FixtureRequest, service: RunningService, tmp_path: Path) -> Iterator[int]:
    """Where the readers ask."""
    if request.param == "service":
        yield service.port
        return
    with NginxGateway(service, tmp_path / "nginx") as gateway:
        yield gateway.port


@pytest.fixture
def client(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, headers=bearer(), timeout=30) as opened:
        yield opened


@pytest.fixture
def bucket(client: httpx.Client) -> str:
    """A bucket with the old file in it."""
    name = f"replaced-{next(_buckets)}"
    client.post("/buckets", json={"name": name}).raise_for_status()
    client.put(f"/files/upload-direct/{name}/{KEY}", content=OLD).raise_for_status()
    return name


class SlowReader:
    """Asks for the file, takes the first bytes of the answer, and leaves the rest where it is for now."""

    def __init__(self, port: int, bucket: str, **headers: str) -> None:
        self.connection = socket.socket()
        # Set before it connects, or the kernel takes in megabytes on its behalf.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.connection.settimeout(30)
        self.connection.connect(("127.0.0.1", port))
        lines = [f"GET /files/download/{bucket}/{KEY} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (bearer() | headers).items()]
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode())
        self.answer = HTTPResponse(self.connection, method="GET")
        self.answer.begin()
        self.first = self.answer.read(1000)

    def to_the_end(self) -> bytes:
        return self.first + self.answer.read()

    def __enter__(self) -> "SlowReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self.connection.close()


def overwrite(client: httpx.Client, bucket: str) -> None:
    client.put(f"/files/upload-direct/{bucket}/{KEY}", content=NEW).raise_for_status()


def edit(client: httpx.Client, bucket: str) -> None:
    client.put(f"/files/metadata/{bucket}/{KEY}", json={"content_type": "text/plain"}).raise_for_status()


def delete(client: httpx.Client, bucket: str) -> None:
    client.delete(f"/files/{bucket}/{KEY}").raise_for_status()


def make_again(client: httpx.Client, bucket: str) -> None:
    delete(client, bucket)
    overwrite(client, bucket)


def delete_bucket(client: httpx.Client, bucket: str) -> None:
    client.delete(f"/buckets/{bucket}", params={"force": "true"}).raise_for_status()


Change = Callable[[httpx.Client, str], None]
changed_so = pytest.mark.parametrize(
    ("change", "status", "now_there"),
    [
        pytest.param(overwrite, 200, NEW, id="overwritten"),
        pytest.param(delete, 404, None, id="deleted"),
        pytest.param(make_again, 200, NEW, id="made again"),
        pytest.param(delete_bucket, 404, None, id="bucket deleted"),
    ],
)


def collect(service: RunningService, *, until: datetime) -> None:
    """Remove what was replaced or deleted until then, as another process of the service."""
    storage = Storage(load_settings(service.environment))
    try:
        collection.collect(storage.services.index, storage.services.store, until=until)
    finally:
        storage.stop()


def blob_of(service: RunningService, bucket: str) -> str:
    (blob,) = (service.storage_path / bucket).glob("??/*-*-*")
    return blob.name


def on_disk(service: RunningService, blob: str) -> list[Path]:
    return list(service.storage_path.rglob(blob))


def is_held_open(blob: str) -> bool:
    """Tell whether any process has the bytes open, though no directory names them any more."""
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()).endswith(f"/{blob} (deleted)"):
                return True
        except OSError:
            continue  # closed, or its process ended, while we looked
    return False


def assert_there_is(port: int, bucket: str, status: int, content: bytes | None) -> None:
    """Assert what a reader gets who begins now."""
    response = httpx.get(f"http://127.0.0.1:{port}/files/download/{bucket}/{KEY}", headers=bearer(), timeout=30)
    assert response.status_code == status
    if content is not None:
        assert response.headers["ETag"] == etag(response.content) == etag(content)


def etag(content: bytes) -> str:
    """Return the entity tag of these bytes: compared by it, megabytes that differ are not shown."""
    return f'"{hashlib.sha256(content).hexdigest()}"'


@changed_so
def test_reader_that_began_gets_the_old_bytes_to_the_end(
    service: RunningService,
    port: int,
    client: httpx.Client,
    bucket: str,
    change: Change,
    status: int,
    now_there: bytes | None,
) -> None:
    blob = blob_of(service, bucket)
    with SlowReader(port, bucket) as reader:
        change(client, bucket)
        assert_there_is(port, bucket, status, now_there)

        collect(service, until=now())
        assert on_disk(service, blob) == []
        assert is_held_open(blob)
        assert_there_is(port, bucket, status, now_there)

        assert (reader.answer.status, reader.answer.headers["ETag"]) == (200, etag(OLD))
        assert etag(reader.to_the_end()) == etag(OLD)


def test_reader_of_a_part_gets_the_old_bytes_to_the_end(
    service: RunningService, port: int, client: httpx.Client, bucket: str
) -> None:
    with SlowReader(port, bucket, Range="bytes=1000-") as reader:
        overwrite(client, bucket)
        collect(service, until=now())

        assert (reader.answer.status, reader.answer.headers["ETag"]) == (206, etag(OLD))
        assert etag(reader.to_the_end()) == etag(OLD[1000:])


def test_reader_that_resumes_never_adds_new_bytes_to_old_ones(port: int, client: httpx.Client, bucket: str) -> None:
    with SlowReader(port, bucket) as reader:
        had = reader.first
    overwrite(client, bucket)

    with SlowReader(port, bucket, **{"Range": f"bytes={len(had)}-", "If-Range": etag(OLD)}) as again:
        assert (again.answer.status, again.answer.headers["ETag"]) == (200, etag(NEW))
        assert etag(again.to_the_end()) == etag(NEW)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(overwrite, id="overwritten"),
        pytest.param(edit, id="edited"),
        pytest.param(delete, id="deleted"),
        pytest.param(make_again, id="made again"),
    ],
)
def test_file_that_changes_before_nginx_opens_it_is_sent_as_it_was(
    service: RunningService, client: httpx.Client, bucket: str, tmp_path: Path, change: Change
) -> None:
    with (
        Relay(service) as relay,
        NginxGateway(service, tmp_path / "nginx", service_port=relay.port) as gateway,
        ThreadPoolExecutor(1) as pool,
    ):
        url = f"{gateway.url}/files/download/{bucket}/{KEY}"
        download = pool.submit(lambda: httpx.get(url, headers=bearer(), timeout=30))
        assert relay.answered.wait(30)
        change(client, bucket)
        collect(service, until=now() - collection.GRACE)
        relay.may_go.set()
        response = download.result()

    assert response.status_code == 200
    assert response.headers["ETag"] == etag(response.content) == etag(OLD)
