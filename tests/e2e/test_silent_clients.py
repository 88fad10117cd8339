"""A client that falls silent gives its thread back, and leaves nothing."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.nginx import LEAST_SPOOLED, NginxGateway
from tests.support.raw_http import assert_nothing_left, assert_problem, bucket_on_disk, send
from tests.support.service import RunningService, bearer

FORM = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'


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


def test_silent_large_form_gets_408_through_nginx(impatient: RunningService, tmp_path: Path) -> None:
    headers = [("Authorization", bearer()["Authorization"]), ("Content-Type", "multipart/form-data; boundary=cut")]
    headers.append(("Content-Length", str(LEAST_SPOOLED)))
    with NginxGateway(impatient, tmp_path / "nginx") as gateway:
        answer = send(gateway, "POST /files/upload/silence", headers, FORM)

    assert_problem(answer, 408, "body_timeout")
    assert_nothing_left(impatient)


def test_reader_that_takes_nothing_gives_its_thread_back(impatient: RunningService, tmp_path: Path) -> None:
    size = 32 * 1024 * 1024
    with httpx.Client(base_url=impatient.url, headers=bearer()) as client:
        client.put("/files/upload-direct/silence/large", content=b"x" * size).raise_for_status()
        with socket.create_connection(("127.0.0.1", impatient.port)) as reader:
            lines = ["GET /files/download/silence/large HTTP/1.1", "Host: localhost"]
            lines += [f"{name}: {value}" for name, value in bearer().items()]
            reader.sendall("\r\n".join([*lines, "", ""]).encode())
            assert reader.recv(12) == b"HTTP/1.1 200"
            # The only thread is busy with that reader, and answers this once it has given up.
            client.delete("/files/silence/large", timeout=20).raise_for_status()
