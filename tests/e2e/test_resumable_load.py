"""More resumable uploads at once than there are places: clients that are refused go on, and others do not notice.

`--long`: 64 uploads, each at 256 KiB/s, beside `GET /health`, whose 99th percentile stays under 100 ms.
"""

import base64
import hashlib
import os
import select
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import httpx
import pytest

from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import Answer, Headers, Listener, SlowClient, send
from tests.support.service import RunningService, bearer
from tests.support.tus import ENDPOINT, PIECE, VERSION

KIB = 1024
BYTES_PER_SECOND = 256 * KIB
STEP_BYTES = 32 * KIB
P99_SECONDS = 0.1


@dataclass(frozen=True)
class Form:
    uploads: int
    size: int
    places: int  # MAX_UPLOADS


SHORT = Form(uploads=8, size=320 * KIB, places=5)
LONG = Form(uploads=64, size=4 * 1024 * KIB, places=48)


@pytest.fixture(scope="module")
def form(long: bool) -> Form:
    return LONG if long else SHORT


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, form: Form) -> Iterator[RunningService]:
    path = tmp_path_factory.mktemp("resumable-load") / "store"
    with RunningService(path, **OFFLOAD, MAX_UPLOADS=str(form.places), DURABILITY="fsync") as service:
        httpx.post(f"{service.url}/buckets", json={"name": "films"}, headers=bearer()).raise_for_status()
        yield service


@pytest.fixture(params=["straight", "nginx"])
def listener(
    busy: RunningService, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Listener]:
    if request.param == "straight":
        yield busy
        return
    with NginxGateway(busy, tmp_path_factory.mktemp("resumable-load-nginx")) as gateway:
        yield gateway


class Uploader:
    """A client that sends at a steady pace, and asks for the offset and goes on whenever it was refused."""

    def __init__(self, listener: Listener, key: str, size: int) -> None:
        self.key = key
        self.data = os.urandom(size)
        self.statuses: Counter[int] = Counter()
        self._listener = listener

    def upload(self) -> None:
        path = self._created()
        while True:
            answer = self._patch(path, self._offset(path))
            self.statuses[answer.status] += 1
            if answer.status == 204:
                return
            assert (answer.status, "Retry-After" in answer.headers) == (503, True), answer.body
            threading.Event().wait(0.5)  # most clients of tus know no Retry-After

    def _created(self) -> str:
        pairs = {"bucket_id": b"films", "file_id": self.key.encode()}
        metadata = ",".join(f"{name} {base64.b64encode(value).decode()}" for name, value in pairs.items())
        answer = self._ask("POST", ENDPOINT, ("Upload-Length", str(len(self.data))), ("Upload-Metadata", metadata))
        assert answer.status == 201, answer.body
        return f"{ENDPOINT}/{answer.headers['Location'].rpartition('/')[2]}"

    def _offset(self, path: str) -> int:
        answer = self._ask("HEAD", path)
        assert answer.status == 200
        return int(answer.headers["Upload-Offset"])

    def _ask(self, method: str, path: str, *headers: tuple[str, str]) -> Answer:
        return send(self._listener, f"{method} {path}", [*VERSION.items(), *bearer().items(), *headers])

    def _patch(self, path: str, offset: int) -> Answer:
        rest = memoryview(self.data)[offset:]
        lengths: Headers = [("Upload-Offset", str(offset)), ("Content-Length", str(len(rest)))]
        with SlowClient(self._listener, f"PATCH {path}", [*VERSION.items(), *PIECE.items(), *lengths]) as client:
            began = time.monotonic()
            with suppress(OSError):  # refused; the answer is there
                for start in range(0, len(rest), STEP_BYTES):
                    due = began + start / BYTES_PER_SECOND - time.monotonic()
                    if select.select([client.connection], [], [], max(due, 0))[0]:
                        break  # an answer before the end
                    client.send(bytes(rest[start : start + STEP_BYTES]))
            return client.answer()


def health_seconds(listener: Listener) -> float:
    began = time.monotonic()
    assert send(listener, "GET /health").status == 200
    return time.monotonic() - began


def test_more_uploads_than_places_all_arrive(
    listener: Listener, busy: RunningService, form: Form, long: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    uploaders = [Uploader(listener, f"{listener.port}-{number}", form.size) for number in range(form.uploads)]
    seconds = []
    with ThreadPoolExecutor(form.uploads) as pool:
        uploads = [pool.submit(uploader.upload) for uploader in uploaders]
        while not all(upload.done() for upload in uploads):
            seconds.append(health_seconds(listener))
            threading.Event().wait(0.02)  # the pace of who asks
    for upload in uploads:
        upload.result()
    statuses = sum((uploader.statuses for uploader in uploaders), Counter[int]())
    assert (set(statuses), statuses[204]) == ({204, 503}, form.uploads)
    for uploader in uploaders:
        file = httpx.get(f"{busy.url}/files/info/films/{uploader.key}", headers=bearer()).json()
        assert file["sha256"] == hashlib.sha256(uploader.data).hexdigest()
    p99 = sorted(seconds)[int(len(seconds) * 0.99)]
    if long:
        with capsys.disabled():
            sys.stdout.write(f"\n{statuses[503]} refusals; /health p99 {p99 * 1000:.0f} ms of {len(seconds)}\n")
    assert not long or p99 < P99_SECONDS, p99
