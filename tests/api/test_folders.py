"""The routes that work on many files: what they are asked, and how they answer."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.in_process import JSON, ask
from tests.support.raw_http import assert_problem
from tests.support.service import ANON_KEY, bearer


def delete(client: FlaskClient, asked: dict[str, Any], sub: str = "alice") -> Any:
    return client.post("/files/delete/photos", json=asked, headers=bearer(sub)).json


@pytest.fixture
def filled(client: FlaskClient) -> FlaskClient:
    client.post("/buckets", json={"name": "photos", "is_public": True}, headers=bearer())
    for key in ("a", "2026/я", "2026/b"):
        client.put(f"/files/upload-direct/photos/{key}", data=b"abc", headers=bearer())
    return client


def test_files_are_deleted_by_keys_and_by_prefix(filled: FlaskClient) -> None:
    assert delete(filled, {"file_ids": ["2026/я", "none"]}) == {"complete": True, "deleted": 2, "failed": []}
    assert delete(filled, {"prefix": "2026/"}) == {"complete": True, "deleted": 1, "failed": []}
    listed = filled.get("/files/list/photos", headers=bearer()).get_json()
    assert [file["id"] for file in listed] == ["a"]


def test_refused_files_are_named_with_their_code(filled: FlaskClient) -> None:
    failed = [{"code": "forbidden", "file_id": "2026/b"}, {"code": "forbidden", "file_id": "2026/я"}]
    assert delete(filled, {"prefix": "2026/"}, "bob") == {"complete": True, "deleted": 0, "failed": failed}
    answer = filled.post("/files/delete/photos", json={"file_ids": ["a"]}, headers={"apikey": ANON_KEY})
    assert answer.get_json()["failed"] == [{"code": "forbidden", "file_id": "a"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "_schema"),
        ({"file_ids": None, "prefix": None}, "_schema"),
        ({"file_ids": ["a"], "prefix": "a"}, "_schema"),
        ({"file_ids": []}, "file_ids"),
        ({"file_ids": [str(number) for number in range(1001)]}, "file_ids"),
        ({"file_ids": ["a", "a/"]}, "file_ids"),
        ({"file_ids": ["a", 7]}, "file_ids"),
        ({"file_ids": "a"}, "file_ids"),
        ({"prefix": ""}, "prefix"),
        ({"prefix": "я" * 513}, "prefix"),
        ({"prefix": "\0"}, "prefix"),
        ({"prefix": "a", "recursive": True}, "recursive"),
    ],
)
def test_wrong_request_deletes_nothing(unchanged: FlaskClient, body: dict[str, Any], field: str) -> None:
    answer = ask(unchanged, "POST /files/delete/photos", json.dumps(body).encode(), JSON)
    assert list(assert_problem(answer, 422, "validation_failed")["errors"]) == [field]


def test_thousand_of_the_longest_keys_are_taken(unchanged: FlaskClient) -> None:
    body = {"file_ids": [f"{'я' * 510}{number:04}" for number in range(1000)]}
    answer = ask(unchanged, "POST /files/delete/photos", json.dumps(body, ensure_ascii=False).encode(), JSON)
    assert (answer.status, json.loads(answer.body)["deleted"]) == (200, 1000)


def test_missing_bucket_is_told_before_the_body_is_read(unchanged: FlaskClient) -> None:
    assert_problem(ask(unchanged, "POST /files/delete/missing", b"{", JSON), 404, "bucket_not_found")


def test_nobody_deletes_nothing(unchanged: FlaskClient) -> None:
    answer = unchanged.post("/files/delete/photos", json={"prefix": "there"})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthenticated")
