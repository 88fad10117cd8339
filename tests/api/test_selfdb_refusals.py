"""The refusals of the calls of SelfDB 0.05's backend, which parses `application/json` alone."""

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
from tests.support.service import ANON_KEY, BACKEND, SERVICE_KEY, bearer


def test_only_the_service_creates_for_others(backend: FlaskClient) -> None:
    refused = backend.post("/api/v1/buckets", json={"name": "theirs", "owner_id": "alice"}, headers=bearer("bob"))
    assert (refused.status_code, refused.mimetype) == (403, "application/json")
    assert "Only the service" in (refused.json or {})["detail"]
    assert backend.get("/api/v1/buckets/theirs", headers=BACKEND).status_code == 404


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


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("If-None-Match", "POST", "/api/v1/files/photos/a.txt"),
        ("If-Match", "POST", "/api/v1/files/photos/a.txt"),
        ("If-Match", "DELETE", "/api/v1/files/photos/a.txt"),
        ("If-Match", "DELETE", "/photos/a.txt"),
    ],
)
def test_change_depends_on_its_condition(backend: FlaskClient, name: str, method: str, path: str) -> None:
    backend.post("/api/v1/files/photos/a.txt", data=b"abc", headers=BACKEND)
    condition = {name: "*" if name == "If-None-Match" else '"another"'}
    refused = backend.open(path, method=method, data=b"new", headers={**BACKEND, **condition})
    assert (refused.status_code, refused.mimetype) == (412, "application/json")
    assert backend.get("/api/v1/files/photos/a.txt", headers=BACKEND).data == b"abc"


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
    app = make_app(SERVICE_KEY=SERVICE_KEY)
    client = app.test_client()
    storage: Storage = app.extensions["storage"]
    shutil.rmtree(storage.settings.storage_path)
    document = client.get("/openapi.json").json or {}
    (status,) = (each for _, _, each in operations(document) if each["operationId"] == "selfdbCheckHealth")
    answer = client.get("/api/v1/storage/status")
    assert (answer.status_code, answer.mimetype) == (503, "application/json")
    assert_described(document, status, answer)


def test_filename_that_is_not_utf8_is_refused(backend: FlaskClient) -> None:
    sent = {**BACKEND, "X-Filename": "caf\xe9.txt"}
    refused = backend.post("/api/v1/files/photos/a.txt", data=b"abc", headers=sent)
    assert (refused.status_code, (refused.json or {})["code"]) == (400, "invalid_name")
