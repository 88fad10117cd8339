"""Uploads through nginx while nginx, the service or the client's credential ends, and more of them than threads."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import Answer, assert_nothing_left, assert_problem, bucket_on_disk, read_answer
from tests.support.service import RunningService, bearer, token

MIB = 1024 * 1024
THREADS = 2


@pytest.fixture
def service(start_service: Callable[..., RunningService]) -> RunningService:
    service = start_service(WEB_CONCURRENCY="1", THREADS=str(THREADS), MAX_UPLOADS=str(THREADS), **OFFLOAD)
    httpx.post(f"{service.url}/buckets", json={"name": "photos"}, headers=bearer()).raise_for_status()
    return service


@pytest.fixture
def gateway(service: RunningService, tmp_path: Path) -> Iterator[NginxGateway]:
    with NginxGateway(service, tmp_path / "nginx") as nginx:
        yield nginx


class SlowUpload:
    """An upload of `size` bytes of which half are sent at once, and the rest by `finish`."""

    def __init__(self, gateway: NginxGateway, key: str, size: int = 2 * MIB, login: str | None = None) -> None:
        self.rest = b"x" * (size // 2)
        self.connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
        head = [f"PUT /files/upload-direct/photos/{key} HTTP/1.1", "Host: localhost", f"Content-Length: {size}"]
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


def test_slow_uploads_hold_no_thread(service: RunningService, gateway: NginxGateway) -> None:
    count = 10 * THREADS
    with ExitStack() as stack:
        uploads = [stack.enter_context(SlowUpload(gateway, f"{number}.bin")) for number in range(count)]
        wait_until(lambda: len(spooled(service)) == count)
        assert httpx.get(f"{gateway.url}/health", timeout=10).status_code == 200
        assert httpx.get(f"{service.url}/health", timeout=10).status_code == 200
        assert [upload.finish().status for upload in uploads] == [201] * count
    listed = httpx.get(f"{gateway.url}/files/list/photos", headers=bearer()).json()
    assert [file["size"] for file in listed] == [2 * MIB] * count
    assert_nothing_left(service)


def test_slow_downloads_hold_no_thread(service: RunningService, gateway: NginxGateway) -> None:
    """Answers larger than what sockets hold, of which nobody reads."""
    httpx.put(f"{service.url}/files/upload-direct/photos/large.bin", content=b"x" * 16 * MIB, headers=bearer())
    with ExitStack() as stack:
        for _ in range(10 * THREADS):
            reader = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
            reader.sendall(
                b"GET /files/download/photos/large.bin HTTP/1.1\r\nHost: localhost\r\n"
                + f"Authorization: Bearer {token()}\r\n\r\n".encode()
            )
            assert reader.recv(1024).startswith(b"HTTP/1.1 200 OK")
        assert httpx.get(f"{gateway.url}/health", timeout=10).status_code == 200


def test_killed_nginx_leaves_nothing_for_long(service: RunningService, gateway: NginxGateway) -> None:
    with SlowUpload(gateway, "cut.bin") as upload:
        wait_until(lambda: spooled(service) != [])
        (left,) = spooled(service)
        kill_with_workers(gateway)
        with pytest.raises(OSError):  # noqa: PT011  reset, or closed
            upload.finish()
    again = NginxGateway(service, gateway.directory.with_name("again"))
    with again, SlowUpload(again, "kept.bin") as kept:
        wait_until(lambda: any(path != left for path in spooled(service)))
        os.utime(left, (0, 0))  # it is kept for as long as a request may name it
        service.stop()
        service.start()  # recovers: what nobody has open is collected
        assert left not in spooled(service)
        assert kept.finish().status == 201
    wait_until(lambda: spooled(service) == [])
    assert [name for name in bucket_on_disk(service, "photos") if "cut" in name] == []


def test_service_killed_while_nginx_spools_is_a_clear_error(service: RunningService, gateway: NginxGateway) -> None:
    with SlowUpload(gateway, "cut.bin") as upload:
        wait_until(lambda: spooled(service) != [])
        service.kill()
        assert_problem(upload.finish(), 503, "unavailable")
    wait_until(lambda: spooled(service) == [])
    service.start()
    assert_nothing_left(service)
    assert bucket_on_disk(service, "photos") == [".bucket.json"]


def test_service_that_is_back_in_time_takes_the_upload(service: RunningService, gateway: NginxGateway) -> None:
    with SlowUpload(gateway, "kept.bin") as upload:
        wait_until(lambda: spooled(service) != [])
        service.kill()
        service.start()
        assert upload.finish().status == 201
    assert_nothing_left(service)


def test_login_that_expires_meanwhile_was_good_when_it_came(service: RunningService, gateway: NginxGateway) -> None:
    leeway = 30
    with SlowUpload(gateway, "slow.bin", login=token(expires_in=1 - leeway)) as upload:
        wait_until(lambda: spooled(service) != [])
        expired = time.time() + 1.5  # `exp` has whole seconds
        wait_until(lambda: time.time() >= expired)
        assert upload.finish().status == 201


def kill_with_workers(gateway: NginxGateway) -> None:
    assert gateway.process is not None
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text().split()
    for pid in (gateway.process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait(30)
