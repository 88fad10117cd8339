"""Downloads that nginx carries, while the same files are overwritten, edited, deleted and made again.

The service tells nginx a path, and nginx opens it later: what was replaced in between must still be there.
`--long`: several minutes, in which the service itself removes what was replaced.
"""

import hashlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from storage_app.maintenance.collect import GRACE
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.service import RunningService, bearer, wait_briefly

SIZE = 60_000
READERS = 5
ROUNDS = 15
# Replaced bytes stay for a minute, and a collection comes every quarter of one.
LONG_SECONDS = 150

OVERWRITTEN = ("over-1.bin", "over-2.bin", "over-3.bin")
RECREATED = ("gone-1.bin", "gone-2.bin")
KEYS = OVERWRITTEN + RECREATED


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxGateway]:
    directory = tmp_path_factory.mktemp("nginx")
    with RunningService(directory / "store", **OFFLOAD) as service, NginxGateway(service, directory / "nginx") as nginx:
        yield nginx


def version(key: str, turn: int) -> bytes:
    """A file whose every byte follows from its first ones, so that a mix of two shows."""
    return hashlib.shake_256(f"{key}-{turn}".encode()).digest(SIZE)


class Race:
    """Writers and readers of the same few files, and what they saw."""

    def __init__(self, gateway: NginxGateway, bucket: str, *, seconds: float) -> None:
        self.gateway = gateway
        self.bucket = bucket
        self.until = time.monotonic() + seconds
        self.versions: dict[str, set[str]] = {key: set() for key in KEYS}
        self.written = threading.Event()
        self.wrong: list[str] = []
        self.seen: Counter[str] = Counter()
        self._counting = threading.Lock()

    def run(self) -> None:
        with self.client() as client:
            for key in KEYS:
                self.put(client, key, 0)
        writers = [
            *(self.writer(self.overwrite, key) for key in OVERWRITTEN),
            *(self.writer(self.edit, key) for key in OVERWRITTEN),
            *(self.writer(self.recreate, key) for key in RECREATED),
        ]
        with ThreadPoolExecutor(READERS + len(writers)) as pool:
            readers = [pool.submit(self.read, first) for first in range(READERS)]
            try:
                for done in [pool.submit(write) for write in writers]:
                    done.result()
            finally:
                self.written.set()
            for reader in readers:
                reader.result()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.gateway.url, headers=bearer(), timeout=30)

    def writer(self, write: Callable[[httpx.Client, str, int], None], key: str) -> Callable[[], None]:
        def run() -> None:
            with self.client() as client:
                for turn in itertools.takewhile(self.goes_on, itertools.count(1)):
                    write(client, key, turn)

        return run

    def goes_on(self, turn: int) -> bool:
        return turn <= ROUNDS or time.monotonic() < self.until

    def replaced(self) -> int:
        """Count the versions that are the current one no more."""
        return sum(len(versions) for versions in self.versions.values()) - len(KEYS)

    def overwrite(self, client: httpx.Client, key: str, turn: int) -> None:
        assert self.put(client, key, turn).status_code == 200

    def edit(self, client: httpx.Client, key: str, turn: int) -> None:
        response = client.put(f"/files/metadata/{self.bucket}/{key}", json={"metadata": {"turn": turn}})
        assert response.status_code == 200, response.text

    def recreate(self, client: httpx.Client, key: str, turn: int) -> None:
        deleted = client.delete(f"/files/{self.bucket}/{key}")
        assert deleted.status_code == 204, deleted.text
        assert self.put(client, key, turn).status_code == 201

    def put(self, client: httpx.Client, key: str, turn: int) -> httpx.Response:
        content = version(key, turn)
        self.versions[key].add(hashlib.sha256(content).hexdigest())  # known before any reader can get it
        response = client.put(f"/files/upload-direct/{self.bucket}/{key}", content=content)
        assert response.status_code in (200, 201), response.text
        return response

    def read(self, first: int) -> None:
        """Read the files in turn, each reader from another one on, until the last is written."""
        with self.client() as client:
            for key in itertools.cycle(KEYS[first % len(KEYS) :] + KEYS[: first % len(KEYS)]):
                kind = self.judge(key, client.get(f"/files/download/{self.bucket}/{key}"))
                with self._counting:
                    self.seen[kind] += 1
                if self.written.is_set():
                    return

    def judge(self, key: str, response: httpx.Response) -> str:
        """Say what kind of answer this is; what must not be is written down."""
        digest = hashlib.sha256(response.content).hexdigest()
        if response.status_code == 200 and response.headers["ETag"] == f'"{digest}"' and digest in self.versions[key]:
            return "whole"
        if key in RECREATED and is_not_found_by_the_service(response):
            return "absent"
        self.wrong.append(f"{key}: {response.status_code} {response.headers} {response.content[:200]!r}")
        return "wrong"


def is_not_found_by_the_service(response: httpx.Response) -> bool:
    """Tell the service's own answer from nginx's page about a path that is not there."""
    problem = response.headers.get("Content-Type") == "application/problem+json"
    return response.status_code == 404 and problem and response.json()["code"] == "file_not_found"


def make_bucket(gateway: NginxGateway, name: str) -> str:
    httpx.post(f"{gateway.url}/buckets", json={"name": name}, headers=bearer()).raise_for_status()
    return name


def test_download_that_races_writers_gets_a_whole_version(gateway: NginxGateway, long: bool) -> None:
    began = time.monotonic()
    race = Race(gateway, make_bucket(gateway, "race"), seconds=LONG_SECONDS if long else 0)

    race.run()

    assert race.wrong == []
    assert race.seen["whole"] > ROUNDS
    left = len(list((gateway.service.storage_path / race.bucket).glob("??/*-*-*"))) - len(KEYS)
    if time.monotonic() - began < GRACE.total_seconds():
        assert left == race.replaced()
    if long:
        assert left < race.replaced()


def test_answer_carried_by_nginx_is_that_of_the_service(gateway: NginxGateway) -> None:
    bucket = make_bucket(gateway, "carried")
    path, before = f"/files/download/{bucket}/a%20b/%C3%A9.txt", gateway.carried()
    httpx.put(f"{gateway.url}/files/upload-direct/{bucket}/a b/é.txt", content=b"abc", headers=bearer())

    for headers in (bearer(), bearer() | {"Range": "bytes=1-"}):
        carried, sent = (httpx.get(f"{url}{path}", headers=headers) for url in (gateway.url, gateway.service.url))
        assert (carried.status_code, carried.content) == (sent.status_code, sent.content)
        assert particular(carried) == particular(sent)

    wait_until(lambda: gateway.carried() == before + 2)


def particular(response: httpx.Response) -> dict[str, str]:
    """The headers of an answer, without those of the connection and of the one request."""
    return {
        name: value
        for name, value in response.headers.items()
        if name not in ("connection", "date", "server", "x-request-id")
    }


def wait_until(condition: Callable[[], bool], looks: int = 250) -> None:
    for _ in range(looks):
        if condition():
            return
        wait_briefly()
    raise AssertionError("it did not come true in time")
