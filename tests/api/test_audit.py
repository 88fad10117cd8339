"""The audit log: a line for each change and each refused one, none for reads unless asked for, and no secrets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from storage_app.api.audit import link_id
from tests.cli.test_reports import run
from tests.support.service import ANON_KEY, bearer
from tests.support.tus import Tus

Line = dict[str, Any]


class Audited:
    """An application with an audit log, and the lines that it wrote."""

    def __init__(self, app: Flask, path: Path) -> None:
        self.app = app
        self.client: FlaskClient = app.test_client()
        self._path = path
        self._seen = 0

    def new_lines(self) -> list[Line]:
        """Return the lines since the last call."""
        self.app.extensions["storage"].audit_log.close()
        lines = [json.loads(line) for line in self._path.read_text().splitlines()] if self._path.exists() else []
        fresh, self._seen = lines[self._seen :], len(lines)
        return fresh

    def line(self) -> Line:
        """Return the only line since the last call."""
        (line,) = self.new_lines()
        return line

    def put(self, key: str, data: bytes = b"hello", **headers: str) -> TestResponse:
        return self.client.put(
            f"/files/upload-direct/photos/{key}", data=data, headers=bearer() | {"User-Agent": "a browser"} | headers
        )


@pytest.fixture
def make_audited(make_app: Callable[..., Flask], tmp_path: Path) -> Callable[..., Audited]:
    def make(**environment: str) -> Audited:
        path = tmp_path / "audit.log"
        audited = Audited(make_app(AUDIT_LOG=str(path), **environment), path)
        audited.client.post("/buckets", json={"name": "photos"}, headers=bearer())
        assert audited.line()["change"] == "bucket.created"
        return audited

    return make


@pytest.fixture
def audited(make_audited: Callable[..., Audited]) -> Audited:
    return make_audited()


def test_line_of_a_change_has_every_field(audited: Audited) -> None:
    answer = audited.put("2026/cat.txt")
    line = audited.line()
    assert line.pop("time").endswith("Z")
    assert line == {
        "request_id": answer.headers["X-Request-ID"],
        "method": "PUT",
        "route": "/files/upload-direct/{bucket_id}/{file_id}",
        "principal": "user",
        "sub": "alice",
        "link": None,
        "client": "127.0.0.1",
        "user_agent": "a browser",
        "bytes_in": 5,
        "change": "file.created",
        "outcome": "done",
        "bucket_id": "photos",
        "file_id": "2026/cat.txt",
    }


def test_each_kind_of_change_has_its_line(audited: Audited) -> None:
    client = audited.client
    audited.put("a")
    audited.put("a", b"other")
    client.put("/files/metadata/photos/a", json={"metadata": {"k": "v"}}, headers=bearer())
    places = {"source": {"bucket_id": "photos", "file_id": "a"}, "destination": {"bucket_id": "photos", "file_id": "b"}}
    client.post("/files/move", json=places, headers=bearer())
    client.delete("/files/photos/b", headers=bearer())
    client.put("/buckets/photos", json={"is_public": True}, headers=bearer())
    client.delete("/buckets/photos", headers=bearer())
    lines = audited.new_lines()
    assert [(line["change"], line["bucket_id"], line["file_id"], line["outcome"]) for line in lines] == [
        ("file.created", "photos", "a", "done"),
        ("file.replaced", "photos", "a", "done"),
        ("file.updated", "photos", "a", "done"),
        ("file.moved", "photos", "b", "done"),
        ("file.deleted", "photos", "b", "done"),
        ("bucket.updated", "photos", None, "done"),
        ("bucket.deleted", "photos", None, "done"),
    ]
    assert lines[3]["source"] == {"bucket_id": "photos", "file_id": "a"}


def test_bulk_delete_names_each_file(audited: Audited) -> None:
    for key in "abc":
        audited.put(key)
    audited.new_lines()
    answer = audited.client.post("/files/delete/photos", json={"file_ids": ["a", "b", "c"]}, headers=bearer())
    lines = audited.new_lines()
    assert [(line["change"], line["file_id"]) for line in lines] == [("file.deleted", key) for key in "abc"]
    assert {line["request_id"] for line in lines} == {answer.headers["X-Request-ID"]}


@pytest.mark.parametrize(
    ("method", "path", "body", "outcome", "bucket_id", "file_id"),
    [
        ("DELETE", "/files/photos/a", None, "forbidden", "photos", "a"),
        ("PUT", "/buckets/photos", {"is_public": True}, "forbidden", "photos", None),
        ("POST", "/buckets", {"name": "photos"}, "bucket_exists", "photos", None),
        ("POST", "/buckets", [], "validation_failed", None, None),
        (
            "POST",
            "/files/copy",
            {
                "source": {"bucket_id": "photos", "file_id": "a"},
                "destination": {"bucket_id": "none", "file_id": "b\n"},
            },
            "validation_failed",
            "none",
            "b\\n",
        ),
        ("POST", "/files/initiate-upload", {"bucket_id": "photos", "filename": "x"}, "forbidden", "photos", "x"),
    ],
)
def test_refused_change_has_a_line(
    audited: Audited, method: str, path: str, body: Any, outcome: str, bucket_id: str | None, file_id: str | None
) -> None:
    audited.put("a")
    audited.new_lines()
    answer = audited.client.open(path, method=method, json=body, headers=bearer("bob"))
    line = audited.line()
    assert (line["outcome"], line["status"]) == (outcome, answer.status_code)
    assert (line.get("bucket_id"), line.get("file_id"), line["sub"]) == (bucket_id, file_id, "bob")
    assert "change" not in line


def test_refused_credential_has_a_line_without_a_principal(audited: Audited) -> None:
    audited.client.delete("/files/photos/a", headers={"Authorization": "Bearer none"})
    line = audited.line()
    assert (line["outcome"], line["principal"], line["sub"]) == ("invalid_credential", None, None)


def test_signed_url_has_one_id_where_it_is_made_and_used(audited: Audited) -> None:
    body = {"bucket_id": "photos", "filename": "a.txt"}
    url: str = audited.client.post("/files/initiate-upload", json=body, headers=bearer()).get_json()["upload_url"]
    made = audited.line()
    audited.client.put(url, data=b"hello")
    used = audited.line()
    token = url.split("/")[-3]
    assert made["link"] == used["link"] == link_id(token)
    assert (made["sub"], made["outcome"], made["file_id"]) == ("alice", "done", "a.txt")
    assert (used["change"], used["principal"]) == ("file.created", None)
    assert token not in json.dumps([made, used])


def test_reads_have_no_line_by_default(audited: Audited) -> None:
    audited.put("a")
    audited.new_lines()
    for path in ("/storage/photos/a", "/files/list/photos", "/files/info/photos/a", "/buckets"):
        assert audited.client.get(path, headers=bearer()).status_code == 200
    assert audited.new_lines() == []


def test_each_read_has_a_line_if_asked_for(make_audited: Callable[..., Audited]) -> None:
    audited = make_audited(AUDIT_READS="true")
    audited.put("a")
    audited.new_lines()
    client = audited.client
    client.get("/storage/photos/a", headers=bearer() | {"Range": "bytes=0-1"})
    client.head("/files/download/photos/a", headers=bearer())
    answer = client.get("/files/list/photos", headers=bearer())
    fields = ("method", "route", "status", "outcome", "bytes_out")
    assert [tuple(line[name] for name in fields) for line in audited.new_lines()] == [
        ("GET", "/storage/{bucket_id}/{file_id}", 206, "done", 2),
        ("HEAD", "/files/download/{bucket_id}/{file_id}", 200, "done", 0),
        ("GET", "/files/list/{bucket_id}", 200, "done", answer.content_length),
    ]
    client.get("/files/view/photos/a", headers={"apikey": ANON_KEY})
    refused = audited.line()
    assert (refused["outcome"], refused["principal"], refused["file_id"]) == ("forbidden", "anonymous", "a")


@pytest.mark.parametrize("reads", ["true", "false"])
def test_what_concerns_no_file_has_no_line(make_audited: Callable[..., Audited], reads: str) -> None:
    audited = make_audited(AUDIT_READS=reads)
    for path in ("/health", "/", "/openapi.json", "/docs", "/nowhere/at/all"):
        audited.client.get(path)
    audited.client.options("/buckets", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"})
    audited.client.put("/no//route", data=b"x")
    assert audited.new_lines() == []


def test_change_by_a_command_has_the_operator(audited: Audited) -> None:
    audited.put("a")
    audited.new_lines()
    assert run(audited.app, "rm", "photos", "a").exit_code == 0
    line = audited.line()
    assert (line["principal"], line["change"], line["file_id"]) == ("operator", "file.deleted", "a")


def test_without_the_setting_there_is_no_log(app: Flask, client: FlaskClient, tmp_path: Path) -> None:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    assert app.extensions["storage"].audit_log is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["store"]


def test_lines_of_a_resumable_upload_lead_to_its_creation(audited: Audited) -> None:
    tus = Tus(audited.client)
    upload = tus.created(11, b"hello")
    created = audited.line()
    assert (created["sub"], created["bucket_id"], created["file_id"]) == ("alice", "photos", "new.txt")
    tus.patch(upload, 5, b" wor")
    tus.patch(upload, 9, b"ld")
    piece, last = audited.new_lines()
    assert ({created["link"], piece["link"], last["link"]}, last["change"]) == ({created["link"]}, "file.created")
    assert (piece["outcome"], piece["bytes_in"], last["file_id"]) == ("done", 4, "new.txt")
    assert upload.rpartition("/")[2] not in str([created, piece, last])
