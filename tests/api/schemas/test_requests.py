"""What requests may say: every field's rule, and what holds where nothing is said."""

import json

import pytest
from flask.testing import FlaskClient

from storage_app.api.schemas.requests import BucketChangesSchema
from tests.support.in_process import JSON, ask
from tests.support.raw_http import assert_problem


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"name": "abc", "quota": -1}', id="below zero"),
        pytest.param(b'{"name": "abc", "quota": 9223372036854775808}', id="beyond 64 bits"),
        pytest.param(b'{"name": "abc\\udc00"}', id="lone surrogate in a name"),
        pytest.param(b'{"name": "abc", "grants": {"bob": "own"}}', id="unknown grant"),
        pytest.param(b'{"name": "abc", "grants": {"": "read"}}', id="nobody"),
        pytest.param(b'{"name": "abc", "grants": {"a\\nb": "read"}}', id="an id that no user has"),
        pytest.param(json.dumps({"name": "abc", "grants": {"é" * 128: "read"}}).encode(), id="id of 256 bytes"),
        pytest.param(b'{"name": "abc", "allowed_content_types": ["png"]}', id="no content type"),
        pytest.param(
            b'{"name": "abc", "allowed_content_types": ["image/' + b"x" * 250 + b'"]}', id="type of 256 characters"
        ),
        pytest.param(b'{"name": "abc", "cache_control": "a\\r\\nX: 1"}', id="line break"),
    ],
)
def test_wrong_json_is_explained(unchanged: FlaskClient, body: bytes) -> None:
    problem = assert_problem(ask(unchanged, "POST /buckets", body, JSON), 422, "validation_failed")
    (name,) = problem["errors"]
    assert problem["detail"].startswith(f"'{name}' is not valid: ")
    assert len(problem["detail"]) < 300


@pytest.mark.parametrize("filename", ["a\rb", "a\nb", "a\r\nX-Injected: yes", "a\0b", "a\x1b[31mb", "a\x85b", "\ud800"])
def test_control_character_is_refused(unchanged: FlaskClient, filename: str) -> None:
    for line, fields in (
        ("PUT /files/metadata/photos/there.txt", {}),
        ("POST /files/initiate-upload", {"bucket_id": "photos"}),
        ("POST /files/initiate-download", {"bucket_id": "photos", "file_id": "there.txt"}),
    ):
        body = json.dumps({**fields, "filename": filename}).encode()
        problem = assert_problem(ask(unchanged, line, body, JSON), 422, "validation_failed")
        assert list(problem["errors"]) == ["filename"]


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({"public": True}, {"is_public": True}),
        ({"public": False, "is_public": False}, {"is_public": False}),
        ({"public": None}, {}),
        ({"file_size_limit": 5}, {"max_file_size": 5}),
        ({"file_size_limit": None}, {"max_file_size": None}),
        ({"file_size_limit": 5, "max_file_size": 5.0}, {"max_file_size": 5}),
        ({"allowed_mime_types": ["image/*"]}, {"allowed_content_types": ("image/*",)}),
        ({"allowed_mime_types": ["a/b"], "allowed_content_types": ["a/b"]}, {"allowed_content_types": ("a/b",)}),
    ],
)
def test_setting_may_have_its_name_of_other_services(sent: dict[str, object], fields: dict[str, object]) -> None:
    assert BucketChangesSchema().load(sent) == fields


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ({"public": True, "is_public": False}, "public"),
        ({"file_size_limit": 5, "max_file_size": 6}, "file_size_limit"),
        ({"file_size_limit": None, "max_file_size": 6}, "file_size_limit"),
        ({"allowed_mime_types": ["image/*"], "allowed_content_types": ["image/png"]}, "allowed_mime_types"),
        ({"file_size_limit": 0}, "file_size_limit"),
        ({"allowed_mime_types": ["png"]}, "allowed_mime_types"),
        ({"public": "true"}, "public"),
    ],
)
@pytest.mark.parametrize("line", ["POST /buckets", "PUT /buckets/photos", "PATCH /buckets/photos"])
def test_wrong_or_contradicting_alias_is_refused(
    unchanged: FlaskClient, line: str, sent: dict[str, object], name: str
) -> None:
    body = json.dumps({"name": "new", **sent} if line.startswith("POST") else sent).encode()
    problem = assert_problem(ask(unchanged, line, body, JSON), 422, "validation_failed")
    assert list(problem["errors"]) == [name]
