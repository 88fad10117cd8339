"""The routes that copy files: what a client sends, and what it is answered."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.in_process import JSON, ask
from tests.support.raw_http import assert_problem
from tests.support.service import ANON_KEY, bearer

SOURCE = {"bucket_id": "photos", "file_id": "there.txt"}
COPY = {"source": SOURCE, "destination": {"bucket_id": "photos", "file_id": "new.txt"}}


@pytest.fixture
def filled(client: FlaskClient) -> FlaskClient:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    client.put("/files/upload-direct/photos/there.txt", data=b"there", headers=bearer())
    return client


def test_copy_is_answered_as_an_upload_is(filled: FlaskClient) -> None:
    answer = filled.post("/files/copy", json=COPY, headers=bearer())
    shown: dict[str, Any] = answer.json or {}
    assert (answer.status_code, answer.headers["ETag"]) == (201, shown["etag"])
    assert answer.headers["Location"] == "../storage/photos/new.txt"
    assert filled.get("/files/info/photos/new.txt", headers=bearer()).json == shown
    assert filled.get("/files/download/photos/new.txt", headers=bearer()).data == b"there"
    assert_problem_of(filled.post("/files/copy", json=COPY, headers=bearer()), 409, "file_exists")
    again = filled.post("/files/copy", json=COPY | {"overwrite": True, "metadata": {"n": 1}}, headers=bearer())
    assert (again.status_code, (again.json or {})["metadata"]) == (200, {"n": 1})


@pytest.mark.parametrize(
    ("fields", "headers", "status", "code"),
    [
        ({}, {"If-Match": "*"}, 412, "precondition_failed"),
        ({"source_etag": '"other"'}, {}, 412, "precondition_failed"),
        ({"source": {"bucket_id": "photos", "file_id": "none"}}, {}, 404, "file_not_found"),
        ({"source": {"bucket_id": "none", "file_id": "none"}}, {}, 404, "bucket_not_found"),
        ({"destination": {"bucket_id": "none", "file_id": "none"}}, {}, 404, "bucket_not_found"),
    ],
)
def test_refused_copy_says_why(
    filled: FlaskClient, fields: dict[str, Any], headers: dict[str, str], status: int, code: str
) -> None:
    assert_problem_of(filled.post("/files/copy", json=COPY | fields, headers=bearer() | headers), status, code)


@pytest.mark.parametrize(
    ("credential", "status"),
    [({}, 401), ({"apikey": ANON_KEY}, 403), (bearer("bob"), 403)],
    ids=["nobody", "anonymous", "bob"],
)
def test_copy_needs_rights(filled: FlaskClient, credential: dict[str, str], status: int) -> None:
    assert filled.post("/files/copy", json=COPY, headers=credential).status_code == status


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, {"source", "destination"}),
        ({"source": SOURCE}, {"destination"}),
        (COPY | {"destination": SOURCE}, {"destination"}),
        (COPY | {"source": SOURCE | {"file_id": "a//b"}}, {"source"}),
        (COPY | {"source": SOURCE | {"key": "a"}}, {"source"}),
        (COPY | {"source": "there.txt"}, {"source"}),
        (COPY | {"destination": SOURCE | {"bucket_id": "No"}}, {"destination"}),
        (COPY | {"overwrite": "yes"}, {"overwrite"}),
        (COPY | {"metadata": []}, {"metadata"}),
        (COPY | {"owner_id": "bob"}, {"owner_id"}),
    ],
)
def test_wrong_request_is_explained(unchanged: FlaskClient, body: dict[str, Any], named: set[str]) -> None:
    answer = ask(unchanged, "POST /files/copy", json.dumps(body).encode(), JSON)
    assert assert_problem(answer, 422, "validation_failed")["errors"].keys() == named


def assert_problem_of(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_move_is_answered_as_an_upload_is(filled: FlaskClient) -> None:
    answer = filled.post("/files/move", json=COPY, headers=bearer())
    assert (answer.status_code, answer.headers["Location"]) == (201, "../storage/photos/new.txt")
    assert filled.get("/files/info/photos/new.txt", headers=bearer()).json == answer.json
    assert_problem_of(filled.get("/files/info/photos/there.txt", headers=bearer()), 404, "file_not_found")
    assert_problem_of(filled.post("/files/move", json=COPY, headers=bearer()), 404, "file_not_found")


@pytest.mark.parametrize(("route", "done"), [("copy", "copied"), ("move", "moved")])
def test_folder_is_answered_as_a_bulk_delete_is(filled: FlaskClient, route: str, done: str) -> None:
    body = {
        name: {"bucket_id": "photos", "prefix": prefix} for name, prefix in (("source", "th"), ("destination", "n/"))
    }
    answer = filled.post(f"/files/{route}", json=body, headers=bearer())
    assert (answer.status_code, answer.json) == (200, {done: 1, "failed": [], "complete": True})
    assert filled.get("/files/download/photos/n/ere.txt", headers=bearer()).data == b"there"


A_FOLDER = {"bucket_id": "photos", "prefix": "a/"}


@pytest.mark.parametrize(
    "body",
    [
        {"source": A_FOLDER, "destination": SOURCE},
        {"source": A_FOLDER, "destination": A_FOLDER},
        {"source": A_FOLDER, "destination": A_FOLDER | {"prefix": "a/b/"}},
        {"source": A_FOLDER | {"file_id": "a"}, "destination": A_FOLDER | {"prefix": "b/"}},
        {"source": {"bucket_id": "photos"}, "destination": A_FOLDER},
        {"source": A_FOLDER, "destination": A_FOLDER | {"prefix": "b/"}, "metadata": {}},
        {"source": A_FOLDER, "destination": A_FOLDER | {"prefix": "x" * 1025}},
    ],
)
def test_wrong_folder_is_refused(unchanged: FlaskClient, body: dict[str, Any]) -> None:
    for route in ("copy", "move"):
        answer = ask(unchanged, f"POST /files/{route}", json.dumps(body).encode(), JSON)
        assert_problem(answer, 422, "validation_failed")
