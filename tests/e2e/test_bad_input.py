"""JSON that breaks off on its way, and answers that have no body: what only a real connection shows."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.raw_http import (
    Answer,
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
