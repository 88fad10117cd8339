"""What nginx asks and hands over when a large file is uploaded through it; the service here only writes that down."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.disruptions import wait_until
from tests.support.nginx import LEAST_SPOOLED, OFFLOAD, NginxGateway, OneWorkerGateway
from tests.support.raw_http import Answer, SlowClient, assert_problem, send
from tests.support.recording_service import Asked, RecordingService, Reply
from tests.support.service import RunningService, bearer

RAW = "PUT /files/upload-direct/photos/2026/%C3%A9%2F.jpg?overwrite=false"
SIGNED = "PUT /files/signed/token/photos/a.jpg"
SELFDB = "POST /api/v1/files/photos/a.jpg"
FORM = ("Content-Type", "multipart/form-data; boundary=cut")
BODY = b"x" * LEAST_SPOOLED
LENGTH = ("Content-Length", str(LEAST_SPOOLED))
MIB = 1024 * 1024


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RecordingService]:
    with RecordingService(tmp_path / "store") as recording:
        yield recording


@pytest.fixture
def gateway(service: RecordingService, tmp_path: Path) -> Iterator[NginxGateway]:
    with OneWorkerGateway(service, tmp_path / "nginx") as nginx:
        yield nginx


def put(gateway: NginxGateway, body: bytes, *headers: tuple[str, str], line: str = RAW) -> Answer:
    return send(gateway, line, [("Content-Length", str(len(body))), *headers], body)


def spooled(service: RecordingService) -> list[Path]:
    return list(service.spool.iterdir())


@pytest.mark.parametrize("line", [RAW, SIGNED, SELFDB])
@pytest.mark.parametrize("body", [BODY, b"picture" * 100_000])
def test_raw_body_is_handed_over_as_a_file_in_the_spool(
    service: RecordingService, gateway: NginxGateway, line: str, body: bytes
) -> None:
    answer = put(gateway, body, ("Content-Type", "image/jpeg"), ("X-Request-ID", "one"), line=line)

    assert (answer.status, answer.body) == (201, b"kept")
    (verdict,), (upload,) = service.verdicts, service.uploads
    for asked in (verdict, upload):
        assert f"{asked.method} {asked.path}" == line
        assert asked.header("X-Upload-Length") == str(len(body))
        assert asked.header("X-Offload-Secret") == OFFLOAD["OFFLOAD_SECRET"]
        assert asked.header("Content-Type") == "image/jpeg"
        assert asked.header("X-Request-ID") == "one"
        assert asked.header("X-Upload-ID") == verdict.header("X-Upload-ID") != "one"
        assert (asked.header("Content-Length"), asked.header("Transfer-Encoding"), asked.body) == (None, None, b"")
    assert (verdict.header("X-Spool-File"), upload.header("X-Upload-Check")) == (None, None)
    assert (upload.spooled, oct(upload.spool_mode)) == (body, "0o600")
    assert Path(upload.header("X-Spool-File") or "").parent == service.spool
    wait_until(lambda: spooled(service) == [])


def test_service_sees_the_type_that_nginx_went_by(service: RecordingService, gateway: NginxGateway) -> None:
    put(gateway, BODY, ("Content-Type", "image/jpeg"), FORM)
    # Newer versions make one of the two.
    types = {asked.header("Content-Type") for asked in service.asked}
    assert types in ({"image/jpeg"}, {f"image/jpeg, {FORM[1]}"})


def test_empty_body_is_told_by_its_length(service: RecordingService, gateway: NginxGateway) -> None:
    # As long as no other: a shorter zero is a small body.
    assert send(gateway, RAW, [("Content-Length", "000000")]).status == 201
    (upload,) = service.uploads
    assert (upload.header("X-Upload-Length"), upload.spooled or b"") == ("000000", b"")


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (RAW, [FORM]),
        (SIGNED, [FORM]),
        (SIGNED, [("Content-Type", "Multipart/Form-Data;boundary=cut")]),
        ("POST /files/upload/photos", [FORM]),
    ],
)
def test_forms_are_passed_on_at_once(
    service: RecordingService, gateway: NginxGateway, line: str, headers: list[tuple[str, str]]
) -> None:
    assert put(gateway, BODY, *headers, line=line).status == 201
    (upload,) = service.asked
    assert (upload.body, upload.header("Content-Length")) == (BODY, LENGTH[1])
    assert upload.header("X-Spool-File") is upload.header("X-Upload-Length") is upload.header("X-Upload-Check") is None
    assert upload.header("X-Upload-Seconds") is None
    assert upload.header("X-Offload-Secret") == OFFLOAD["OFFLOAD_SECRET"]


def test_chunked_body_is_passed_on_at_once(service: RecordingService, gateway: NginxGateway) -> None:
    answer = send(gateway, RAW, [("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    (upload,) = service.asked
    assert (answer.status, upload.body, upload.header("X-Spool-File")) == (201, b"abcde", None)


def test_form_reaches_the_service_while_it_is_sent(service: RecordingService, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        NginxGateway(service, tmp_path / "nginx", service_port=listener.getsockname()[1]) as gateway,
        SlowClient(gateway, "POST /files/upload/photos", [LENGTH]) as client,
    ):
        client.send(b"first")
        listener.settimeout(30)
        with listener.accept()[0] as connection:
            connection.settimeout(30)
            received = b""
            while not received.endswith(b"first"):
                received += connection.recv(65536)
            client.send(BODY[len(b"first") :])
            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            assert client.answer().status == 201


def test_verdict_is_asked_for_before_the_body(service: RecordingService, gateway: NginxGateway) -> None:
    with SlowClient(gateway, RAW, [LENGTH]) as client:
        wait_until(lambda: len(service.verdicts) == 1)
        assert service.uploads == []
        client.send(BODY)
        assert client.answer().status == 201
    assert service.uploads[0].spooled == BODY
    assert 0 <= float(service.uploads[0].header("X-Upload-Seconds") or "none") < 60
    assert service.verdicts[0].header("X-Upload-Seconds") is None


def test_client_that_waits_to_be_told_to_go_on_is_told_after_the_verdict(
    service: RecordingService, gateway: NginxGateway
) -> None:
    with SlowClient(gateway, RAW, [LENGTH, ("Expect", "100-continue")]) as client:
        assert client.connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert len(service.asked) == len(service.verdicts) == 1
        client.send(BODY)
        assert client.answer().status == 201
    assert service.uploads[0].header("Expect") is None


@pytest.mark.parametrize("verdict", [401, 403, 404, 411, 500, 503])
def test_refused_upload_gets_the_words_of_the_service(
    service: RecordingService, gateway: NginxGateway, verdict: int
) -> None:
    service.verdict = verdict
    refusal = Reply(413, {"Content-Type": "application/problem+json", "X-Limit": "7"}, b'{"code": "file_too_large"}')
    service.reply = lambda _: refusal

    answer = put(gateway, BODY)

    assert (answer.status, answer.body) == (413, refusal.body)
    assert (answer.headers["Content-Type"], answer.headers["X-Limit"]) == ("application/problem+json", "7")
    (upload,) = service.uploads
    assert upload.header("X-Spool-File") is upload.header("X-Upload-Check") is upload.header("X-Upload-ID") is None
    assert len(service.verdicts) == 1
    assert spooled(service) == []


@pytest.mark.parametrize("body", [b"abc", BODY], ids=["small", "large"])
@pytest.mark.parametrize("line", [RAW, "POST /files/upload/photos"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 500, 502, 503, 504, 507])
def test_whatever_the_service_answers_reaches_the_client(
    service: RecordingService, gateway: NginxGateway, line: str, status: int, body: bytes
) -> None:
    service.reply = lambda _: Reply(status, {"Content-Type": "text/x-own", "X-Own": "yes"}, b"own words")
    answer = put(gateway, body, line=line)
    assert (answer.status, answer.body) == (status, b"own words")
    assert (answer.headers["Content-Type"], answer.headers["X-Own"]) == ("text/x-own", "yes")


class SmallFilesGateway(OneWorkerGateway):
    """Writes no file beyond a megabyte: the kernel refuses it, as on a full disk."""

    def command(self, nginx: str) -> list[str]:
        return ["sh", "-c", 'trap "" XFSZ && ulimit -f 1024 && exec "$@"', "sh", *super().command(nginx)]


def test_full_spool_is_507(service: RecordingService, tmp_path: Path) -> None:
    with SmallFilesGateway(service, tmp_path / "nginx") as gateway:
        answer = put(gateway, b"x" * 4 * MIB, ("X-Request-ID", "full"))
        assert_problem(answer, 507, "insufficient_storage")
        assert answer.headers["X-Request-ID"] == "full"
        assert len(service.verdicts) == 1
        # nginx passes no body on, and says that the upload is over, which ends its reservation.
        wait_until(lambda: [asked.header("X-Upload-Check") for asked in service.uploads] == ["over"])
        wait_until(lambda: spooled(service) == [])
        assert put(gateway, BODY).status == 201


@pytest.mark.parametrize("body", [b"abc", BODY], ids=["small", "large"])
@pytest.mark.parametrize("line", [RAW, SIGNED, "POST /files/upload/photos", "GET /buckets"])
def test_service_that_is_not_there_is_503(tmp_path: Path, line: str, body: bytes) -> None:
    with RecordingService(tmp_path / "store") as service:
        pass
    with NginxGateway(service, tmp_path / "nginx") as gateway:
        answer = put(gateway, body, line=line)
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Expose-Headers"] == "Retry-After, X-Request-ID"


def test_upload_on_which_the_service_dies_is_503_and_not_tried_again(
    service: RecordingService, gateway: NginxGateway
) -> None:
    def die(_: Asked) -> Reply:
        raise ConnectionResetError

    service.reply = die
    assert_problem(put(gateway, BODY), 503, "unavailable")
    gateway.stop()  # when all is said
    assert [asked.header("X-Upload-Check") for asked in service.uploads] == [None, "over"]
    assert spooled(service) == []


def test_client_that_leaves_during_the_body_leaves_nothing(service: RecordingService, gateway: NginxGateway) -> None:
    with SlowClient(gateway, RAW, [("Content-Length", str(2 * MIB))]) as client:
        client.send(b"x" * MIB)
        wait_until(lambda: any(path.stat().st_size > 0 for path in spooled(service)))
    wait_until(lambda: spooled(service) == [] and len(service.uploads) == 1)
    (over,), (verdict,) = service.uploads, service.verdicts
    assert (over.header("X-Upload-Check"), over.header("X-Upload-ID")) == ("over", verdict.header("X-Upload-ID"))
    assert (over.header("X-Spool-File"), over.header("Content-Length")) == (None, None)


def test_file_stays_while_the_service_works_though_the_client_left(
    service: RecordingService, gateway: NginxGateway
) -> None:
    is_there = threading.Event()

    def work(asked: Asked) -> Reply:
        if asked.method == "PUT":
            client.connection.close()
            httpx.get(f"{gateway.url}/health")  # nginx hears of the end of the client before this
            if Path(asked.header("X-Spool-File") or "").exists():
                is_there.set()
        return Reply(201)

    service.reply = work
    with SlowClient(gateway, RAW, [LENGTH]) as client:
        client.send(BODY)
        assert is_there.wait(30)
    wait_until(lambda: spooled(service) == [])


def test_refusal_of_the_real_service_does_not_wait_for_the_body(tmp_path: Path) -> None:
    with RunningService(tmp_path / "store", **OFFLOAD) as service, NginxGateway(service, tmp_path / "nginx") as gateway:
        authorization = ("Authorization", bearer()["Authorization"])
        with SlowClient(gateway, RAW, [("Content-Length", str(1024 * MIB)), authorization]) as client:
            answer = client.answer()
        assert_problem(answer, 404, "bucket_not_found")
        assert "photos" in json.loads(answer.body)["detail"]
        # Nor must it be lost on a client that reads nothing before it has sent everything.
        answer = put(gateway, b"x" * 64 * MIB, authorization)
        assert_problem(answer, 404, "bucket_not_found")
