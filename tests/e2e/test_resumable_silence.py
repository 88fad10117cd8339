"""Connections of resumable uploads that fall silent without closing, many at once: their clients are in again soon."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import Answer, Headers, SlowClient, send
from tests.support.service import RunningService, bearer
from tests.support.tus import PIECE, VERSION, OverHttp, Tus, metadata

KIB = 1024
SIZE, SENT = 1024 * KIB, 200 * KIB
SECONDS = 5
THREADS = 8  # in each of two workers


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    settings = {**OFFLOAD, "THREADS": str(THREADS), "MAX_UPLOADS": str(THREADS)}
    path = tmp_path_factory.mktemp("resumable-silence") / "store"
    with RunningService(path, **settings, DURABILITY="fsync") as service:
        httpx.post(f"{service.url}/buckets", json={"name": "films"}, headers=bearer()).raise_for_status()
        yield service


@pytest.fixture(params=["straight", "nginx"])
def listener(
    quiet: RunningService, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    if request.param == "straight":
        yield quiet
        return
    with NginxGateway(quiet, tmp_path_factory.mktemp("resumable-silence-nginx")) as gateway:
        yield gateway


class Uploader:
    """A client whose connections are lost without a word."""

    def __init__(self, listener: Any, service: RunningService, key: str) -> None:
        self.data = os.urandom(SIZE)
        self._key = key
        self._listener = listener
        self._service = service
        header = metadata(bucket_id="films", file_id=key)["Upload-Metadata"]
        self._path = Tus(OverHttp(service.url)).created(SIZE, Upload_Metadata=header)

    def fall_silent(self, stack: ExitStack, start: int) -> None:
        """Begin to send all that follows `start`, and stop after some of it, which arrives."""
        client = stack.enter_context(SlowClient(self._listener, f"PATCH {self._path}", self._headers(start)))
        client.send(self.data[start : start + SENT])
        upload = self._service.storage_path / ".system" / "resumable" / self._path.rpartition("/")[2]
        # gunicorn's own worker passes bytes on when it has as many as it was asked for.
        least = 1 if RunningService.worker == "gthread" else SENT
        wait_until(lambda: (upload / "data").stat().st_size >= start + least)

    def go_on(self) -> tuple[int, float]:
        """Send the rest, again after 423 and 503. Returns its offset, and how many seconds it took."""
        began = time.monotonic()
        while True:
            offset = self.offset()
            answer = self._unless_busy(f"PATCH {self._path}", self._headers(offset), self.data[offset:])
            if answer is not None:
                assert answer.status == 204, answer
                return offset, time.monotonic() - began

    def offset(self) -> int:
        while (answer := self._unless_busy(f"HEAD {self._path}", VERSION.items())) is None:
            pass
        assert answer.status == 200, answer
        return int(answer.headers["Upload-Offset"])

    def _unless_busy(self, line: str, headers: Headers, body: bytes = b"") -> Answer | None:
        answer = send(self._listener, line, headers, body)
        if answer.status not in (423, 503):
            return answer
        assert answer.status == 423 or "Retry-After" in answer.headers
        threading.Event().wait(0.25)  # most clients of tus know no Retry-After
        return None

    def _headers(self, offset: int) -> list[tuple[str, str]]:
        lengths = {"Upload-Offset": str(offset), "Content-Length": str(SIZE - offset)}
        return [*{**VERSION, **PIECE, **lengths}.items()]

    def assert_arrived(self) -> None:
        file = httpx.get(f"{self._service.url}/files/info/films/{self._key}", headers=bearer()).json()
        assert file["sha256"] == hashlib.sha256(self.data).hexdigest()


def test_all_places_of_silent_connections_go_back_to_their_clients(listener: Any, quiet: RunningService) -> None:
    uploaders = [Uploader(listener, quiet, f"{listener.port}-{number}") for number in range(THREADS)]
    with ExitStack() as stack, ThreadPoolExecutor(THREADS) as clients:
        for uploader in uploaders:
            uploader.fall_silent(stack, 0)
        went_on = [clients.submit(uploader.go_on) for uploader in uploaders]
        began = time.monotonic()
        assert send(listener, "GET /health").status == 200
        health_seconds = time.monotonic() - began
        ends = [each.result() for each in went_on]
    assert all(0 < offset <= SENT if RunningService.worker == "gthread" else offset == SENT for offset, _ in ends)
    assert max(seconds for _, seconds in ends) < SECONDS
    assert health_seconds < 1
    for uploader in uploaders:
        uploader.assert_arrived()


def test_client_that_loses_one_connection_after_another_gets_on(quiet: RunningService) -> None:
    uploader = Uploader(quiet, quiet, "again")
    with ExitStack() as stack:
        acknowledged = [0]
        for _ in range(2):
            uploader.fall_silent(stack, acknowledged[-1])
            acknowledged.append(uploader.offset())
        offset, seconds = uploader.go_on()
    assert acknowledged == sorted(set(acknowledged))
    assert (offset, seconds < SECONDS) == (acknowledged[-1], True), seconds
    uploader.assert_arrived()
