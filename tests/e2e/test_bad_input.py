"""JSON that breaks off on its way, and answers that have no body: what only a real connection shows."""

import secrets
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support.raw_http import (
    Answer,
    SlowClient,
    assert_nothing_left,
    assert_problem,
    bucket_on_disk,
    send,
    with_length,
)
from tests.support.service import RunningService, bearer, token

AUTHORIZATION = ("Authorization", f"Bearer {token()}")
JSON = ("Content-Type", "application/json")
BUCKET = "bad-input"


@pytest.fixture(scope="module")
def filled(service: RunningService) -> RunningService:
    """The service, with a bucket that holds one file."""
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        client.post("/buckets", json={"name": BUCKET}).raise_for_status()
        client.put(f"/files/upload-direct/{BUCKET}/there.txt", content=b"there").raise_for_status()
    return service


@pytest.fixture(scope="module")
def client(filled: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=filled.url, headers=bearer()) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_changes(filled: RunningService, client: httpx.Client) -> Iterator[None]:
    lists = ["/buckets", f"/files/list/{BUCKET}"]
    before = [client.get(path).text for path in lists], bucket_on_disk(filled, BUCKET)
    yield
    assert_nothing_left(filled)
    assert ([client.get(path).text for path in lists], bucket_on_disk(filled, BUCKET)) == before


def ask(service: RunningService, line: str | bytes, body: bytes = b"", *headers: tuple[str, str]) -> Answer:
    sent = [AUTHORIZATION, *headers]
    return send(service, line, with_length(sent, body) if body else sent, body)


@pytest.mark.parametrize("length", [b"20", b"1000000"])
def test_json_cut_short_is_refused(filled: RunningService, length: bytes) -> None:
    headers = [AUTHORIZATION, JSON, ("Content-Length", length.decode())]
    answer = send(filled, "POST /buckets", headers, b'{"name": "abc"}', cut=True)
    assert_problem(answer, 400, "truncated_body")


@pytest.mark.parametrize(
    "chunks", [b"f\r\n", b'f\r\n{"name": "abc"}\r\n', b"zz\r\n", b'f\r\n{"name": "abc"}XX0\r\n\r\n']
)
def test_json_in_broken_chunks_is_refused(filled: RunningService, chunks: bytes) -> None:
    headers = [AUTHORIZATION, JSON, ("Transfer-Encoding", "chunked")]
    assert_problem(send(filled, "POST /buckets", headers, chunks, cut=True), 400, "truncated_body")


def test_head_is_get_without_the_body(filled: RunningService) -> None:
    paths = [
        "/", "/health", "/health/ready", "/openapi.json", "/docs/", "/buckets", f"/buckets/{BUCKET}",
        f"/files/list/{BUCKET}", f"/files/info/{BUCKET}/there.txt", f"/files/download/{BUCKET}/there.txt",
        f"/files/view/{BUCKET}/there.txt", f"/storage/{BUCKET}/there.txt", "/nothing", "/buckets/missing",
        f"/files/download/{BUCKET}/missing", "/files/signed/token/bucket/key",
    ]  # fmt: skip
    unlike = {"Date", "X-Request-ID", "Content-Length"}
    for path in paths:
        head, get = ask(filled, f"HEAD {path}"), ask(filled, f"GET {path}")
        assert (path, head.status, head.body) == (path, get.status, b"")
        assert (path, {*head.headers} - unlike) == (path, {*get.headers} - unlike)


def raw(service: RunningService, head: str) -> bytes:
    """Send a head as it stands, half-close, and return all that comes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("host", ["a b", "a/b", "", "user@host", "host:port", "[::1", "a\\b", "h\xe4st", "a,b c"])
def test_malformed_host_is_refused(filled: RunningService, host: str) -> None:
    """RFC 9112 section 3.2."""
    answer = raw(filled, f"GET /health HTTP/1.1\r\nHost: {host}")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    assert b"Access-Control-Allow-Origin: *" in answer


@pytest.mark.parametrize("host", ["a", "a:8001", "127.0.0.1:80", "[::1]:8001", "a_b.example.", "x%20y:"])
def test_host_is_a_name_or_an_address_with_a_port(filled: RunningService, host: str) -> None:
    assert raw(filled, f"GET /health HTTP/1.1\r\nHost: {host}").startswith(b"HTTP/1.1 200 ")


def test_only_http_1_0_needs_no_host(filled: RunningService) -> None:
    assert raw(filled, "GET /health HTTP/1.1").startswith(b"HTTP/1.1 400 ")
    assert raw(filled, "GET /health HTTP/1.0").startswith(b"HTTP/1.0 200 ")


@pytest.mark.parametrize("version", ["1.2", "1.9"])
def test_later_version_is_answered_in_1_1(filled: RunningService, version: str) -> None:
    """RFC 9110 section 2.5: the highest version that the service conforms to."""
    answer = raw(filled, f"GET /health HTTP/{version}\r\nHost: x")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: keep-alive" in answer


EXPECT = ("Expect", "100-continue")
INVITED = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        pytest.param(f"PUT /files/upload-direct/{BUCKET}/e", [], 401, id="credential"),
        pytest.param(f"PUT /files/upload-direct/{BUCKET}/e", [AUTHORIZATION, ("If-Match", "*")], 412, id="condition"),
        pytest.param(f"POST /files/upload/{BUCKET}", [AUTHORIZATION, JSON], 415, id="type"),
        pytest.param("POST /buckets", [], 401, id="JSON"),
        pytest.param("POST /buckets", [AUTHORIZATION, ("Content-Type", "text/plain")], 415, id="type of JSON"),
    ],
)
@pytest.mark.parametrize(
    "framing", [("Content-Length", "5000000"), ("Transfer-Encoding", "chunked")], ids=["length", "chunks"]
)
def test_refusal_by_the_headers_comes_without_100_continue(
    filled: RunningService, line: str, headers: list[tuple[str, str]], status: int, framing: tuple[str, str]
) -> None:
    """RFC 9110 section 10.1.1."""
    with SlowClient(filled, line, [*headers, EXPECT, framing]) as client:
        answer = b"".join(iter(lambda: client.connection.recv(65536), b""))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Connection: close" in answer


@pytest.mark.parametrize("chunked", [False, True])
def test_body_is_invited_when_it_is_wanted(filled: RunningService, chunked: bool) -> None:
    body = b"" if chunked else b'{"name":'
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    with SlowClient(filled, "POST /buckets", [AUTHORIZATION, JSON, EXPECT, framing]) as client:
        assert client.connection.recv(len(INVITED), socket.MSG_WAITALL) == INVITED
        client.send(b"0\r\n\r\n" if chunked else body)
        assert client.answer().status in (400, 422)


@pytest.mark.parametrize(
    "head",
    [
        "GET / HTTP/1.1\r\nHost: x\r\napikey {secret}",
        "GET /files/signed/%65{secret}/b/\xe4 HTTP/1.1\r\nHost: x",
        "GET /?apikey={secret}\xe4 HTTP/1.1\r\nHost: x",
        "GET /{secret} HTTP/1.1\r\nHost: x\r\nContent-Length: {secret}",
        "GET / HTTP/1.1\r\nHost: x\r\nExpect: {secret}",
        "GET /files/signed/%65yJhbGciOi.eyJzdWIiO%69.{secret}/b/k HTTP/1.1\r\nHost: x",
        "{secret} / HTTP/1.1\r\nHost: x",
    ],
)
def test_credential_in_a_malformed_request_stays_out_of_the_log(filled: RunningService, head: str) -> None:
    secret = secrets.token_hex(16)
    raw(filled, head.format(secret=secret))
    assert send(filled, "GET /health").status == 200
    assert secret not in filled.log()
