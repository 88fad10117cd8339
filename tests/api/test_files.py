"""The routes of records: what of an edit and of a query is refused, and which field or parameter it names."""

import json
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.support.in_process import JSON, ask
from tests.support.raw_http import assert_problem
from tests.support.service import bearer

METADATA: dict[str, dict[str, object]] = {
    "more than 16 KiB": {"metadata": {"x": "я" * 8200}},
    "an array": {"metadata": []},
    "text": {"metadata": "x"},
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
def test_wrong_record_changes_nothing(unchanged: FlaskClient, name: str) -> None:
    body = json.dumps(METADATA[name]).encode()
    problem = assert_problem(
        ask(unchanged, "PUT /files/metadata/photos/there.txt", body, JSON), 422, "validation_failed"
    )
    assert list(problem["errors"]) == list(METADATA[name])


@pytest.mark.parametrize("method", ["put", "patch"])
def test_record_is_edited_and_keeps_what_is_not_given(client: FlaskClient, method: str) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    created = client.put("/files/upload-direct/photos/a/b.txt", data=b"abc", headers=bearer()).json or {}
    path = "/files/metadata/photos/a/b.txt"
    edited = client.open(path, method=method, json={"metadata": {"n": 1}}, headers=bearer()).json or {}
    assert edited == created | {"metadata": {"n": 1}, "updated_at": edited["updated_at"]}
    assert edited["updated_at"] > created["updated_at"]
    assert client.get("/files/info/photos/a/b.txt", headers=bearer()).json == edited


@pytest.mark.parametrize("line", ["PUT /files/metadata/photos/there.txt", "DELETE /files/photos/there.txt"])
@pytest.mark.parametrize("condition", [("If-Match", '"x"'), ("If-None-Match", "*")])
def test_condition_that_does_not_hold_changes_nothing(
    unchanged: FlaskClient, line: str, condition: tuple[str, str]
) -> None:
    assert_problem(ask(unchanged, line, b"{}", JSON, condition), 412, "precondition_failed")


def test_file_is_deleted_once(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    etag = client.put("/files/upload-direct/photos/a.txt", data=b"abc", headers=bearer()).headers["ETag"]
    deleted = client.delete("/files/photos/a.txt", headers=bearer() | {"If-Match": etag})
    assert (deleted.status_code, deleted.data) == (204, b"")
    assert_problem(ask(client, "DELETE /files/photos/a.txt"), 404, "file_not_found")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["a/1.txt", "a/2.txt", "b.txt"]),
        ("?prefix=a/", ["a/1.txt", "a/2.txt"]),
        ("?delimiter=/", ["a/", "b.txt"]),
        ("?order=-created_at", ["a/2.txt", "b.txt", "a/1.txt"]),
        ("?limit=1", ["a/1.txt"]),
        ("?search=2.TX", ["a/2.txt"]),
        ("?search=txt&prefix=a/", ["a/1.txt", "a/2.txt"]),
        ("?search=/1", ["a/1.txt"]),
        ("?search=&order=-created_at", ["a/2.txt", "b.txt", "a/1.txt"]),
        ("?search=t&order=-created_at&offset=1", ["b.txt", "a/1.txt"]),
        ("?prefix=a/&order=-created_at", ["a/2.txt", "a/1.txt"]),
        ("?offset=2", ["b.txt"]),
        ("?offset=1&delimiter=/", ["b.txt"]),
        ("?offset=1&search=a&prefix=a/", ["a/2.txt"]),
        ("?offset=100000", []),
    ],
)
def test_list_is_what_the_query_asks_for(client: FlaskClient, query: str, ids: list[str]) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    for key in ("a/1.txt", "b.txt", "a/2.txt"):
        client.put(f"/files/upload-direct/photos/{key}", data=b"abc", headers=bearer())
    answer = client.get(f"/files/list/photos{query}", headers=bearer())
    assert [entry["id"] for entry in answer.json or []] == ids
    assert ("Link" in answer.headers) == (query == "?limit=1")


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", "3"),
        ("?limit=1", "3"),
        ("?order=-created_at", "3"),
        ("?prefix=", "3"),
        ("?offset=1", "3"),
        ("?search=", "3"),
        ("?search=txt", None),
        ("?prefix=a/", None),
        ("?order=-created_at&prefix=a/", None),
        ("?delimiter=/", None),
    ],
)
def test_list_tells_its_length_if_that_costs_nothing(client: FlaskClient, query: str, total: str | None) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    for key in ("a/1.txt", "b.txt", "a/2.txt"):
        client.put(f"/files/upload-direct/photos/{key}", data=b"abc", headers=bearer())
    answer = client.get(f"/files/list/photos{query}", headers=bearer())
    assert answer.headers.get("X-Total-Count") == total
    if "Link" in answer.headers:
        following = client.get("/files/list/photos" + answer.headers["Link"].partition(">")[0][1:], headers=bearer())
        assert following.headers.get("X-Total-Count") == total


@pytest.mark.parametrize("query", ["", "?order=-created_at", "?delimiter=/"])
def test_page_of_large_records_ends_at_a_mebibyte(client: FlaskClient, query: str) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    metadata = {"text": "é" * 8000}  # 16 KB, and three times as much in the answer, which is ASCII
    keys = [f"{number:02}" for number in range(24)]
    for key in keys:
        client.put(f"/files/upload-direct/photos/{key}", data=b"x", headers=bearer())
        client.put(f"/files/metadata/photos/{key}", json={"metadata": metadata}, headers=bearer())
    first = client.get(f"/files/list/photos{query}", headers=bearer())
    second = client.get("/files/list/photos" + first.headers["Link"].partition(">")[0][1:], headers=bearer())
    assert 1000 * 1000 < len(first.data) <= 1024 * 1024
    assert "Link" not in second.headers
    assert sorted(entry["id"] for page in (first, second) for entry in page.json or []) == keys


def test_longest_link_fits_a_request_line(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "b" * 63}, headers=bearer())
    longest = "é" * 511
    for last in ("a", "b"):
        client.put(f"/files/upload-direct/{'b' * 63}/{quote(longest)}{last}", data=b"x", headers=bearer())
    query = f"limit=1&order=-created_at&prefix={quote(longest)}&search={'€' * 85}"
    for key in (f"{longest}a", f"{longest}b"):
        edited = client.put(f"/files/metadata/{'b' * 63}/{quote(key)}", json={"filename": "€" * 85}, headers=bearer())
        assert edited.status_code == 200
    page = client.get(f"/files/list/{'b' * 63}?{query}", headers=bearer())
    link = f"/files/list/{'b' * 63}" + page.headers["Link"].partition(">")[0][1:]
    assert len(f"HEAD {link} HTTP/1.1") < 8190
    following = client.get(link, headers=bearer())
    assert [entry["id"] for entry in following.json or []] == [f"{longest}a"]
