"""Bodies that are cut, lie about themselves or break the rules of a form: refused with a sentence, nothing stays."""

import base64
import hashlib
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.raw_http import (
    Headers,
    assert_nothing_left,
    assert_problem,
    bucket_on_disk,
    left_behind,
    send,
    with_length,
)
from tests.support.service import RunningService, bearer, token, wait_briefly

AUTHORIZATION = ("Authorization", f"Bearer {token()}")
BUCKET = "bad-uploads"
PUT = f"PUT /files/upload-direct/{BUCKET}/new.bin"
POST = f"POST /files/upload/{BUCKET}"
ABC = "sha-256=:{}:".format(base64.b64encode(hashlib.sha256(b"abc").digest()).decode())
XYZ = "sha-256=:{}:".format(base64.b64encode(hashlib.sha256(b"xyz").digest()).decode())


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
THREE = ("Content-Length", "3")

CUT = (400, "truncated_body")
BROKEN = (400, "invalid_request")
MISMATCH = (400, "digest_mismatch")
UNFULFILLED = (412, "precondition_failed")

RAW: dict[str, tuple[Headers, bytes, tuple[int, str]]] = {
    "length beyond the body": ([("Content-Length", "10")], b"abc", CUT),
    "length and no body at all": ([("Content-Length", "1")], b"", CUT),
    "length beyond every disk": ([("Content-Length", str(2**62))], b"abc", (507, "insufficient_storage")),
    "no length": ([], b"", (411, "length_required")),
    "chunk cut": ([CHUNKED], b"5\r\nab", CUT),
    "no last chunk": ([CHUNKED], b"2\r\nab\r\n", CUT),
    "chunk without a size": ([CHUNKED], b"zz\r\nab\r\n0\r\n\r\n", CUT),
    "chunk below zero": ([CHUNKED], b"-2\r\nab\r\n0\r\n\r\n", CUT),
    "chunk longer than it says": ([CHUNKED], b"2\r\nabXX0\r\n\r\n", CUT),
    "a part of a file": ([("Content-Range", "bytes 0-2/10"), THREE], b"abc", BROKEN),
    "encoded": ([("Content-Encoding", "gzip"), THREE], b"abc", (415, "unsupported_media_type")),
    "other digest of the body": ([("Content-Digest", XYZ), THREE], b"abc", MISMATCH),
    "other digest of the file": ([("Repr-Digest", XYZ), THREE], b"abc", MISMATCH),
    "one of two digests": ([("Repr-Digest", ABC), ("Content-Digest", XYZ), THREE], b"abc", MISMATCH),
    "other digest of chunks": ([("Content-Digest", XYZ), CHUNKED], b"3\r\nabc\r\n0\r\n\r\n", MISMATCH),
    "digest without colons": ([("Content-Digest", "sha-256=abc"), THREE], b"abc", BROKEN),
    "empty digest": ([("Content-Digest", "sha-256=::"), THREE], b"abc", BROKEN),
    "short digest": ([("Content-Digest", "sha-256=:YWJj:"), THREE], b"abc", BROKEN),
    "digest that is no base64": ([("Repr-Digest", "sha-256=:*:"), THREE], b"abc", BROKEN),
    "long digest": ([("Repr-Digest", f"sha-256=:{'A' * 5000}:"), THREE], b"abc", BROKEN),
    "no such version": ([("If-Match", '"x"'), THREE], b"abc", UNFULFILLED),
    "no file to replace": ([("If-Match", "*"), THREE], b"abc", UNFULFILLED),
}


@pytest.mark.parametrize("name", RAW)
def test_raw_body_is_refused(service: RunningService, name: str) -> None:
    headers, body, refusal = RAW[name]
    assert_problem(send(service, PUT, [AUTHORIZATION, *headers], body, cut=True), *refusal)


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
    [([("X-Big", "x" * 9000)], 431), ([(f"X-{number}", "x") for number in range(150)], 431)],
    ids=["long header", "many headers"],
)
def test_too_many_headers_are_refused(service: RunningService, headers: Headers, status: int) -> None:
    assert_problem(send(service, "GET /health", headers), status, "invalid_request")


def test_bytes_beyond_the_declared_length_are_another_request(service: RunningService, client: httpx.Client) -> None:
    answer = send(service, PUT, [AUTHORIZATION, ("Content-Length", "3")], b"abcSMUGGLED")
    assert (answer.status, answer.json["size"]) == (201, 3)
    assert client.get(f"/files/download/{BUCKET}/new.bin").content == b"abc"
    renew_bucket(client)


def part(name: str | None = "file", filename: str | None = "a.txt", content: bytes = b"abc", header: str = "") -> bytes:
    named = "" if name is None else f'; name="{name}"'
    if filename is not None:
        named += f'; filename="{filename}"'
    return f"--cut\r\nContent-Disposition: form-data{named}\r\n{header}\r\n".encode() + content + b"\r\n"


END = b"--cut--\r\n"
FORM = ("Content-Type", "multipart/form-data; boundary=cut")


def field(name: str, value: str | bytes) -> bytes:
    return part(name, None, value.encode() if isinstance(value, str) else value)


DEEP = "[" * 50_000 + "]" * 50_000

INVALID = (422, "validation_failed")
TOO_LARGE = (413, "too_large")
MISNAMED = (400, "invalid_name")

FORMS: dict[str, tuple[bytes, tuple[int, str]]] = {
    "nothing": (b"", BROKEN),
    "no part": (END, BROKEN),
    "no form": (b"abc", BROKEN),
    "no file part": (field("metadata", "{}") + END, BROKEN),
    "file part of another name": (part("picture") + END, BROKEN),
    "file part without a name": (part(None) + END, BROKEN),
    "file part without a filename": (part("file", None) + END, BROKEN),
    "two file parts": (part() + part() + END, BROKEN),
    "second file of another name": (part() + part("other") + END, BROKEN),
    "a file and a field of its name": (part() + field("file", "x") + END, INVALID),
    "no end": (part(), CUT),
    "cut in the file": (part(content=b"x" * 100_000)[:-50_000], CUT),
    "cut in a header": (part()[:30], CUT),
    "part header of 3 MiB": (part(header=f"X: {'x' * 3 * 2**20}\r\n") + END, TOO_LARGE),
    "part name of 3 MiB": (part("x" * 3 * 2**20) + END, TOO_LARGE),
    "field of 3 MiB": (field("metadata", "x" * 3 * 2**20) + part() + END, TOO_LARGE),
    "too many parts": (field("overwrite", "true") * 17 + part() + END, TOO_LARGE),
    "empty filename": (part(filename="") + END, MISNAMED),
    "filename of 256 bytes": (part(filename="x" * 256) + END, MISNAMED),
    "filename that leads out": (part(filename="../../etc/passwd") + END, MISNAMED),
    "NUL in the filename": (part(filename="a\x00b") + END, MISNAMED),
    "metadata over 16 KiB": (part() + field("metadata", f'{{"x": "{"я" * 8200}"}}') + END, INVALID),
    "metadata is an array": (part() + field("metadata", "[]") + END, INVALID),
    "metadata is no JSON": (part() + field("metadata", "{") + END, INVALID),
    "metadata with NaN": (part() + field("metadata", '{"x": NaN}') + END, INVALID),
    "metadata beyond every number": (part() + field("metadata", '{"x": 1e999}') + END, INVALID),
    "metadata with a lone surrogate": (part() + field("metadata", '{"x": "\\ud800"}') + END, INVALID),
    "deep metadata": (part() + field("metadata", f'{{"x": {DEEP}}}') + END, INVALID),
    "a field twice": (part() + field("metadata", "{}") * 2 + END, INVALID),
    "unknown field": (part() + field("owner_id", "bob") + END, INVALID),
    "overwrite is a word": (part() + field("overwrite", "yes") + END, INVALID),
    "line break in a header to be": (part() + field("cache_control", "a\r\nX: 1") + END, INVALID),
    "forbidden key": (part() + field("file_id", "a//b") + END, INVALID),
    "key that is no UTF-8": (part() + field("file_id", b"\xff") + END, BROKEN),
    "filename that is no UTF-8": (part().replace(b"a.txt", b"\xff.txt") + END, BROKEN),
}


@pytest.mark.parametrize("name", FORMS)
def test_form_is_refused(service: RunningService, name: str) -> None:
    body, refusal = FORMS[name]
    length = len(body) + (100_000 if refusal is CUT else 0)
    headers = [AUTHORIZATION, FORM, ("Content-Length", str(length))]
    assert_problem(send(service, POST, headers, body, cut=refusal is CUT), *refusal)


@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [
        ("multipart/form-data", 400, "invalid_request"),
        ("multipart/form-data; boundary=", 400, "invalid_request"),
        ("multipart/form-data; boundary=другой".encode().decode("latin-1"), 400, "invalid_request"),
        ("multipart/form-data; boundary=other", 400, "invalid_request"),
        ("multipart/mixed; boundary=cut", 415, "unsupported_media_type"),
        ("application/json", 415, "unsupported_media_type"),
    ],
)
def test_form_must_be_declared(service: RunningService, content_type: str, status: int, code: str) -> None:
    body = part() + END
    sent = with_length([AUTHORIZATION, ("Content-Type", content_type)], body)
    assert_problem(send(service, POST, sent, body), status, code)


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
