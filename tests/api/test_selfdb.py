"""The calls of SelfDB 0.05's backend: what it sends, and the answers that it parses."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from werkzeug.test import TestResponse

from storage_app.node import Storage
from tests.support.service import ANON_KEY, bearer

KEY = "a-service-key-of-32-characters-or-more"
BACKEND = {"X-API-Key": KEY}


@pytest.fixture
def backend(make_app: Callable[..., Flask]) -> FlaskClient:
    client = make_app(SERVICE_KEY=KEY).test_client()
    client.post("/api/v1/buckets", json={"name": "photos", "owner_id": "alice"}, headers=BACKEND)
    return client


def test_routes_exist_only_with_a_service_key(client: FlaskClient) -> None:
    assert client.get("/api/v1/storage/status").status_code == 404
    assert client.delete("/photos/a.txt", headers=bearer()).status_code == 404


def test_status_is_that_of_health(backend: FlaskClient) -> None:
    assert backend.get("/api/v1/storage/status").json == backend.get("/health").json == {"status": "healthy"}


def test_bucket_belongs_to_the_owner_that_the_backend_names(backend: FlaskClient) -> None:
    answer = backend.post(
        "/api/v1/buckets", json={"name": "Holiday-Pictures", "owner_id": "bob", "public": True}, headers=BACKEND
    )
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["success"] is True
    bucket = answer.json["bucket"]
    assert (bucket["name"], bucket["internal_bucket_name"]) == ("holiday-pictures", "holiday-pictures")
    assert (bucket["owner_id"], bucket["public"], bucket["is_public"]) == ("bob", True, True)


def test_bucket_that_is_there_already_is_shown(backend: FlaskClient) -> None:
    again = backend.post("/api/v1/buckets", json={"name": "photos", "owner_id": "bob"}, headers=BACKEND)
    assert again.status_code == 200
    assert again.json is not None
    assert again.json["bucket"]["owner_id"] == "alice"


def test_only_the_service_creates_for_others(backend: FlaskClient) -> None:
    refused = backend.post("/api/v1/buckets", json={"name": "theirs", "owner_id": "alice"}, headers=bearer("bob"))
    assert (refused.status_code, refused.mimetype) == (403, "application/json")
    assert "Only the service" in (refused.json or {})["detail"]
    assert backend.get("/api/v1/buckets/theirs", headers=BACKEND).status_code == 404


def test_bucket_is_listed_shown_changed_and_deleted_with_its_files(backend: FlaskClient) -> None:
    listed = backend.get("/api/v1/buckets", headers=BACKEND).json or {}
    assert listed["success"] is True
    assert [bucket["name"] for bucket in listed["buckets"]] == ["photos"]
    assert (backend.get("/api/v1/buckets/Photos", headers=BACKEND).json or {})["bucket"]["name"] == "photos"
    changed = backend.put("/api/v1/buckets/photos", json={"public": True, "color": "red"}, headers=BACKEND)
    assert (changed.json or {})["bucket"]["public"] is True
    backend.post("/api/v1/files/photos/a.txt", data=b"abc", headers=BACKEND)
    gone = backend.delete("/api/v1/buckets/photos", headers=BACKEND)
    assert (gone.status_code, gone.json) == (200, {"success": True, "status": "success"})
    assert backend.get("/buckets/photos", headers=BACKEND).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/buckets/nothing"),
        ("PUT", "/api/v1/buckets/nothing"),
        ("DELETE", "/api/v1/buckets/nothing"),
        ("GET", "/api/v1/buckets/nothing/files"),
        ("POST", "/api/v1/files/nothing/a.txt"),
        ("GET", "/api/v1/files/nothing/a.txt"),
        ("DELETE", "/api/v1/files/nothing/a.txt"),
        ("DELETE", "/nothing/a.txt"),
    ],
)
def test_missing_bucket_is_refused_to_the_letter(backend: FlaskClient, method: str, path: str) -> None:
    answer = backend.open(path, method=method, data=b"", headers=BACKEND)
    assert (answer.status_code, answer.mimetype) == (404, "application/json")
    assert answer.json == {"detail": "Bucket not found"}


def test_file_is_stored_replaced_and_listed(backend: FlaskClient) -> None:
    for body in (b"first", b"second one"):
        answer = backend.post(
            "/api/v1/files/photos/2026/cat.txt", data=body, headers={**BACKEND, "X-Filename": "My%20cat.txt"}
        )
        stored = answer.json or {}
        assert (answer.status_code, stored["status"]) == (200, "success")
        assert (stored["file_id"], stored["size"]) == ("2026/cat.txt", len(body))
        assert stored["url"].endswith("/storage/photos/2026/cat.txt")
    listed = backend.get("/api/v1/buckets/photos/files", headers=BACKEND).json or {}
    assert listed["success"] is True
    assert [(file["id"], file["filename"], file["size"]) for file in listed["files"]] == [
        ("2026/cat.txt", "My cat.txt", 10)
    ]


def test_lists_take_limit_and_offset_and_ignore_what_they_do_not_know(backend: FlaskClient) -> None:
    for key in ("a", "b", "c"):
        backend.post(f"/api/v1/files/photos/{key}", data=b"x", headers=BACKEND)
    page = backend.get("/api/v1/buckets/photos/files?limit=1&offset=1&page=7", headers=BACKEND)
    assert [file["id"] for file in (page.json or {})["files"]] == ["b"]
    assert (page.headers["X-Total-Count"], "Link" in page.headers) == ("3", True)
    following = backend.get(
        "/api/v1/buckets/photos/files" + page.headers["Link"].partition(">")[0][1:], headers=BACKEND
    )
    assert [file["id"] for file in (following.json or {})["files"]] == ["c"]
    buckets = backend.get("/api/v1/buckets?limit=5000&offset=1", headers=BACKEND)
    assert (buckets.json or {})["buckets"] == []


def test_file_is_sent_whole_and_in_part(backend: FlaskClient) -> None:
    backend.post("/api/v1/files/photos/é.txt", data=b"0123456789", headers=BACKEND)
    whole = backend.get("/api/v1/files/photos/é.txt", headers=BACKEND)
    assert (whole.status_code, whole.data, whole.headers["X-File-Name"]) == (200, b"0123456789", "%C3%A9.txt")
    part = backend.get("/api/v1/files/photos/é.txt", headers={**BACKEND, "Range": "bytes=2-4"})
    assert (part.status_code, part.data) == (206, b"234")
    same = backend.get("/api/v1/files/photos/é.txt", headers={**BACKEND, "If-None-Match": whole.headers["ETag"]})
    assert same.status_code == 304
    assert backend.head("/api/v1/files/photos/é.txt", headers=BACKEND).headers["Content-Length"] == "10"


@pytest.mark.parametrize("path", ["/api/v1/files/photos/a.txt", "/photos/a.txt"])
def test_file_is_deleted_by_either_path(backend: FlaskClient, path: str) -> None:
    backend.post("/api/v1/files/photos/a.txt", data=b"abc", headers=BACKEND)
    done = backend.delete(path, headers=BACKEND)
    assert (done.status_code, (done.json or {})["status"]) == (200, "success")
    missing = backend.delete(path, headers=BACKEND)
    assert (missing.status_code, missing.mimetype, (missing.json or {})["code"]) == (
        404,
        "application/json",
        "file_not_found",
    )


def test_rights_are_those_of_all_routes(backend: FlaskClient) -> None:
    backend.post("/api/v1/files/photos/a.txt", data=b"abc", headers=BACKEND)
    assert backend.get("/api/v1/files/photos/a.txt", headers=bearer("alice")).data == b"abc"
    for headers, status in ((bearer("bob"), 403), ({"apikey": ANON_KEY}, 403), ({}, 401), ({"apikey": "wrong"}, 401)):
        refused = backend.get("/api/v1/files/photos/a.txt", headers=headers)
        assert (refused.status_code, refused.mimetype) == (status, "application/json")
        assert (refused.json or {})["detail"]


# What is wrong with a request: the values of its path, its headers, and its body.
WRONG: dict[str, tuple[dict[str, str], dict[str, str], bytes]] = {
    "no credential": ({}, {}, b""),
    "wrong credential": ({}, {"apikey": "wrong"}, b""),
    "another user": ({}, bearer("bob"), b""),
    "missing bucket": ({"bucket_id": "nothing"}, BACKEND, b""),
    "missing file": ({"file_id": "nothing"}, BACKEND, b""),
    "invalid name": ({"bucket_id": "x", "file_id": "../a"}, BACKEND, b""),
    "no JSON": ({}, BACKEND | {"Content-Type": "application/json"}, b"{"),
    "wrong JSON": ({}, BACKEND | {"Content-Type": "application/json"}, b"[]"),
    "no JSON type": ({}, BACKEND, b"{}"),
    "failed condition": ({}, BACKEND | {"If-Match": '"another"'}, b""),
}


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the method, the path and the description of each of these calls."""
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters" and operation["tags"] == ["SelfDB"]
    ]


def assert_described(document: dict[str, Any], operation: dict[str, Any], answer: TestResponse) -> None:
    """Assert that the document describes the status, the media type and the body of this refusal."""
    where = operation["operationId"], answer.status_code, answer.mimetype
    content = operation["responses"].get(str(answer.status_code), {}).get("content", {})
    assert answer.mimetype in content, where
    schema = {**content[answer.mimetype]["schema"], "components": document["components"]}
    assert [error.message for error in OAS31Validator(schema).iter_errors(answer.json)] == [], where


def test_refusals_are_as_the_document_says(backend: FlaskClient) -> None:
    document = backend.get("/openapi.json").json or {}
    validate(document)
    refused = {operation["operationId"]: 0 for _, _, operation in operations(document)}
    for method, path, operation in operations(document):
        for values, headers, body in WRONG.values():
            target = path.format(**{"bucket_id": "photos", "file_id": "a.txt"} | values)
            answer = backend.open(target, method=method, headers=headers, data=body)
            if answer.status_code >= 400:
                assert answer.mimetype == "application/json"
                assert_described(document, operation, answer)
                refused[operation["operationId"]] += 1
    assert [name for name, times in refused.items() if times < 2] == ["selfdbCheckHealth"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/api/v1/files/photos/a.txt", 405),
        ("POST", "/api/v1/storage/status", 405),
        ("PATCH", "/api/v1/buckets", 405),
        ("GET", "/api/v1/nothing", 404),
    ],
)
def test_refusal_without_a_route_is_json_below_their_path(
    backend: FlaskClient, method: str, path: str, status: int
) -> None:
    refused = backend.open(path, method=method, headers=BACKEND)
    assert (refused.status_code, refused.mimetype) == (status, "application/json")
    assert (refused.json or {})["detail"]
    assert ("Allow" in refused.headers) is (status == 405)


@pytest.mark.parametrize(("method", "path"), [("PUT", "/health"), ("GET", "/nothing"), ("GET", "/photos/a.txt")])
def test_refusal_without_a_route_is_a_problem_elsewhere(backend: FlaskClient, method: str, path: str) -> None:
    assert backend.open(path, method=method, headers=BACKEND).mimetype == "application/problem+json"


def test_status_of_a_store_that_cannot_be_opened_is_as_the_document_says(make_app: Callable[..., Flask]) -> None:
    app = make_app(SERVICE_KEY=KEY)
    client = app.test_client()
    storage: Storage = app.extensions["storage"]
    shutil.rmtree(storage.settings.storage_path)
    document = client.get("/openapi.json").json or {}
    (status,) = (each for _, _, each in operations(document) if each["operationId"] == "selfdbCheckHealth")
    answer = client.get("/api/v1/storage/status")
    assert (answer.status_code, answer.mimetype) == (503, "application/json")
    assert_described(document, status, answer)


def test_document_has_a_tag_of_its_own_only_with_a_service_key(backend: FlaskClient, app: Flask) -> None:
    assert "SelfDB" in [tag["name"] for tag in (backend.get("/openapi.json").json or {})["tags"]]
    document = backend.get("/openapi.json").json or {}
    names = [
        each["operationId"] for item in document["paths"].values() for key, each in item.items() if key != "parameters"
    ]
    assert len(set(names)) == len(names)
    assert "selfdbUploadFile" in names
    without = app.test_client().get("/openapi.json").json or {}
    assert "SelfDB" not in [tag["name"] for tag in without["tags"]]


@pytest.mark.parametrize("sent", ["caf%C3%A9.txt", "café.txt".encode().decode("latin-1")])
def test_filename_is_utf8_percent_encoded_or_not(backend: FlaskClient, sent: str) -> None:
    backend.post("/api/v1/files/photos/a.txt", data=b"abc", headers={**BACKEND, "X-Filename": sent})
    listed = backend.get("/api/v1/buckets/photos/files", headers=BACKEND).json or {}
    assert listed["files"][0]["filename"] == "café.txt"


def test_filename_that_is_not_utf8_is_refused(backend: FlaskClient) -> None:
    sent = {**BACKEND, "X-Filename": "caf\xe9.txt"}
    refused = backend.post("/api/v1/files/photos/a.txt", data=b"abc", headers=sent)
    assert (refused.status_code, (refused.json or {})["code"]) == (400, "invalid_name")
