"""Bodies that nginx reads to their end, and passes on in one request: small uploads, and whatever is no upload."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.nginx import LEAST_SPOOLED, OFFLOAD, NginxGateway, OneWorkerGateway, replaced
from tests.support.raw_http import Answer, SlowClient, assert_nothing_left, assert_problem, send
from tests.support.recording_service import Asked, RecordingService, Reply
from tests.support.service import RunningService, bearer, token

RAW = "PUT /files/upload-direct/photos/2026/%C3%A9%2F.jpg?overwrite=false"
SIGNED = "PUT /files/signed/token/photos/a.jpg"
FORM = ("Content-Type", "multipart/form-data; boundary=cut")
JSON = ("Content-Type", "application/json")
ALICE = ("Authorization", bearer()["Authorization"])
LARGEST = b"x" * (LEAST_SPOOLED - 1)
FORM_BODY = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="form.txt"\r\n\r\nabc\r\n--cut--\r\n'


class Write(NamedTuple):
    line: str
    content_type: tuple[str, str]
    body: bytes


# One of each kind that the service has.
WRITES = {
    "raw": Write("PUT /files/upload-direct/photos/raw.txt", ("Content-Type", "text/plain"), b"abcdef"),
    "form": Write("POST /files/upload/photos", FORM, FORM_BODY),
    "JSON": Write("POST /buckets", JSON, b'{"name": "of-json"}'),
}
each_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[RecordingService]:
    with RecordingService(tmp_path / "recording") as service:
        yield service


@pytest.fixture
def gateway(recording: RecordingService, tmp_path: Path) -> Iterator[NginxGateway]:
    with OneWorkerGateway(recording, tmp_path / "nginx") as nginx:
        yield nginx
    assert without_notes(nginx.log()) == ""


def without_notes(log: str) -> str:
    """Leave out that a long body went to a file."""
    return "".join(line for line in log.splitlines(keepends=True) if "is buffered to a temporary file" not in line)


@pytest.fixture
def service(start_service: Callable[..., RunningService]) -> RunningService:
    service = start_service(WEB_CONCURRENCY="1", THREADS="1", **OFFLOAD)
    httpx.post(f"{service.url}/buckets", json={"name": "photos"}, headers=bearer()).raise_for_status()
    return service


@pytest.fixture
def in_front(service: RunningService, tmp_path: Path) -> Iterator[NginxGateway]:
    with OneWorkerGateway(service, tmp_path / "nginx") as nginx:
        yield nginx
    assert nginx.log() == ""


@pytest.fixture
def dying(recording: RecordingService, tmp_path: Path) -> Iterator[NginxGateway]:
    """nginx before a service that dies under every request.

    It has kept a connection to the service, which it tries as if it had not tried yet.
    """

    def die(_: Asked) -> Reply:
        raise ConnectionResetError

    with OneWorkerGateway(recording, tmp_path / "nginx") as nginx:
        let_nginx_see_everything(nginx)
        recording.reply = die
        yield nginx


def put(gateway: NginxGateway, body: bytes, *headers: tuple[str, str], line: str = RAW) -> Answer:
    return send(gateway, line, [("Content-Length", str(len(body))), *headers], body)


class HalfSent(SlowClient):
    """A client that has sent half of the body."""

    def __init__(self, gateway: NginxGateway, write: Write, *headers: tuple[str, str]) -> None:
        length = ("Content-Length", str(len(write.body)))
        super().__init__(gateway, write.line, [length, write.content_type, *headers])
        half = len(write.body) // 2
        self.send(write.body[:half])
        self.rest = write.body[half:]

    def finish(self) -> Answer:
        self.send(self.rest)
        return self.answer()


def let_nginx_see_everything(gateway: NginxGateway) -> None:
    """Return once its only worker has dealt with all that came before."""
    assert httpx.get(f"{gateway.url}/health", timeout=10).is_success


def folders_written_to(gateway: NginxGateway, recording: RecordingService) -> list[int]:
    """When a file was last made or removed where nginx puts bodies."""
    return [path.stat().st_mtime_ns for path in (recording.spool, gateway.directory / "nginx-bodies")]


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (RAW, [("Content-Type", "image/jpeg")]),
        (SIGNED, []),
        (RAW, [FORM]),
        ("POST /files/upload/photos", [FORM]),
        ("PUT /files/metadata/photos/a.jpg", [JSON]),
        ("POST /buckets", [JSON]),
        ("DELETE /files/photos/a.jpg", []),
        ("GET /buckets", []),
    ],
)
@pytest.mark.parametrize("body", [b"", b"abc", LARGEST], ids=["empty", "small", "largest"])
def test_small_body_is_passed_on_in_one_request_and_touches_no_disk(
    recording: RecordingService, gateway: NginxGateway, line: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    before = folders_written_to(gateway, recording)

    answer = put(gateway, body, *headers, ("X-Request-ID", "one"), line=line)

    assert (answer.status, answer.body) == (201, b"kept")
    (asked,) = recording.asked
    assert f"{asked.method} {asked.path}" == line
    assert (asked.body, asked.header("Content-Length")) == (body, str(len(body)))
    assert asked.header("Transfer-Encoding") is None
    assert asked.header("Content-Type") == dict(headers).get("Content-Type")
    assert asked.header("X-Request-ID") == "one"
    assert asked.header("X-Offload-Secret") == OFFLOAD["OFFLOAD_SECRET"]
    assert asked.header("X-Upload-Check") is asked.header("X-Upload-Length") is asked.header("X-Spool-File") is None
    assert 0 <= float(asked.header("X-Upload-Seconds") or "none") < 60
    assert folders_written_to(gateway, recording) == before


def test_what_is_larger_is_asked_about(recording: RecordingService, gateway: NginxGateway) -> None:
    assert put(gateway, LARGEST + b"x").status == 201
    assert len(recording.verdicts) == 1


@each_write
def test_service_hears_of_nothing_before_the_whole_body_is_there(
    recording: RecordingService, gateway: NginxGateway, write: Write
) -> None:
    with HalfSent(gateway, write) as client:
        let_nginx_see_everything(gateway)
        assert [asked.path for asked in recording.asked] == ["/health"]
        assert client.finish().status == 201
    assert recording.asked[-1].body == write.body


# What is no upload, whatever its length.
NO_UPLOADS = [
    "POST /buckets",
    "PUT /buckets/photos",
    "PUT /files/metadata/photos/a.jpg",
    "POST /files/initiate-upload",
    "POST /files/upload-direct/photos/a.jpg",
    "PUT /storage/files/upload-direct/photos/a.jpg",
    "DELETE /files/resumable/one",
    "DELETE /files/photos/a.jpg",
    "GET /files/list/photos",
]
JSON_BYTES = 1024 * 1024


def chunks(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


@pytest.mark.parametrize("line", NO_UPLOADS)
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_service_hears_nothing_of_an_unfinished_body_that_is_no_upload(
    recording: RecordingService, gateway: NginxGateway, line: str, chunked: bool
) -> None:
    half = b"{" + b" " * (JSON_BYTES // 2 - 1)
    head = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(JSON_BYTES))
    with SlowClient(gateway, line, [head, JSON]) as client:
        client.send(chunks(half) if chunked else half)
        let_nginx_see_everything(gateway)
        assert [asked.path for asked in recording.asked] == ["/health"]
        client.send(chunks(half) + b"0\r\n\r\n" if chunked else half)
        assert client.answer().status == 201
    asked = recording.asked[-1]
    assert (asked.body, asked.header("Content-Length")) == (half + half, str(JSON_BYTES))
    assert float(asked.header("X-Upload-Seconds") or "none") >= 0
    recording.asked.clear()


@pytest.mark.parametrize("line", NO_UPLOADS)
@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_longer_body_that_is_no_upload_is_refused_by_nginx(
    recording: RecordingService, tmp_path: Path, line: str, chunked: bool
) -> None:
    body = b" " * (JSON_BYTES + 1)
    head = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    with OneWorkerGateway(recording, tmp_path / "nginx") as gateway:
        answer = send(gateway, line, [head], chunks(body) + b"0\r\n\r\n" if chunked else body)
    assert assert_problem(answer, 413, "too_large")["limit"] == JSON_BYTES
    assert recording.asked == []


def test_client_that_waits_to_be_told_to_go_on_is_told(recording: RecordingService, gateway: NginxGateway) -> None:
    with SlowClient(gateway, RAW, [("Content-Length", "3"), ("Expect", "100-continue")]) as client:
        assert client.connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert recording.asked == []
        client.send(b"abc")
        assert client.answer().status == 201
    assert (recording.asked[0].body, recording.asked[0].header("Expect")) == (b"abc", None)


@pytest.mark.parametrize("length", ["+3", "-3", "3, 3", "3.0", "0x3", "3 3", ""])
def test_length_that_is_no_number_is_refused(recording: RecordingService, gateway: NginxGateway, length: str) -> None:
    assert_problem(send(gateway, RAW, [("Content-Length", length)], b"abc"), 400, "invalid_request")
    assert recording.asked == []


@pytest.mark.parametrize("length", ["3", " 3 ", "03", "00003"])
def test_length_with_zeros_is_told_without(recording: RecordingService, gateway: NginxGateway, length: str) -> None:
    assert send(gateway, RAW, [("Content-Length", length)], b"abc").status == 201
    assert [(asked.body, asked.header("Content-Length")) for asked in recording.asked] == [(b"abc", "3")]


@pytest.mark.parametrize("line", ["GET /buckets", "DELETE /files/photos/a.jpg", "HEAD /storage/photos/a.jpg"])
def test_request_without_a_body_is_not_sent_again_either(
    recording: RecordingService, dying: NginxGateway, line: str
) -> None:
    assert send(dying, line).status == 503
    assert [asked.path for asked in recording.asked] == ["/health", line.split(" ")[1]]


def test_client_that_has_sent_its_request_may_close_its_side(
    recording: RecordingService, gateway: NginxGateway
) -> None:
    assert send(gateway, "GET /buckets", cut=True).status == 201


@each_write
def test_request_on_which_the_service_dies_is_not_sent_again(
    recording: RecordingService, dying: NginxGateway, write: Write
) -> None:
    assert_problem(put(dying, write.body, write.content_type, line=write.line), 503, "unavailable")
    assert [asked.path for asked in recording.asked] == ["/health", write.line.split(" ")[1]]


def test_client_that_has_sent_everything_may_close_its_side(recording: RecordingService, gateway: NginxGateway) -> None:
    def work(asked: Asked) -> Reply:
        if asked.method == "PUT":
            client.connection.shutdown(socket.SHUT_WR)
            let_nginx_see_everything(gateway)
        return Reply(201)

    recording.reply = work
    with SlowClient(gateway, RAW, [("Content-Length", "3")]) as client:
        client.send(b"abc")
        assert client.answer().status == 201


def test_client_that_leaves_before_the_end_is_not_heard_of(recording: RecordingService, gateway: NginxGateway) -> None:
    with HalfSent(gateway, WRITES["raw"]):
        let_nginx_see_everything(gateway)
    let_nginx_see_everything(gateway)
    assert {asked.path for asked in recording.asked} == {"/health"}


class ImpatientGateway(OneWorkerGateway):
    def configuration(self) -> str:
        return replaced(super().configuration(), {"client_body_timeout 75s;": "client_body_timeout 1s;"})


@each_write
def test_client_that_falls_silent_is_cut_off(recording: RecordingService, tmp_path: Path, write: Write) -> None:
    """nginx closes the connection without a word: it gives no page for that."""
    with ImpatientGateway(recording, tmp_path / "nginx") as gateway, HalfSent(gateway, write) as client:
        assert client.connection.recv(100) == b""
    assert recording.asked == []
    assert gateway.log() == ""


def test_slow_clients_with_small_bodies_hold_no_thread(service: RunningService, in_front: NginxGateway) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(HalfSent(in_front, write, ALICE)) for write in WRITES.values()]
        let_nginx_see_everything(in_front)
        assert put(in_front, b"fast", ALICE, line="PUT /files/upload-direct/photos/fast.txt").status == 201
        assert httpx.get(f"{service.url}/health", timeout=10).is_success
        assert [client.finish().status for client in clients] == [201] * len(clients)
    listed = httpx.get(f"{in_front.url}/files/list/photos", headers=bearer()).json()
    assert {file["id"]: file["size"] for file in listed} == {"fast.txt": 4, "form.txt": 3, "raw.txt": 6}
    assert_nothing_left(service)


def test_login_that_expires_while_the_body_comes_was_good_when_it_came(
    service: RunningService, in_front: NginxGateway
) -> None:
    leeway = 30
    expired = time.time() + 3.5  # `exp` has whole seconds
    login = ("Authorization", f"Bearer {token(expires_in=3 - leeway)}")
    with ExitStack() as stack:
        clients = [stack.enter_context(HalfSent(in_front, write, login)) for write in WRITES.values()]
        let_nginx_see_everything(in_front)
        wait_until(lambda: time.time() >= expired)
        assert put(in_front, b"late", login).status == 401
        assert [client.finish().status for client in clients] == [201] * len(clients)
