"""A client that falls silent gives its thread back, and leaves nothing."""

import hashlib
import http.client
import json
import select
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.support.nginx import LEAST_SPOOLED, NginxGateway
from tests.support.raw_http import SlowClient, assert_nothing_left, assert_problem, bucket_on_disk, send
from tests.support.service import RunningService, bearer

FORM = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
LARGE_BYTES = 32 * 1024 * 1024
RANGES = [pytest.param({}, id="whole"), pytest.param({"Range": "bytes=0-9,20-"}, id="parts")]


class ImpatientService(RunningService):
    application = "tests.support.impatient:app"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with ImpatientService(tmp_path_factory.mktemp("impatient") / "store", THREADS="1", WEB_CONCURRENCY="1") as service:
        httpx.post(f"{service.url}/buckets", json={"name": "silence"}, headers=bearer()).raise_for_status()
        yield service


@pytest.mark.parametrize(
    ("method", "path", "content_type", "sent"),
    [
        pytest.param("PUT", "/files/upload-direct/silence/a", "text/plain", b"abc", id="raw"),
        pytest.param("POST", "/files/upload/silence", "multipart/form-data; boundary=cut", FORM, id="form"),
        pytest.param("POST", "/buckets", "application/json", b'{"name": ', id="JSON"),
        pytest.param("PUT", "/files/upload-direct/silence/a", "text/plain", b"", id="nothing at all"),
    ],
)
def test_silent_upload_gets_408(
    impatient: RunningService, method: str, path: str, content_type: str, sent: bytes
) -> None:
    connection = impatient.connection()
    connection.putrequest(method, path)
    for name, value in {**bearer(), "Content-Type": content_type, "Content-Length": "100"}.items():
        connection.putheader(name, value)
    connection.endheaders(sent)

    response: http.client.HTTPResponse = connection.getresponse()
    problem = json.loads(response.read())
    connection.close()

    assert (response.status, problem["code"]) == (408, "body_timeout")
    assert "seconds" in problem["detail"]
    assert_nothing_left(impatient)
    assert bucket_on_disk(impatient, "silence") == [".bucket.json"]


def test_json_that_comes_byte_by_byte_gets_408(impatient: RunningService) -> None:
    headers = [("Authorization", bearer()["Authorization"]), ("Content-Length", "1000")]
    with SlowClient(impatient, "POST /buckets", [*headers, ("Content-Type", "application/json")]) as client:
        for _ in range(100):
            client.send(b" ")
            if select.select([client.connection], [], [], 0.1)[0]:
                break
        problem = assert_problem(client.answer(), 408, "body_timeout")
    assert "did not come within" in problem["detail"]


def test_silent_large_form_gets_408_through_nginx(impatient: RunningService, tmp_path: Path) -> None:
    headers = [("Authorization", bearer()["Authorization"]), ("Content-Type", "multipart/form-data; boundary=cut")]
    headers.append(("Content-Length", str(LEAST_SPOOLED)))
    with NginxGateway(impatient, tmp_path / "nginx") as gateway:
        answer = send(gateway, "POST /files/upload/silence", headers, FORM)

    assert_problem(answer, 408, "body_timeout")
    assert_nothing_left(impatient)


@pytest.fixture
def large(impatient: RunningService) -> bytes:
    content = hashlib.shake_256(b"seed").digest(LARGE_BYTES)
    path = f"{impatient.url}/files/upload-direct/silence/large"
    httpx.put(path, content=content, headers=bearer(), timeout=30).raise_for_status()
    return content


@pytest.mark.parametrize("ranges", RANGES)
def test_reader_that_takes_nothing_gives_its_thread_back(
    impatient: RunningService, large: bytes, ranges: dict[str, str]
) -> None:
    with closing(impatient.connection()) as reader:
        reader.request("GET", "/files/download/silence/large", headers=bearer() | ranges)
        assert reader.getresponse().status in (200, 206)
        # The only thread is busy with that reader, and answers this once it has given up.
        httpx.delete(f"{impatient.url}/files/silence/large", headers=bearer(), timeout=20).raise_for_status()


@pytest.mark.parametrize("ranges", RANGES)
def test_slow_reader_gets_everything(impatient: RunningService, large: bytes, ranges: dict[str, str]) -> None:
    """The kernel holds up to 4 MiB for it, and has room again when a third is gone: here, after seconds."""
    with closing(impatient.connection()) as reader:
        reader.request("GET", "/files/download/silence/large", headers=bearer() | ranges)
        response = reader.getresponse()
        body = bytearray()
        for _ in range(30):
            body += response.read(16 * 1024)
            time.sleep(0.1)  # its pace is what is tested
        body += response.read()
        assert len(body) == int(response.headers["Content-Length"])
        assert large[-1_000_000:] in body

        reader.request("GET", "/health")  # over the same connection
        assert reader.getresponse().status == 200


def test_reader_that_goes_away_is_no_failure(impatient: RunningService, large: bytes) -> None:
    with closing(impatient.connection()) as reader:
        reader.request("GET", "/files/download/silence/large", headers=bearer())
        assert reader.getresponse().read(100_000)

    assert httpx.get(f"{impatient.url}/health").status_code == 200
    assert "Traceback" not in impatient.log()
