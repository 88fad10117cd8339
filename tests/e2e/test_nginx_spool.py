"""Uploads on their way into the spool: together they stay within the quota, the free space and MAX_UPLOADS."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from storage_app.host.layout import Layout
from storage_app.index import Index
from tests.support.disk import small_disk
from tests.support.disruptions import wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import Answer, Headers, SlowClient, assert_problem
from tests.support.service import ANON_KEY, RunningService, bearer

MIB = 1024 * 1024
SIZE = 8 * MIB
MIN_FREE = 16 * MIB
MAX_UPLOADS = 6
ALICE = list(bearer().items())
ANONYMOUS = [("apikey", ANON_KEY)]


@contextmanager
def small_gateway(directory: Path, *, size: str) -> Iterator[NginxGateway]:
    """Run nginx and the service on a disk of that size."""
    limits = {"MIN_FREE_BYTES": str(MIN_FREE), "MAX_UPLOADS": str(MAX_UPLOADS)}
    with (
        small_disk(directory / "disk", size=size, files=3000) as disk,
        RunningService(disk.path / "store", **OFFLOAD, **limits) as service,
        NginxGateway(service, directory / "nginx") as nginx,
    ):
        yield nginx


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxGateway]:
    with small_gateway(tmp_path_factory.mktemp("spool"), size="72m") as nginx:
        yield nginx


def create_bucket(gateway: NginxGateway, name: str, **settings: Any) -> None:
    body = {"name": name, **settings}
    httpx.post(f"{gateway.service.url}/buckets", json=body, headers=bearer()).raise_for_status()


@pytest.fixture
def create(gateway: NginxGateway) -> Iterator[Callable[..., None]]:
    names: list[str] = []

    def make(name: str, **settings: Any) -> None:
        create_bucket(gateway, name, **settings)
        names.append(name)

    yield make
    for name in names:
        url = f"{gateway.service.url}/buckets/{name}"
        httpx.delete(url, params={"force": "true"}, headers=bearer()).raise_for_status()


class Upload(SlowClient):
    """An upload of `size` bytes, of which `sent` have been sent."""

    def __init__(
        self, gateway: NginxGateway, path: str, *, sent: int = MIB, size: int = SIZE, by: Headers = ALICE
    ) -> None:
        super().__init__(gateway, f"PUT /files/upload-direct/{path}", [("Content-Length", str(size)), *by])
        self.send(b"x" * sent)
        self.rest = size - sent

    def finish(self) -> Answer:
        self.send(b"x" * self.rest)
        return self.answer()


def user(sub: str) -> Headers:
    return list(bearer(sub).items())


def bodies(gateway: NginxGateway, *, where: str) -> int:
    """Count the bodies that are partly in the `spool`, or in the `staging` of the processes that take them in."""
    return sum(path.is_file() for path in (gateway.service.storage_path / ".system" / where).rglob("*"))


def spooled(gateway: NginxGateway, count: int) -> None:
    """Wait until that many bodies are on their way into the spool."""
    wait_until(lambda: bodies(gateway, where="spool") == count)


def reserved(gateway: NginxGateway, size: int) -> None:
    """Wait until that many bytes are reserved."""
    with closing(Index(Layout(gateway.service.storage_path).index)) as index:
        wait_until(lambda: index.reserved_bytes() == size, index.reserved_bytes)


def test_first_upload_takes_the_quota_and_the_others_are_refused_at_once(
    gateway: NginxGateway, create: Callable[..., None]
) -> None:
    create("narrow", quota=SIZE + MIB)
    with Upload(gateway, "narrow/first") as first, ExitStack() as stack:
        spooled(gateway, 1)
        for number in range(11):
            late = stack.enter_context(Upload(gateway, f"narrow/{number}", sent=0))
            assert_problem(late.answer(), 413, "quota_exceeded")
        assert first.finish().status == 201
    assert httpx.get(f"{gateway.service.url}/buckets/narrow", headers=bearer()).json()["total_size"] == SIZE


def test_client_that_leaves_gives_its_space_back(gateway: NginxGateway, create: Callable[..., None]) -> None:
    create("brief", quota=SIZE + MIB)
    with Upload(gateway, "brief/left"):
        spooled(gateway, 1)

    def is_taken() -> bool:
        with Upload(gateway, "brief/next") as upload:
            return upload.finish().status == 201

    wait_until(is_taken)


def test_disk_keeps_its_free_space(gateway: NginxGateway, create: Callable[..., None]) -> None:
    # The last one here: the space of deleted files is free after a minute only.
    create("wide", grants={"@authenticated": "write"})
    store = gateway.service.storage_path
    may_begin = (shutil.disk_usage(store).free - MIN_FREE) // SIZE - 1  # the last one has to leave as much as it takes
    assert may_begin >= 2
    with ExitStack() as stack:
        begun = []
        for number in range(may_begin):
            begun.append(stack.enter_context(Upload(gateway, f"wide/{number}", by=user(f"user-{number}"))))
            spooled(gateway, number + 1)
        late = stack.enter_context(Upload(gateway, "wide/late", size=2 * SIZE, sent=0))
        assert_problem(late.answer(), 507, "insufficient_storage")
        straight = httpx.put(
            f"{gateway.service.url}/files/upload-direct/wide/straight", content=b"x" * 2 * SIZE, headers=bearer()
        )
        assert straight.status_code == 507
        assert [upload.finish().status for upload in begun] == [201] * may_begin
    assert shutil.disk_usage(store).free >= MIN_FREE


def test_stranger_leaves_space_that_one_upload_may_fill(tmp_path: Path) -> None:
    with small_gateway(tmp_path, size="56m") as gateway:
        create_bucket(gateway, "open", is_public=True)
        with ExitStack() as stack:
            for number, size in enumerate((2 * SIZE, SIZE, SIZE)):
                stack.enter_context(Upload(gateway, f"open/{number}", size=size, sent=1, by=ANONYMOUS))
            reserved(gateway, 2 * SIZE)
            with Upload(gateway, "open/spooled", by=user("bob")) as upload:
                reserved(gateway, 3 * SIZE)
                assert upload.finish().status == 201
            with Upload(gateway, "open/streamed", size=SIZE + 2 * MIB) as upload:
                assert upload.finish().status == 201
        reserved(gateway, 0)
        rest = shutil.disk_usage(gateway.service.storage_path).free - MIN_FREE - MIB
        with Upload(gateway, "open/rest", size=rest) as upload:
            assert upload.finish().status == 201


def test_bodies_in_the_spool_are_bounded_by_max_uploads(tmp_path: Path) -> None:
    """A user gets half of the places. Bodies beyond them are streamed, each in one of MAX_UPLOADS."""
    max_uploads = 2
    half = 20 * max_uploads // 2
    with RunningService(tmp_path / "store", **OFFLOAD, MAX_UPLOADS=str(max_uploads)) as service, ExitStack() as stack:
        nginx = stack.enter_context(NginxGateway(service, tmp_path / "nginx"))
        create_bucket(nginx, "few", grants={"bob": "write"})
        begun = [stack.enter_context(Upload(nginx, f"few/{number}")) for number in range(half)]
        spooled(nginx, half)
        begun += [stack.enter_context(Upload(nginx, f"few/{half + number}")) for number in range(max_uploads)]
        wait_until(lambda: bodies(nginx, where="staging") == max_uploads)
        late = stack.enter_context(Upload(nginx, "few/late", sent=0))
        assert "MAX_UPLOADS" in assert_problem(late.answer(), 503, "too_many_uploads")["detail"]
        with Upload(nginx, "few/bob", by=user("bob")) as upload:
            spooled(nginx, half + 1)
            assert upload.finish().status == 201
        assert [upload.finish().status for upload in begun] == [201] * len(begun)


def test_one_address_has_a_number_of_uploads(tmp_path: Path) -> None:
    with RunningService(tmp_path / "store", **OFFLOAD) as service, ExitStack() as stack:
        nginx = stack.enter_context(NginxGateway(service, tmp_path / "nginx"))
        create_bucket(nginx, "many")
        for number in range(32):
            stack.enter_context(Upload(nginx, f"many/{number}"))
        spooled(nginx, 32)
        late = stack.enter_context(Upload(nginx, "many/late", sent=0))
        assert_problem(late.answer(), 503, "too_many_uploads")
