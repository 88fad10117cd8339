"""Names, JSON, queries and methods that are wrong: the right status, a sentence that helps, and nothing left behind."""

import json
from collections.abc import Iterator
from urllib.parse import unquote

import httpx
import pytest

from tests.support.raw_http import (
    Answer,
    assert_nothing_left,
    assert_problem,
    assert_sentence,
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


WRONG_KEYS = {
    "empty": b"",
    "only a slash": b"/",
    "leading slash": b"/a",
    "trailing slash": b"a/",
    "empty segment": b"a//b",
    "dot": b".",
    "dots": b"..",
    "dots below": b"a/../b",
    "dot below": b"a/./b",
    "dots at the end": b"a/..",
    "escaped dots": b"%2e%2e",
    "escaped slash after dots": b"..%2fx",
    "escaped way out": b"a%2f..%2f..%2f..%2fetc%2fpasswd",
    "NUL": b"a%00b",
    "NUL alone": b"%00",
    "line feed": b"a%0Ab",
    "carriage return": b"a%0D%0AX-Injected:%20yes",
    "escape": b"%1b[31m",
    "delete": b"%7F",
    "control of Latin 1": b"%C2%85",
    "1025 bytes": b"k" * 1025,
    "1026 bytes of Unicode": b"%D1%8F" * 513,
}


TAKES_A_KEY = (
    "GET /files/download", "HEAD /files/view", "GET /storage", "GET /files/info", "PUT /files/upload-direct",
    "DELETE /files", "PUT /files/metadata", "POST /files/presigned-url/upload",
)  # fmt: skip


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_forbidden_key_is_refused_by_every_route(filled: RunningService, key: str) -> None:
    for start in TAKES_A_KEY:
        answer = ask(filled, f"{start}/{BUCKET}/".encode() + WRONG_KEYS[key], b"{}", JSON)
        if start.startswith("HEAD"):
            assert (answer.status, answer.body) == (400, b"")
        else:
            assert_problem(answer, 400, "invalid_name")
        assert "X-Injected" not in answer.headers


@pytest.mark.parametrize(
    ("line", "code"),
    [
        pytest.param(f"GET /files/download/{BUCKET}/%FF", "invalid_request", id="no UTF-8"),
        pytest.param(f"GET /files/download/{BUCKET}/%ED%A0%80", "invalid_request", id="surrogate"),
        pytest.param(f"GET /files/download/{BUCKET}/%C0%AE%C0%AE/x", "invalid_request", id="overlong dots"),
        pytest.param("GET /files/list/%FF", "invalid_request", id="no UTF-8 as a bucket"),
        pytest.param(f"GET /files/list/{BUCKET}?prefix=%FF", "invalid_request", id="no UTF-8 in the query"),
        pytest.param(f"GET /files/list/{BUCKET}?%ED%A0%80=1", "invalid_request", id="surrogate in the query"),
        pytest.param("PUT /files/signed/%FF/x/y", "invalid_request", id="no UTF-8 as a token"),
        pytest.param("GET /%FF", "invalid_request", id="no UTF-8 as a route"),
    ],
)
def test_url_that_is_no_utf8_is_refused(filled: RunningService, line: str | bytes, code: str) -> None:
    assert "UTF-8" in assert_problem(ask(filled, line), 400, code)["detail"]


WRONG_BUCKETS = [
    "ab", "a" * 64, "Photos", "pho_tos", "-photos", "photos-", ".photos", "photos.", "pho..tos", "192.168.0.1",
    "999.1.1.1", "upload", "signed", "list", "initiate-upload", ".system", "a%2f..%2fb", "ph%00tos", "ph%0Atos",
    "%D1%84%D0%BE%D1%82%D0%BE",
]  # fmt: skip


@pytest.mark.parametrize("name", WRONG_BUCKETS)
def test_forbidden_bucket_name_is_named(filled: RunningService, name: str) -> None:
    target = name.encode()
    for line in (b"GET /buckets/", b"GET /files/list/", b"DELETE /buckets/"):
        if b"%2f" not in target:  # a slash ends a bucket's name, escaped or not
            assert_problem(ask(filled, line + target), 400, "invalid_name")
    body = json.dumps({"name": unquote(name)}).encode()
    problem = assert_problem(ask(filled, "POST /buckets", body, JSON), 422, "validation_failed")
    assert list(problem["errors"]) == ["name"]
    assert_sentence(problem["errors"]["name"][0])


@pytest.mark.parametrize("name", [None, 1, True, [], {}, ""])
def test_bucket_needs_a_name(filled: RunningService, name: object) -> None:
    body = json.dumps({"name": name}).encode()
    problem = assert_problem(ask(filled, "POST /buckets", body, JSON), 422, "validation_failed")
    assert "'name'" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(b"{", 400, "invalid_json", id="cut"),
        pytest.param(b"{'name': 'x'}", 400, "invalid_json", id="no JSON"),
        pytest.param(b'{"name": "abc"} {}', 400, "invalid_json", id="more than one"),
        pytest.param(b'{"name": "abc", "quota": NaN}', 400, "invalid_json", id="NaN"),
        pytest.param(b'{"name": "abc", "quota": -Infinity}', 400, "invalid_json", id="infinity"),
        pytest.param(b'{"name": "abc", "description": 1e999}', 400, "invalid_json", id="beyond every float"),
        pytest.param(b'{"name": "abc", "quota": ' + b"9" * 5000 + b"}", 400, "invalid_json", id="5000 digits"),
        pytest.param(b"[" * 100_000, 400, "invalid_json", id="deep and cut"),
        pytest.param(b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "invalid_json", id="deep"),
        pytest.param(b'{"name": "abc\xff"}', 400, "invalid_json", id="no UTF-8"),
        pytest.param('{"name": "abc"}'.encode("utf-16"), 400, "invalid_json", id="UTF-16"),
        pytest.param(b'{"name": "a\x00b"}', 400, "invalid_json", id="control character"),
        pytest.param(b"", 422, "validation_failed", id="nothing"),
        pytest.param(b"null", 422, "validation_failed", id="null"),
        pytest.param(b"[]", 422, "validation_failed", id="array"),
        pytest.param(b'"name"', 422, "validation_failed", id="string"),
        pytest.param(b"1", 422, "validation_failed", id="number"),
        pytest.param(b'{"name": "abc", "colour": 1}', 422, "validation_failed", id="unknown field"),
        pytest.param(b'{"name": "abc", "quota": 1.5}', 422, "validation_failed", id="fraction"),
        pytest.param(b'{"name": "abc", "quota": -1}', 422, "validation_failed", id="below zero"),
        pytest.param(b'{"name": "abc", "quota": 9223372036854775808}', 422, "validation_failed", id="beyond 64 bits"),
        pytest.param(b'{"name": "abc", "quota": "1"}', 422, "validation_failed", id="text for a number"),
        pytest.param(b'{"name": "abc", "is_public": "yes"}', 422, "validation_failed", id="text for a flag"),
        pytest.param(b'{"name": "abc", "description": "\\ud800"}', 422, "validation_failed", id="lone surrogate"),
        pytest.param(b'{"name": "abc\\udc00"}', 422, "validation_failed", id="lone surrogate in a name"),
        pytest.param(b'{"name": "abc", "\\ud800": 1}', 422, "validation_failed", id="lone surrogate in a field"),
        pytest.param(b'{"name": "abc", "description": "\\u0000"}', 422, "validation_failed", id="NUL"),
        pytest.param(b'{"name": "abc", "grants": {"bob": "own"}}', 422, "validation_failed", id="unknown grant"),
        pytest.param(b'{"name": "abc", "grants": {"": "read"}}', 422, "validation_failed", id="nobody"),
        pytest.param(
            b'{"name": "abc", "allowed_content_types": ["png"]}', 422, "validation_failed", id="no content type"
        ),
        pytest.param(b'{"name": "abc", "cache_control": "a\\r\\nX: 1"}', 422, "validation_failed", id="line break"),
        pytest.param(b'{"description": "' + b"x" * 2**20 + b'"}', 413, "too_large", id="more than 1 MiB"),
    ],
)
def test_wrong_json_is_explained(filled: RunningService, body: bytes, status: int, code: str) -> None:
    problem = assert_problem(ask(filled, "POST /buckets", body, JSON), status, code)
    assert ("errors" in problem) == (status == 422)
    assert ("limit" in problem) == (status == 413)
    assert len(problem["detail"]) < 300


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_json_must_be_declared(filled: RunningService, content_type: str | None) -> None:
    declared = () if content_type is None else (("Content-Type", content_type),)
    problem = assert_problem(ask(filled, "POST /buckets", b'{"name": "abc"}', *declared), 415, "unsupported_media_type")
    assert "application/json" in problem["detail"]


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


METADATA: dict[str, dict[str, object]] = {
    "more than 16 KiB": {"metadata": {"x": "я" * 8200}},
    "an array": {"metadata": []},
    "text": {"metadata": "x"},
    "null": {"metadata": None},
    "line break in the filename": {"filename": "a\r\nb"},
    "no filename": {"filename": ""},
    "long filename": {"filename": "x" * 256},
    "content type": {"content_type": "png"},
    "content type with a line break": {"content_type": "image/png\r\nX: 1"},
    "cache control": {"cache_control": "я"},
    "a lone surrogate": {"metadata": {"x": {"y": "\ud800"}}},
    "unknown field": {"size": 1},
    "owner": {"owner_id": "bob"},
}


@pytest.mark.parametrize("name", METADATA)
def test_wrong_record_changes_nothing(filled: RunningService, name: str) -> None:
    body = json.dumps(METADATA[name]).encode()
    problem = assert_problem(
        ask(filled, f"PUT /files/metadata/{BUCKET}/there.txt", body, JSON), 422, "validation_failed"
    )
    assert list(problem["errors"]) == list(METADATA[name])


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1001", "limit=x", "limit=", "limit=1.5", "cursor=x", "cursor=", "cursor=bnVsbA", "order=size",
        "delimiter=%2F%2F", "delimiter=%2F&order=-created_at", "prefix=%00", "cursor=WyJcdTAwMDAiLCB0cnVlLCBudWxsXQ",
    ],
)  # fmt: skip
def test_wrong_query_names_the_parameter(filled: RunningService, query: str) -> None:
    problem = assert_problem(ask(filled, f"GET /files/list/{BUCKET}?{query}"), 422, "validation_failed")
    assert list(problem["errors"]) == [query.split("=", maxsplit=1)[0]]


@pytest.mark.parametrize(
    "line", [f"DELETE /buckets/{BUCKET}?force=maybe", f"PUT /files/upload-direct/{BUCKET}/new.txt?overwrite=1"]
)
def test_switch_is_true_or_false(filled: RunningService, line: str) -> None:
    assert_problem(ask(filled, line, b"x"), 422, "validation_failed")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/buckets", "GET, HEAD, OPTIONS, POST"),
        (f"/buckets/{BUCKET}", "DELETE, GET, HEAD, OPTIONS, PUT"),
        (f"/files/upload/{BUCKET}", "OPTIONS, POST"),
        (f"/files/upload-direct/{BUCKET}/there.txt", "OPTIONS, PUT"),
        (f"/files/download/{BUCKET}/there.txt", "GET, HEAD, OPTIONS"),
        (f"/files/{BUCKET}/there.txt", "DELETE, OPTIONS"),
        ("/files/signed/token/bucket/key", "GET, HEAD, OPTIONS, PUT"),
        ("/files/initiate-upload", "OPTIONS, POST"),
    ],
)
def test_unknown_method_is_told_the_known_ones(filled: RunningService, path: str, allowed: str) -> None:
    for method in ("TRACE", "PATCH", "FOO", "PROPFIND"):
        answer = ask(filled, f"{method} {path}")
        problem = assert_problem(answer, 405, "method_not_allowed")
        assert ", ".join(sorted(answer.headers["Allow"].split(", "))) == allowed
        assert method in problem["detail"]


@pytest.mark.parametrize("path", ["/nothing", "/files", "/files/", "/buckets//", "/%2e%2e/", "/..", "/a%00b"])
def test_unknown_route_is_a_problem(filled: RunningService, path: str) -> None:
    assert_problem(ask(filled, f"GET {path}"), 404, "not_found")


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
