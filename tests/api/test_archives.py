"""The routes that send a zip: what is in it, how it is called, and that a link gives its prefix alone."""

import io
import zipfile
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from storage_app.node import Storage
from tests.support.in_process import JSON, ask, send
from tests.support.raw_http import Answer, assert_problem
from tests.support.service import bearer


@pytest.fixture
def filled(client: FlaskClient) -> FlaskClient:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    for key in ("2026/summer/я.txt", "2026/summer/b/c.txt", "2026/winter.txt"):
        client.put(f"/files/upload-direct/photos/{key}", data=key.encode(), headers=bearer())
    return client


def link(client: FlaskClient, prefix: str, **more: object) -> str:
    body = {"bucket_id": "photos", "prefix": prefix, **more}
    answer = client.post("/files/initiate-download", json=body, headers=bearer())
    assert answer.status_code == 201, answer.data
    return str(urlsplit(answer.get_json()["download_url"]).path)


def entries(answer: Answer) -> dict[str, str]:
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


SUMMER = {"b/c.txt": "2026/summer/b/c.txt", "я.txt": "2026/summer/я.txt"}


def test_archive_has_the_files_of_the_prefix(filled: FlaskClient) -> None:
    assert entries(ask(filled, "GET /files/archive/photos?prefix=2026/summer/")) == SUMMER
    assert len(entries(ask(filled, "GET /files/archive/photos"))) == 3
    assert list(entries(ask(filled, "GET /files/archive/photos?prefix=2026/w"))) == ["winter.txt"]


@pytest.mark.parametrize(
    ("prefix", "name"), [("", "photos.zip"), ("2026/summer/", "summer.zip"), ("2026/sum", "sum.zip")]
)
def test_archive_is_called_like_its_folder(filled: FlaskClient, prefix: str, name: str) -> None:
    answer = ask(filled, f"HEAD /files/archive/photos?prefix={prefix}")
    assert (answer.status, answer.body) == (200, b"")
    whole = ask(filled, f"GET /files/archive/photos?prefix={prefix}")
    assert answer.headers["Content-Length"] == str(len(whole.body))
    assert f'attachment; filename="{name}"' in whole.headers["Content-Disposition"]
    assert whole.headers["Cache-Control"] == "no-store"


def test_link_gives_the_archive_of_its_prefix(filled: FlaskClient) -> None:
    path = link(filled, "2026/summer/", filename="sommer.zip")
    assert path.endswith("/photos/archive.zip")
    answer = send(filled, f"GET {path}")
    assert entries(answer) == SUMMER
    assert 'filename="sommer.zip"' in answer.headers["Content-Disposition"]
    assert len(entries(send(filled, f"GET {link(filled, '')}"))) == 3


def test_file_called_like_an_archive_is_a_file(filled: FlaskClient) -> None:
    filled.put("/files/upload-direct/photos/archive.zip", data=b"zip", headers=bearer())
    body = {"bucket_id": "photos", "file_id": "archive.zip"}
    answer = filled.post("/files/initiate-download", json=body, headers=bearer()).get_json()
    assert send(filled, f"GET {urlsplit(answer['download_url']).path}").body == b"zip"
    assert entries(send(filled, f"GET {link(filled, '2026/summer/')}")) == SUMMER


def test_link_to_an_archive_is_for_nothing_else(filled: FlaskClient) -> None:
    path = link(filled, "2026/summer/")
    for line in (
        f"GET {path.removesuffix('archive.zip')}2026/summer/b/c.txt",
        f"GET {path.replace('/photos/', '/other/')}",
        f"PUT {path}",
        f"GET {path.replace('/signed/', '/signed/x')}",
    ):
        answer = send(filled, line, [("Content-Length", "1")] if line.startswith("PUT") else [], b"x")
        assert_problem(answer, 403, "invalid_signed_url")


def test_archive_of_nothing_is_not_found(filled: FlaskClient) -> None:
    assert_problem(ask(filled, "GET /files/archive/photos?prefix=x"), 404, "file_not_found")
    body = b'{"bucket_id": "photos", "prefix": "x"}'
    assert_problem(ask(filled, "POST /files/initiate-download", body, JSON), 404, "file_not_found")


@pytest.mark.parametrize("body", [b"{}", b'{"file_id": "there.txt", "prefix": ""}', b'{"prefix": null}'])
def test_link_is_for_a_file_or_a_prefix(unchanged: FlaskClient, body: bytes) -> None:
    asked = body.replace(b"{", b'{"bucket_id": "photos", ').replace(b", }", b"}")
    problem = assert_problem(ask(unchanged, "POST /files/initiate-download", asked, JSON), 422, "validation_failed")
    assert list(problem["errors"]) == ["file_id"]


def test_slot_is_given_back_whatever_happens(filled: FlaskClient) -> None:
    storage: Storage = filled.application.extensions["storage"]
    for _ in range(9):
        ask(filled, "GET /files/archive/photos")
        ask(filled, "HEAD /files/archive/photos")
        ask(filled, "GET /files/archive/photos?prefix=x")
        filled.get("/files/archive/photos", headers=bearer()).close()  # before its first byte
    for blob in storage.settings.storage_path.glob("photos/*/*-c.txt"):
        blob.unlink()
    for _ in range(9):
        with pytest.raises(ConnectionResetError):
            ask(filled, "GET /files/archive/photos?prefix=2026/summer/")
    assert entries(ask(filled, "GET /files/archive/photos?prefix=2026/w"))
