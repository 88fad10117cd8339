"""Uploads through nginx while nginx, the service or the client's credential ends, and more of them than threads."""

import itertools
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import pytest

from storage_app.host.layout import Layout
from storage_app.index import Index
from tests.support.disruptions import kill_all, kill_one, leftovers, wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import Answer, assert_nothing_left, assert_problem, bucket_on_disk, read_answer
from tests.support.service import RunningService, bearer, token

MIB = 1024 * 1024
THREADS = 2
_buckets = itertools.count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    path = tmp_path_factory.mktemp("kills") / "store"
    settings = {"WEB_CONCURRENCY": "1", "THREADS": str(THREADS), "MAX_UPLOADS": str(THREADS), **OFFLOAD}
    with RunningService(path, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(service: RunningService) -> Iterator[NginxGateway]:
    with NginxGateway(service, service.storage_path.with_name("nginx")) as nginx:
        yield nginx


@pytest.fixture
def bucket(service: RunningService) -> Iterator[str]:
    """A bucket for one test, which leaves nothing in the spool."""
    name = f"bucket-{next(_buckets)}"
    httpx.post(f"{service.url}/buckets", json={"name": name}, headers=bearer()).raise_for_status()
    yield name
    wait_until(lambda: spooled(service) == [])


class SlowUpload:
    """An upload of `size` bytes of which half are sent at once, and the rest by `finish`."""

    def __init__(self, gateway: NginxGateway, path: str, *, size: int = 2 * MIB, login: str | None = None) -> None:
        self.rest = b"x" * (size // 2)
        self.connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
        head = [f"PUT /files/upload-direct/{path} HTTP/1.1", "Host: localhost", f"Content-Length: {size}"]
        head.append(f"Authorization: Bearer {login or token()}")
        self.connection.sendall("\r\n".join([*head, "", ""]).encode() + b"x" * (size - len(self.rest)))

    def finish(self) -> Answer:
        self.connection.sendall(self.rest)
        return read_answer(self.connection)

    def __enter__(self) -> "SlowUpload":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def spooled(service: RunningService) -> list[Path]:
    return list((service.storage_path / ".system" / "spool").iterdir())


def reserved_bytes(service: RunningService) -> int:
    with closing(Index(Layout(service.storage_path).index)) as index:
        return index.reserved_bytes()


def test_slow_uploads_hold_no_thread(service: RunningService, gateway: NginxGateway, bucket: str) -> None:
    count = 10 * THREADS
    with ExitStack() as stack:
        uploads = [stack.enter_context(SlowUpload(gateway, f"{bucket}/{number}.bin")) for number in range(count)]
        wait_until(lambda: len(spooled(service)) == count)
        assert httpx.get(f"{gateway.url}/health", timeout=10).status_code == 200
        assert httpx.get(f"{service.url}/health", timeout=10).status_code == 200
        assert [upload.finish().status for upload in uploads] == [201] * count
    listed = httpx.get(f"{gateway.url}/files/list/{bucket}", headers=bearer()).json()
    assert [file["size"] for file in listed] == [2 * MIB] * count
    assert_nothing_left(service)


def test_slow_downloads_hold_no_thread(service: RunningService, gateway: NginxGateway, bucket: str) -> None:
    """Answers larger than what sockets hold, of which nobody reads."""
    httpx.put(f"{service.url}/files/upload-direct/{bucket}/large.bin", content=b"x" * 16 * MIB, headers=bearer())
    with ExitStack() as stack:
        for _ in range(10 * THREADS):
            reader = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
            reader.sendall(
                f"GET /files/download/{bucket}/large.bin HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {token()}\r\n\r\n".encode()
            )
            assert reader.recv(1024).startswith(b"HTTP/1.1 200 OK")
        assert httpx.get(f"{gateway.url}/health", timeout=10).status_code == 200


def test_killed_nginx_leaves_nothing_for_long(service: RunningService, gateway: NginxGateway, bucket: str) -> None:
    with SlowUpload(gateway, f"{bucket}/cut.bin") as upload:
        wait_until(lambda: spooled(service) != [])
        (left,) = spooled(service)
        kill_with_workers(gateway)
        with pytest.raises(OSError):  # noqa: PT011  reset, or closed
            upload.finish()
    gateway.start()
    with SlowUpload(gateway, f"{bucket}/kept.bin") as kept:
        wait_until(lambda: any(path != left for path in spooled(service)))
        os.utime(left, (0, 0))  # it is kept for as long as a request may name it
        service.stop()
        service.start()  # recovers: what nobody has open is collected
        assert left not in spooled(service)
        assert reserved_bytes(service) == 0
        assert kept.finish().status == 201
    wait_until(lambda: spooled(service) == [])
    assert [name for name in bucket_on_disk(service, bucket) if "cut" in name] == []


def test_service_killed_while_nginx_spools_is_a_clear_error(
    service: RunningService, gateway: NginxGateway, bucket: str
) -> None:
    with SlowUpload(gateway, f"{bucket}/cut.bin") as upload:
        wait_until(lambda: spooled(service) != [])
        service.kill()
        assert_problem(upload.finish(), 503, "unavailable")
    wait_until(lambda: spooled(service) == [])
    assert reserved_bytes(service) == 2 * MIB  # nobody heard that the upload is over
    service.start()
    assert reserved_bytes(service) == 0
    assert_nothing_left(service)
    assert bucket_on_disk(service, bucket) == [".bucket.json"]


def test_service_that_is_back_in_time_takes_the_upload(
    service: RunningService, gateway: NginxGateway, bucket: str
) -> None:
    with SlowUpload(gateway, f"{bucket}/kept.bin") as upload:
        wait_until(lambda: spooled(service) != [])
        assert reserved_bytes(service) == 2 * MIB
        kill_all(service)
        assert reserved_bytes(service) == 0
        assert upload.finish().status == 201
    assert_nothing_left(service)


def test_reservation_outlives_the_worker_that_made_it(
    service: RunningService, gateway: NginxGateway, bucket: str
) -> None:
    with SlowUpload(gateway, f"{bucket}/kept.bin") as upload:
        wait_until(lambda: spooled(service) != [])
        kill_one(service)
        service.wait_until_healthy()
        assert reserved_bytes(service) == 2 * MIB
        assert upload.finish().status == 201
    assert reserved_bytes(service) == 0


def test_worker_that_dies_on_an_upload_leaves_no_reservation(
    service: RunningService, gateway: NginxGateway, bucket: str
) -> None:
    (worker,) = service.worker_pids()
    with (
        SlowUpload(gateway, f"{bucket}/cut.bin") as upload,
        closing(Index(Layout(service.storage_path).index)) as index,
    ):
        wait_until(lambda: spooled(service) != [])
        with index.write():  # so that the upload cannot end its reservation
            upload.connection.sendall(upload.rest)
            wait_until(lambda: has_open(worker, spooled(service)))
            os.kill(worker, signal.SIGKILL)
            assert_problem(read_answer(upload.connection), 503, "unavailable")
    wait_until(lambda: reserved_bytes(service) == 0)
    wait_until(lambda: leftovers(service) == [])


def test_refused_upload_leaves_no_reservation(service: RunningService, gateway: NginxGateway, bucket: str) -> None:
    with SlowUpload(gateway, f"{bucket}/cut.bin") as upload:
        wait_until(lambda: spooled(service) != [])
        httpx.delete(f"{service.url}/buckets/{bucket}", headers=bearer()).raise_for_status()
        assert_problem(upload.finish(), 404, "bucket_not_found")
    assert reserved_bytes(service) == 0


def test_login_that_expires_meanwhile_was_good_when_it_came(
    service: RunningService, gateway: NginxGateway, bucket: str
) -> None:
    leeway = 30
    with SlowUpload(gateway, f"{bucket}/slow.bin", login=token(expires_in=1 - leeway)) as upload:
        wait_until(lambda: spooled(service) != [])
        expired = time.time() + 1.5  # `exp` has whole seconds
        wait_until(lambda: time.time() >= expired)
        assert upload.finish().status == 201


def has_open(pid: int, paths: list[Path]) -> bool:
    with suppress(FileNotFoundError):  # a descriptor that was closed meanwhile
        return any(link.readlink() in paths for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def kill_with_workers(gateway: NginxGateway) -> None:
    assert gateway.process is not None
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    for pid in (gateway.process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait(30)
