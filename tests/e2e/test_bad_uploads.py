"""Bodies that break off on their way, and messages that two servers could read in two ways: nothing stays."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.forms import FORM, part
from tests.support.raw_http import (
    Headers,
    assert_nothing_left,
    assert_problem,
    bucket_on_disk,
    left_behind,
    send,
)
from tests.support.service import RunningService, bearer, token, wait_briefly

AUTHORIZATION = ("Authorization", f"Bearer {token()}")
BUCKET = "bad-uploads"
PUT = f"PUT /files/upload-direct/{BUCKET}/new.bin"
POST = f"POST /files/upload/{BUCKET}"


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[httpx.Client]:
    """A client of alice's, who has an empty bucket."""
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        client.post("/buckets", json={"name": BUCKET}).raise_for_status()
        yield client


@pytest.fixture(autouse=True)
def _nothing_stays(service: RunningService, client: httpx.Client) -> Iterator[None]:
    yield
    assert_nothing_left(service)
    bucket = client.get(f"/buckets/{BUCKET}").json()
    found = client.get(f"/files/list/{BUCKET}").json(), bucket["file_count"], bucket["total_size"]
    on_disk = bucket_on_disk(service, BUCKET)
    if found[0]:  # for the next test
        renew_bucket(client)
    assert (found, on_disk) == (([], 0, 0), [".bucket.json"])


def renew_bucket(client: httpx.Client) -> None:
    client.delete(f"/buckets/{BUCKET}?force=true").raise_for_status()
    client.post("/buckets", json={"name": BUCKET}).raise_for_status()


CHUNKED = ("Transfer-Encoding", "chunked")

CUT = (400, "truncated_body")

RAW: dict[str, tuple[Headers, bytes]] = {
    "length beyond the body": ([("Content-Length", "10")], b"abc"),
    "length and no body at all": ([("Content-Length", "1")], b""),
    "chunk cut": ([CHUNKED], b"5\r\nab"),
    "no last chunk": ([CHUNKED], b"2\r\nab\r\n"),
    "chunk without a size": ([CHUNKED], b"zz\r\nab\r\n0\r\n\r\n"),
    "chunk below zero": ([CHUNKED], b"-2\r\nab\r\n0\r\n\r\n"),
    "chunk longer than it says": ([CHUNKED], b"2\r\nabXX0\r\n\r\n"),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_body_is_refused(service: RunningService, name: str) -> None:
    headers, body = RAW[name]
    assert_problem(send(service, PUT, [AUTHORIZATION, *headers], body, cut=True), *CUT)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([("Content-Length", "-1")], id="below zero"),
        pytest.param([("Content-Length", "three")], id="no number"),
        pytest.param([("Content-Length", "+3")], id="a sign"),
        pytest.param([("Content-Length", "3, 3")], id="a list"),
        pytest.param([("Content-Length", "3"), ("Content-Length", "4")], id="two different"),
        pytest.param([("Content-Length", "3"), CHUNKED], id="and chunks"),
        pytest.param([("Transfer-Encoding", "gzip, chunked, identity")], id="unknown coding"),
        pytest.param([("Content-Length", "3"), ("X Y", "z")], id="header with a space"),
        pytest.param([("Content-Length", "3"), ("X-Nul", "a\0b")], id="header with a NUL"),
        pytest.param([("Content-Length", "3"), ("X-Folded", "a\r\n b")], id="folded header"),
    ],
)
def test_ambiguous_message_is_refused_before_the_service(service: RunningService, headers: Headers) -> None:
    answer = send(service, PUT, [AUTHORIZATION, *headers], b"abc")
    assert_problem(answer, 400, "invalid_request")
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("headers", "status"),
    [([("X-Big", "x" * 62_000)], 431), ([(f"X-{number}", "x") for number in range(150)], 431)],
    ids=["long header", "many headers"],
)
def test_too_many_headers_are_refused(service: RunningService, headers: Headers, status: int) -> None:
    assert_problem(send(service, "GET /health", headers), status, "invalid_request")


def test_bytes_beyond_the_declared_length_are_another_request(service: RunningService, client: httpx.Client) -> None:
    answer = send(service, PUT, [AUTHORIZATION, ("Content-Length", "3")], b"abcSMUGGLED")
    assert (answer.status, answer.json["size"]) == (201, 3)
    assert client.get(f"/files/download/{BUCKET}/new.bin").content == b"abc"
    renew_bucket(client)


FORMS = {
    "no end": part(),
    "cut in the file": part(content=b"x" * 100_000)[:-50_000],
    "cut in a header": part()[:30],
}


@pytest.mark.parametrize("name", FORMS)
def test_form_is_refused(service: RunningService, name: str) -> None:
    headers = [AUTHORIZATION, FORM, ("Content-Length", str(len(FORMS[name]) + 100_000))]
    assert_problem(send(service, POST, headers, FORMS[name], cut=True), *CUT)


@pytest.mark.parametrize("start", [PUT, POST])
def test_lost_connection_leaves_nothing(service: RunningService, start: str) -> None:
    connection = service.connection()
    method, path = start.split(" ")
    connection.putrequest(method, path)
    for name, value in (AUTHORIZATION, FORM, ("Content-Length", "10000000")):
        connection.putheader(name, value)
    connection.endheaders(part(content=b"x" * 1_000_000))
    wait_until(lambda: bool(left_behind(service)))
    connection.close()


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        wait_briefly()
    raise AssertionError("it did not come true in time")
