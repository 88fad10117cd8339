"""Uploads on their way into the spool: together they stay within the quota, the free space and MAX_UPLOADS."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support.disk import small_disk
from tests.support.disruptions import wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import Answer, SlowClient, assert_problem
from tests.support.service import RunningService, bearer

MIB = 1024 * 1024
SIZE = 8 * MIB
MIN_FREE = 16 * MIB
MAX_UPLOADS = 6
HEADERS = [("Content-Length", str(SIZE)), ("Authorization", bearer()["Authorization"])]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxGateway]:
    directory = tmp_path_factory.mktemp("spool")
    limits = {"MIN_FREE_BYTES": str(MIN_FREE), "MAX_UPLOADS": str(MAX_UPLOADS)}
    with (
        small_disk(directory / "disk", size="56m", files=3000) as disk,
        RunningService(disk.path / "store", **OFFLOAD, **limits) as service,
        NginxGateway(service, directory / "nginx") as nginx,
    ):
        yield nginx


@pytest.fixture
def create(gateway: NginxGateway) -> Iterator[Callable[[str, int | None], None]]:
    with httpx.Client(base_url=gateway.service.url, headers=bearer()) as client:
        names: list[str] = []

        def make(name: str, quota: int | None = None) -> None:
            client.post("/buckets", json={"name": name, "quota": quota}).raise_for_status()
            names.append(name)

        yield make
        for name in names:
            client.delete(f"/buckets/{name}", params={"force": "true"}).raise_for_status()


class Upload(SlowClient):
    """An upload of which a part has been sent."""

    def __init__(self, gateway: NginxGateway, path: str, *, sent: int = MIB) -> None:
        super().__init__(gateway, f"PUT /files/upload-direct/{path}", HEADERS)
        self.send(b"x" * sent)
        self.rest = SIZE - sent

    def finish(self) -> Answer:
        self.send(b"x" * self.rest)
        return self.answer()


def spooled(gateway: NginxGateway, count: int) -> None:
    """Wait until that many bodies are on their way into the spool."""
    wait_until(lambda: len(list((gateway.service.storage_path / ".system" / "spool").iterdir())) == count)


def test_first_upload_takes_the_quota_and_the_others_are_refused_at_once(
    gateway: NginxGateway, create: Callable[..., None]
) -> None:
    create("narrow", SIZE + MIB)
    with Upload(gateway, "narrow/first") as first, ExitStack() as stack:
        spooled(gateway, 1)
        for number in range(11):
            late = stack.enter_context(Upload(gateway, f"narrow/{number}", sent=0))
            assert_problem(late.answer(), 413, "quota_exceeded")
        assert first.finish().status == 201
    assert httpx.get(f"{gateway.service.url}/buckets/narrow", headers=bearer()).json()["total_size"] == SIZE


def test_client_that_leaves_gives_its_space_back(gateway: NginxGateway, create: Callable[..., None]) -> None:
    create("brief", SIZE + MIB)
    with Upload(gateway, "brief/left"):
        spooled(gateway, 1)

    def is_taken() -> bool:
        with Upload(gateway, "brief/next") as upload:
            return upload.finish().status == 201

    wait_until(is_taken)


def test_disk_keeps_its_free_space(gateway: NginxGateway, create: Callable[..., None]) -> None:
    # The last one here: the space of deleted files is free after a minute only.
    create("wide")
    store = gateway.service.storage_path
    may_begin = (shutil.disk_usage(store).free - MIN_FREE) // SIZE
    assert 2 <= may_begin < MAX_UPLOADS
    with ExitStack() as stack:
        begun = []
        for number in range(may_begin):
            begun.append(stack.enter_context(Upload(gateway, f"wide/{number}")))
            spooled(gateway, number + 1)
        late = stack.enter_context(Upload(gateway, "wide/late", sent=0))
        assert_problem(late.answer(), 507, "insufficient_storage")
        straight = httpx.put(
            f"{gateway.service.url}/files/upload-direct/wide/straight", content=b"x" * SIZE, headers=bearer()
        )
        assert straight.status_code == 507
        assert [upload.finish().status for upload in begun] == [201] * may_begin
    assert shutil.disk_usage(store).free >= MIN_FREE


def test_bodies_in_the_spool_are_bounded_by_max_uploads(tmp_path: Path) -> None:
    with RunningService(tmp_path / "store", **OFFLOAD, MAX_UPLOADS="1") as service, ExitStack() as stack:
        nginx = stack.enter_context(NginxGateway(service, tmp_path / "nginx"))
        httpx.post(f"{service.url}/buckets", json={"name": "few"}, headers=bearer()).raise_for_status()
        begun = []
        for number in range(20):
            begun.append(stack.enter_context(Upload(nginx, f"few/{number}")))
            spooled(nginx, number + 1)
        late = stack.enter_context(Upload(nginx, "few/late", sent=0))
        assert_problem(late.answer(), 503, "too_many_uploads")
        assert [upload.finish().status for upload in begun] == [201] * 20
        with Upload(nginx, "few/late") as late:
            assert late.finish().status == 201


def test_one_address_has_a_number_of_uploads(tmp_path: Path) -> None:
    with RunningService(tmp_path / "store", **OFFLOAD) as service, ExitStack() as stack:
        nginx = stack.enter_context(NginxGateway(service, tmp_path / "nginx"))
        httpx.post(f"{service.url}/buckets", json={"name": "many"}, headers=bearer()).raise_for_status()
        for number in range(32):
            stack.enter_context(Upload(nginx, f"many/{number}"))
        spooled(nginx, 32)
        late = stack.enter_context(Upload(nginx, "many/late", sent=0))
        assert_problem(late.answer(), 503, "too_many_uploads")
