"""The calls of SelfDB 0.05's backend: what it sends, and the answers that it parses."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.service import BACKEND, bearer


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


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/buckets/Photos"),
        ("PUT", "/api/v1/buckets/Photos"),
        ("DELETE", "/api/v1/buckets/Photos"),
        ("GET", "/api/v1/buckets/Photos/files"),
        ("POST", "/api/v1/files/Photos/b.txt"),
        ("GET", "/api/v1/files/Photos/a.txt"),
        ("HEAD", "/api/v1/files/Photos/a.txt"),
        ("DELETE", "/api/v1/files/Photos/a.txt"),
        ("DELETE", "/Photos/a.txt"),
    ],
)
def test_name_of_a_bucket_has_any_case(backend: FlaskClient, method: str, path: str) -> None:
    backend.post("/api/v1/files/photos/a.txt", data=b"abc", headers=BACKEND)
    answer = backend.open(path, method=method, data=b"{}", headers={**BACKEND, "Content-Type": "application/json"})
    assert answer.status_code == 200


def test_owner_may_name_a_bucket_in_any_case(backend: FlaskClient) -> None:
    changed = backend.put("/api/v1/buckets/Photos", json={"public": True}, headers=bearer("alice"))
    assert changed.status_code == 200


def test_bucket_without_an_owner_belongs_to_the_service(backend: FlaskClient) -> None:
    for name, sent in (("omitted", {}), ("null", {"owner_id": None})):
        answer = backend.post("/api/v1/buckets", json={"name": name, **sent}, headers=BACKEND)
        assert (answer.json or {})["bucket"]["owner_id"] == "service_role"


def test_bucket_that_is_there_already_is_shown(backend: FlaskClient) -> None:
    again = backend.post("/api/v1/buckets", json={"name": "photos", "owner_id": "bob"}, headers=BACKEND)
    assert again.status_code == 200
    assert again.json is not None
    assert again.json["bucket"]["owner_id"] == "alice"


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
