"""A body is a JSON object of known fields, in which `null` means what leaving the field out means."""

import json
from typing import Any

import marshmallow as ma
import pytest
from flask.testing import FlaskClient

from storage_app.api.schemas.bodies import BodySchema
from storage_app.api.schemas.fields import Text, Whole
from tests.support.in_process import JSON, ask
from tests.support.raw_http import assert_problem
from tests.support.service import bearer


class Example(BodySchema):
    name = Text(required=True)
    size = Whole(load_default=7)
    note = Text()
    limit = Whole(allow_none=True)


@pytest.mark.parametrize(
    ("body", "loaded"),
    [
        ({"name": "a"}, {"name": "a", "size": 7}),
        ({"name": "a", "size": None, "note": None}, {"name": "a", "size": 7}),
        ({"name": "a", "limit": None}, {"name": "a", "size": 7, "limit": None}),
        ({"name": "a", "size": 0, "note": ""}, {"name": "a", "size": 0, "note": ""}),
    ],
)
def test_null_is_as_good_as_nothing_unless_it_has_a_meaning(body: dict[str, Any], loaded: dict[str, Any]) -> None:
    for _ in range(2):
        assert Example().load(body) == loaded


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": None}, "name"),
        ({}, "name"),
        ({"name": "a", "sice": 1}, "sice"),
        ({"name": "a", "sice": None}, "sice"),
        ({"name": "a", "note": ["x"]}, "note"),
        (None, "_schema"),
        ([], "_schema"),
        ("name", "_schema"),
    ],
)
def test_what_is_wrong_is_named(body: object, named: str) -> None:
    with pytest.raises(ma.ValidationError) as refused:
        Example().load(body)  # type: ignore[arg-type]
    assert list(refused.value.normalized_messages()) == [named]  # type: ignore[no-untyped-call]


OPTIONAL: dict[str, tuple[dict[str, object], list[str]]] = {
    "POST /buckets": (
        {"name": "new"},
        [
            "is_public", "description", "grants", "max_file_size", "quota", "allowed_content_types", "cache_control",
        ],
    ),
    "PUT /buckets/photos": ({}, ["is_public", "grants"]),
    "PUT /files/metadata/photos/a.txt": ({}, ["metadata", "content_type"]),
    "POST /files/initiate-upload": (
        {"bucket_id": "photos", "filename": "b.txt"},
        ["file_id", "content_type", "size", "sha256", "metadata", "overwrite", "expires_in"],
    ),
    "POST /files/initiate-download": (
        {"bucket_id": "photos", "file_id": "a.txt"}, ["disposition", "filename", "expires_in"],
    ),
    "POST /files/presigned-url/upload/photos/b.txt": ({}, ["expires_in_seconds", "content_type"]),
}  # fmt: skip


@pytest.mark.parametrize("line", OPTIONAL)
def test_models_may_send_null_for_each_optional_field(client: FlaskClient, line: str) -> None:
    client.post("/buckets", json={"name": "photos", "grants": {"bob": "read"}}, headers=bearer())
    client.put("/files/upload-direct/photos/a.txt", data=b"a", headers=bearer())
    needed, optional = OPTIONAL[line]
    body = json.dumps({**needed, **dict.fromkeys(optional)}).encode()
    answer = ask(client, line, body, JSON)
    assert answer.status < 300, answer.body
    if line == "PUT /buckets/photos":
        assert answer.json["grants"] == {"bob": "read"}


def test_null_still_means_no_limit(client: FlaskClient) -> None:
    limits = {"description": "x", "max_file_size": 5, "quota": 7, "allowed_content_types": ["image/*"]}
    client.post("/buckets", json={"name": "photos", **limits}, headers=bearer())
    answer = client.put("/buckets/photos", json=dict.fromkeys(limits), headers=bearer()).json or {}
    assert {name: answer[name] for name in limits} == dict.fromkeys(limits)


@pytest.mark.parametrize(
    ("line", "body"),
    [
        ("POST /buckets", b'{"name": null}'),
        ("POST /files/initiate-upload", b'{"bucket_id": null, "filename": "a"}'),
        ("POST /files/initiate-download", b'{"bucket_id": "photos", "file_id": null}'),
        ("PUT /buckets/photos", b'{"grants": {"bob": null}}'),
        ("PUT /buckets/photos", b'{"allowed_content_types": [null]}'),
        ("PUT /buckets/photos", b"null"),
    ],
)
def test_null_is_refused_where_a_value_is_needed(unchanged: FlaskClient, line: str, body: bytes) -> None:
    assert_problem(ask(unchanged, line, body, JSON), 422, "validation_failed")


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"text"', b"[{}]"])
def test_body_that_is_no_object_is_refused_by_what_is_expected(client: FlaskClient, body: bytes) -> None:
    answer = ask(client, "POST /buckets", body, JSON)
    assert (answer.status, answer.json["detail"]) == (422, "The request is not valid: Send a JSON object, as in {}.")
