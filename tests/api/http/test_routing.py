"""A path is taken as it is: a key may hold slashes, and a forbidden one is refused as a key, by every route."""

import pytest
from flask.testing import FlaskClient

from storage_app.domain.buckets import RESERVED_BUCKET_NAMES
from tests.support.in_process import JSON, ask
from tests.support.raw_http import assert_problem

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
def test_forbidden_key_is_refused_by_every_route(unchanged: FlaskClient, key: str) -> None:
    for start in TAKES_A_KEY:
        answer = ask(unchanged, f"{start}/photos/".encode() + WRONG_KEYS[key], b"{}", JSON)
        if start.startswith("HEAD"):
            assert (answer.status, answer.body) == (400, b"")
        else:
            assert_problem(answer, 400, "invalid_name")
        assert "X-Injected" not in answer.headers


@pytest.mark.parametrize("key", ["a", "a/b/c", "a%2fb", "download/photos/a", "%20", "..a", "a..b", "ж"])
def test_key_is_the_rest_of_the_path(unchanged: FlaskClient, key: str) -> None:
    for start in ("GET /files/download", "GET /files/info", "DELETE /files"):
        assert_problem(ask(unchanged, f"{start}/photos/{key}".encode()), 404, "file_not_found")


@pytest.mark.parametrize("word", sorted(RESERVED_BUCKET_NAMES))
def test_word_of_a_route_is_no_bucket_to_delete_from(unchanged: FlaskClient, word: str) -> None:
    """`/files/<bucket>/<key>` is left to the routes that have the word, or may have it later."""
    assert ask(unchanged, f"DELETE /files/{word}/photos/there.txt").status in (404, 405)


@pytest.mark.parametrize("path", ["/buckets/", "/files//list/photos", "//buckets", "/health//ready"])
def test_slashes_are_neither_merged_nor_redirected(unchanged: FlaskClient, path: str) -> None:
    assert ask(unchanged, f"GET {path}").status == (200 if path == "/buckets/" else 404)
