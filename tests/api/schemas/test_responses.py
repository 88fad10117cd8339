"""No schema makes an answer, so these tests say that each describes what is answered: every field, and no other."""

import io
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import marshmallow as ma
import pytest
from flask.testing import FlaskClient

from storage_app.api.http.responses import json_text
from storage_app.api.schemas.responses import (
    BucketSchema,
    DownloadLinkSchema,
    FileRecordSchema,
    FolderSchema,
    HealthSchema,
    PresignedSchema,
    ServiceSchema,
    UploadLinkSchema,
    entry_text,
    file_json,
    rfc3339,
)
from storage_app.domain.files import File, Folder
from storage_app.domain.text import JsonObject
from tests.support.core import a_file
from tests.support.service import bearer

ALICE, BOB = {"headers": bearer("alice")}, {"headers": bearer("bob")}
SETTINGS = {
    "name": "photos",
    "is_public": True,
    "description": "Pictures",
    "grants": {"bob": "read"},
    "max_file_size": 1000,
    "quota": 100_000,
    "allowed_content_types": ["text/*"],
    "cache_control": "max-age=60",
}
FORM = {"file_id": "2026/ä.txt", "metadata": '{"b": [1], "a": {"é": null}}', "cache_control": "no-cache"}
LINK = {"bucket_id": "photos", "filename": "b.txt", "content_type": "text/plain"}


@pytest.fixture
def client(client: FlaskClient) -> FlaskClient:
    """A client of a service with a bucket that has every setting, and a file that has every property."""
    assert client.post("/buckets", json=SETTINGS, **ALICE).status_code == 201
    form = {**FORM, "file": (io.BytesIO(b"abc"), "a.txt", "text/plain")}
    assert client.post("/files/upload/photos", data=form, **ALICE).status_code == 201
    return client


def check(schema: ma.Schema, answer: Any, *, without: frozenset[str] = frozenset()) -> None:
    """Say that `schema` takes `answer`, would dump the same, and has no field besides."""
    assert schema.validate(answer) == {}
    assert schema.dump(answer) == answer
    assert set(answer) == set(schema.fields) - without


@pytest.mark.parametrize(
    ("method", "path", "body", "schema"),
    [
        ("GET", "/", None, ServiceSchema()),
        ("GET", "/health", None, HealthSchema()),
        ("GET", "/health/ready", None, HealthSchema()),
        ("GET", "/buckets/photos", None, BucketSchema()),
        ("PUT", "/buckets/photos", {"description": None, "quota": None}, BucketSchema()),
        ("POST", "/buckets", {"name": "empty"}, BucketSchema()),
        ("GET", "/files/info/photos/2026/ä.txt", None, FileRecordSchema()),
        ("PUT", "/files/metadata/photos/2026/ä.txt", {"cache_control": None}, FileRecordSchema()),
        ("PUT", "/files/upload-direct/photos/b.txt", b"b", FileRecordSchema()),
        ("POST", "/files/initiate-upload", LINK, UploadLinkSchema()),
        ("POST", "/files/initiate-download", {"bucket_id": "photos", "file_id": "2026/ä.txt"}, DownloadLinkSchema()),
        ("POST", "/files/presigned-url/upload/photos/b.txt", None, PresignedSchema()),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_schema_describes_the_answer(client: FlaskClient, method: str, path: str, body: Any, schema: ma.Schema) -> None:
    sent: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body} if body else {}
    answer = client.open(path, method=method, headers=bearer("alice"), **sent)
    assert answer.status_code in (200, 201)
    check(schema, answer.json)


def test_schema_describes_a_list_of_buckets(client: FlaskClient) -> None:
    (bucket,) = client.get("/buckets", **ALICE).json or []
    check(BucketSchema(), bucket)


def test_who_may_not_change_a_bucket_sees_less_of_it(client: FlaskClient) -> None:
    check(BucketSchema(), client.get("/buckets/photos", **BOB).json, without=frozenset({"grants", "quota"}))


def test_schema_describes_files_and_folders(client: FlaskClient) -> None:
    client.put("/files/upload-direct/photos/b.txt", data=b"b", **ALICE)
    folder, file = client.get("/files/list/photos?delimiter=/", **ALICE).json or []
    check(FileRecordSchema(), file)
    check(FolderSchema(), folder)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=timezone(timedelta(hours=5))), "2026-01-01T22:04:05.000060Z"),
    ],
)
def test_moment_is_shown_in_utc_with_microseconds(moment: datetime, shown: str) -> None:
    assert rfc3339(moment) == shown


def test_file_says_where_it_is_by_url(client: FlaskClient) -> None:
    file = client.get("/files/info/photos/2026/ä.txt", **ALICE).json or {}
    assert {name: file[name] for name in ("url", "download_url", "view_url")} == {
        "url": "https://selfdb.example/storage/photos/2026/%C3%A4.txt",
        "download_url": "https://files.example/files/download/photos/2026/%C3%A4.txt",
        "view_url": "https://files.example/files/view/photos/2026/%C3%A4.txt",
    }


HARD = 'a "b"\\c/é\U0001f600\x7f<&>\u2028.txt'


@pytest.mark.parametrize(
    "file",
    [
        a_file(),
        a_file(HARD, filename=HARD, owner_id=HARD, content_type='text/x; a="b"', cache_control='max-age=1, x="y"'),
        a_file(metadata={"b": [1.5, None], "a": {"é": HARD}}),
        a_file(metadata=JsonObject('{"a":{"\\u00e9":[]},"b":1}')),
    ],
    ids=["plain", "hard", "metadata", "metadata of a row"],
)
def test_file_in_a_list_is_the_file_as_it_is_shown(client: FlaskClient, file: File) -> None:
    settings = client.application.extensions["storage"].settings
    assert entry_text(settings, "photos", file) == json_text(file_json(settings, "photos", file))


def test_folder_in_a_list_is_its_kind_and_id(client: FlaskClient) -> None:
    settings = client.application.extensions["storage"].settings
    assert entry_text(settings, "photos", Folder("é/")) == b'{"id":"\\u00e9/","kind":"folder"}'
