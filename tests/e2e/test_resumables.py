"""Resumable uploads on a real service, straight and through nginx: lost and silent connections, kills, many at once."""

import base64
import hashlib
import itertools
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.disruptions import wait_until
from tests.support.nginx import OFFLOAD, NginxGateway
from tests.support.raw_http import Listener, SlowClient
from tests.support.service import RunningService, bearer
from tests.support.tus import ENDPOINT, PIECE, VERSION, OverHttp, Tus, metadata

MIB = 1024 * 1024
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("resumable") / "store", **OFFLOAD, DURABILITY="fsync") as running:
        yield running


@pytest.fixture(scope="module")
def gateway(fast: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxGateway]:
    with NginxGateway(fast, tmp_path_factory.mktemp("resumable-nginx")) as nginx:
        yield nginx


@pytest.fixture(params=["straight", "nginx"])
def listener(request: pytest.FixtureRequest, fast: RunningService) -> Any:
    return fast if request.param == "straight" else request.getfixturevalue("gateway")


@pytest.fixture
def tus(listener: Any) -> Tus:
    return Tus(OverHttp(listener.url))


def in_new_bucket(tus: Tus, **settings: object) -> dict[str, str]:
    """Make a bucket, and return the metadata of a file in it."""
    name = f"photos-{next(NUMBERS)}"
    body = json.dumps({"name": name, **settings}).encode()
    created = tus.ask("POST", "/buckets", bearer() | {"Content-Type": "application/json"}, body)
    assert created.status_code == 201, created.text
    return metadata(bucket_id=name, file_id="new.bin")


def _name(where: dict[str, str]) -> str:

    return base64.b64decode(where["Upload-Metadata"].split(",")[0].split(" ")[1]).decode()


def content_hash(tus: Tus, where: dict[str, str]) -> str:
    answer = tus.ask("GET", f"/files/info/{_name(where)}/new.bin", bearer())
    assert answer.status_code == 200, answer.text
    return str(json.loads(answer.text)["sha256"])


def begun(listener: Listener, upload: str, offset: int, length: int, data: bytes) -> SlowClient:
    """Begin a PATCH of `length` bytes, and send `data` of it."""
    headers = [
        *VERSION.items(),
        *PIECE.items(),
        ("Upload-Offset", str(offset)),
        ("Content-Length", str(length)),
    ]
    client = SlowClient(listener, f"PATCH {upload}", headers)
    client.send(data)
    return client


def arrived(service: RunningService, upload: str, size: int) -> None:
    """Wait until so many bytes of an upload are on the disk."""
    data = service.storage_path / ".system" / "resumable" / upload.rpartition("/")[2] / "data"
    wait_until(lambda: data.stat().st_size >= size)


def test_silent_connection_gives_way_to_its_client(tus: Tus, listener: Any, fast: RunningService) -> None:
    where = in_new_bucket(tus)
    data = os.urandom(4 * MIB)
    upload = tus.created(len(data), Upload_Metadata=where["Upload-Metadata"])
    with begun(listener, upload, 0, len(data), data[:MIB]):
        arrived(fast, upload, MIB)
        began = time.monotonic()
        offset = tus.offset(upload)
        assert tus.patch(upload, offset, data[offset:]).status_code == 204
        seconds = time.monotonic() - began
    assert (offset, seconds < 5) == (MIB, True), seconds
    assert content_hash(tus, where) == hashlib.sha256(data).hexdigest()


def test_writer_that_sends_keeps_others_out(tus: Tus, listener: Any, fast: RunningService) -> None:
    where = in_new_bucket(tus)
    data = os.urandom(2 * MIB)
    upload = tus.created(len(data), Upload_Metadata=where["Upload-Metadata"])
    with begun(listener, upload, 0, len(data), data[:MIB]) as writer, ThreadPoolExecutor(1) as other:
        arrived(fast, upload, MIB)
        second = other.submit(tus.patch, upload, MIB, b"x")
        sent = MIB
        while not second.done():
            writer.send(data[sent : sent + 20])
            sent += 20
            threading.Event().wait(0.1)  # the pace of the client that is tried
        assert second.result().status_code == 423
        writer.send(data[sent:])
        assert writer.answer().status == 204
    assert content_hash(tus, where) == hashlib.sha256(data).hexdigest()


def test_lost_connection_keeps_what_came(tus: Tus, listener: Any, fast: RunningService) -> None:
    where = in_new_bucket(tus)
    data = os.urandom(3 * MIB)
    upload = tus.created(len(data), Upload_Metadata=where["Upload-Metadata"])
    offset = 0
    for lost in (MIB, 2 * MIB):
        with begun(listener, upload, offset, len(data) - offset, data[offset:lost]):
            arrived(fast, upload, lost)
        offset = tus.offset(upload)
        assert offset == lost
    assert tus.patch(upload, offset, data[offset:]).status_code == 204
    assert content_hash(tus, where) == hashlib.sha256(data).hexdigest()


def test_piece_with_a_checksum_that_was_cut_does_not_count(tus: Tus, listener: Any, fast: RunningService) -> None:
    upload = tus.created(2 * MIB, Upload_Metadata=in_new_bucket(tus)["Upload-Metadata"])
    tus.patch(upload, 0, b"x" * 100)
    headers = [
        *VERSION.items(), *PIECE.items(), ("Upload-Offset", "100"), ("Content-Length", str(MIB)),
        ("Upload-Checksum", "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
    ]  # fmt: skip
    with SlowClient(listener, f"PATCH {upload}", headers) as client:
        client.send(b"y" * 500_000)
        arrived(fast, upload, 500_000)
    assert tus.offset(upload) == 100


def test_killed_worker_loses_nothing_that_came(start_service: Callable[..., RunningService]) -> None:
    service = start_service(DURABILITY="fsync")
    tus = Tus(OverHttp(service.url))
    where = in_new_bucket(tus)
    data = os.urandom(3 * MIB)
    upload = tus.created(len(data), Upload_Metadata=where["Upload-Metadata"])
    for came in (MIB, 2 * MIB):
        offset = tus.offset(upload)
        with begun(service, upload, offset, len(data) - offset, data[offset:came]):
            arrived(service, upload, came)
            service.kill()
        service.start()
        assert tus.offset(upload) == came
    assert tus.patch(upload, 2 * MIB, data[2 * MIB :]).status_code == 204
    assert content_hash(tus, where) == hashlib.sha256(data).hexdigest()


def test_upload_goes_on_without_its_index(start_service: Callable[..., RunningService]) -> None:
    service = start_service()
    tus = Tus(OverHttp(service.url))
    where = in_new_bucket(tus, quota=100)
    upload = tus.created(80, b"x" * 30, Upload_Metadata=where["Upload-Metadata"])
    service.stop()
    for path in (service.storage_path / ".system").glob("index.sqlite3*"):
        path.unlink()
    service.start()
    assert tus.create(30, Upload_Metadata=where["Upload-Metadata"]).status_code == 413
    assert tus.patch(upload, 30, b"x" * 50).status_code == 204


def test_exactly_those_get_room_that_fit_into_the_quota(tus: Tus) -> None:
    where = in_new_bucket(tus, quota=10_000)
    with ThreadPoolExecutor(16) as creators:
        answers = list(
            creators.map(
                lambda number: tus.create(
                    1500, Upload_Metadata=metadata(bucket_id=_name(where), file_id=str(number))["Upload-Metadata"]
                ),
                range(16),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [201] * 6 + [413] * 10
    created = next(answer for answer in answers if answer.status_code == 201)
    ended = f"{ENDPOINT}/{created.headers['Location'].rpartition('/')[2]}"
    assert tus.delete(ended).status_code == 204
    assert tus.create(1500, Upload_Metadata=where["Upload-Metadata"]).status_code == 201


def test_room_comes_back_when_an_upload_expires(start_service: Callable[..., RunningService]) -> None:
    service = start_service()
    tus = Tus(OverHttp(service.url))
    where = in_new_bucket(tus, quota=100)
    upload = tus.created(100, b"x" * 10, Upload_Metadata=where["Upload-Metadata"])
    service.stop()
    directory = service.storage_path / ".system" / "resumable" / upload.rpartition("/")[2]
    record = json.loads((directory / "upload.json").read_text())
    past = datetime.now(UTC) - timedelta(seconds=1)
    (directory / "upload.json").write_text(json.dumps(record | {"expires_at": past.isoformat()}))
    service.start()
    assert tus.head(upload).status_code == 410
    wait_until(lambda: not directory.exists())
    wait_until(lambda: tus.create(100, Upload_Metadata=where["Upload-Metadata"]).status_code == 201)


def test_ids_of_uploads_are_in_no_log(start_service: Callable[..., RunningService]) -> None:
    service = start_service(LOG_LEVEL="DEBUG")
    tus = Tus(OverHttp(service.url))
    where = in_new_bucket(tus)
    upload = tus.created(3, Upload_Metadata=where["Upload-Metadata"])
    upload_id = upload.rpartition("/")[2]
    tus.patch(upload, 1, b"x")
    tus.patch(upload, 0, b"abc")
    tus.head(upload.replace("/resumable/", "/resumabl%2565/"))
    tus.head(upload.replace("/resumable/", "/resumable/x/"))
    tus.ask("GET", upload)
    tus.ask("DELETE", f"{upload}/", VERSION)
    service.stop()
    log = service.log_path.read_text()
    assert re.search(r'path="/files/resumable/(?:…|\\u2026)"', log)
    assert upload_id not in log
