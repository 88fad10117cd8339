"""What nginx is believed about uploads: that it asks first, where it left a body, how long the client took.

The requests are those that nginx makes; a real one makes them in tests/e2e.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from storage_app.host.layout import Layout
from storage_app.host.locks import UploadSlots
from storage_app.node import Services, Storage
from tests.support.core import blobs
from tests.support.service import bearer, token

SECRET = "what-nginx-and-the-service-share"
URL = "/files/upload-direct/photos/cat.txt"
BODY = b"a body that nginx spooled"
NAME = "0000000007"
THERE = "/files/upload-direct/photos/there.txt"
DIGEST = f"sha-256=:{b64encode(hashlib.sha256(BODY).digest()).decode()}:"


# Uploads that are refused without their body, by code.
REFUSALS: dict[str, dict[str, Any]] = {
    "invalid_credential": {"Authorization": "Bearer wrong"},
    "bucket_not_found": {"url": "/files/upload-direct/none/cat.txt"},
    "invalid_name": {"url": "/files/upload-direct/photos/a//b"},
    "file_exists": {"url": f"{THERE}?overwrite=false"},
    "precondition_failed": {"url": THERE, "If_None_Match": "*"},
    "file_too_large": {"length": 1001},
    "quota_exceeded": {"length": 999, "url": "/files/upload-direct/small/cat.txt"},
    "invalid_request": {"Content_Range": "bytes 0-1/2"},
    "unsupported_media_type": {"Content_Encoding": "gzip"},
    "validation_failed": {"url": f"{URL}?overwrite=maybe"},
    "forbidden": bearer("bob"),
    "invalid_signed_url": {"url": "/files/signed/wrong/photos/cat.txt"},
}


class Nginx:
    """Asks as nginx would, with `client`."""

    def __init__(self, client: FlaskClient, spool: Path, *, secret: str | None = SECRET) -> None:
        self.client = client
        self.spool = spool
        self.secret = {} if secret is None else {"X-Offload-Secret": secret}

    def check(self, *, url: str = URL, length: int = len(BODY), **more: Any) -> TestResponse:
        return self._put(
            url,
            {"X-Upload-Check": "verdict", "X-Upload-ID": "one", "X-Upload-Length": str(length)}
            | bearer()
            | _named(more),
        )

    def put(self, body: bytes = BODY, *, url: str = URL, length: int | None = None, **more: Any) -> TestResponse:
        headers = {"X-Upload-Length": str(len(body) if length is None else length)}
        if body:
            (self.spool / NAME).write_bytes(body)
            headers["X-Spool-File"] = f"/where/nginx/sees/it/{NAME}"
        return self._put(url, headers | bearer() | _named(more))

    def _put(self, url: str, headers: Mapping[str, str]) -> TestResponse:
        return self.client.put(url, headers={**self.secret, **headers})


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(UPLOAD_OFFLOAD="nginx", OFFLOAD_SECRET=SECRET, MAX_FILE_SIZE="1000")


@pytest.fixture
def services(app: Flask) -> Services:
    storage: Storage = app.extensions["storage"]
    return storage.services


@pytest.fixture
def root(app: Flask) -> Path:
    storage: Storage = app.extensions["storage"]
    return storage.settings.storage_path


@pytest.fixture
def nginx(app: Flask, client: FlaskClient, root: Path) -> Nginx:
    client.post("/buckets", json={"name": "photos", "quota": 2000}, headers=bearer())
    return Nginx(client, root / ".system" / "spool")


@pytest.mark.parametrize("code", REFUSALS)
def test_refusal_comes_before_the_body(nginx: Nginx, client: FlaskClient, code: str) -> None:
    client.post("/buckets", json={"name": "small", "quota": 500}, headers=bearer())
    nginx.put(url=THERE)
    verdict = nginx.check(**REFUSALS[code])
    assert (verdict.status_code, verdict.data) == (403, b"")
    body = b"x" * REFUSALS[code].get("length", 1)
    assert nginx.put(body, **REFUSALS[code]).get_json()["code"] == code


def test_only_204_lets_nginx_take_the_body(nginx: Nginx, client: FlaskClient) -> None:
    asked = {**nginx.secret, "X-Upload-Check": "verdict", "X-Upload-Length": "1", **bearer()}
    assert client.get("/buckets/photos", headers=asked).status_code == 403


def test_used_link_is_spooled_for_what_may_be_its_bytes_alone(nginx: Nginx) -> None:
    signed = nginx.client.post(
        "/files/initiate-upload", json={"bucket_id": "photos", "filename": "cat.txt"}, headers=bearer()
    )
    url = urlsplit(signed.get_json()["upload_url"]).path
    first = nginx.put(url=url)
    assert nginx.check(url=url).status_code == 204
    assert nginx.put(url=url).get_json() == first.get_json()
    assert nginx.put(BODY[::-1], url=url).get_json()["code"] == "file_exists"
    other = f"sha-256=:{b64encode(hashlib.sha256(b'').digest()).decode()}:"
    assert nginx.check(url=url, length=len(BODY) - 1).status_code == 403
    assert nginx.check(url=url, Content_Digest=other).status_code == 403
    assert list(nginx.spool.iterdir()) == []


def test_full_disk_is_said_before_the_body(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    app = make_app(UPLOAD_OFFLOAD="nginx", OFFLOAD_SECRET=SECRET, MIN_FREE_BYTES="1000000GiB")
    nginx = Nginx(app.test_client(), tmp_path)
    nginx.client.post("/buckets", json={"name": "photos"}, headers=bearer())
    assert nginx.check().status_code == 403


def test_upload_that_may_be_is_taken(nginx: Nginx, root: Path, services: Services) -> None:
    assert nginx.check().status_code == 204
    assert blobs(root) == []
    assert services.index.intents_of(services.commits.process) == []


def test_spooled_body_becomes_the_file(nginx: Nginx, client: FlaskClient) -> None:
    created = nginx.put(Content_Digest=DIGEST, Content_Type="text/x-log")
    assert (created.status_code, created.get_json()["size"], created.get_json()["content_type"]) == (
        201,
        len(BODY),
        "text/x-log; charset=utf-8",
    )
    assert created.get_json()["sha256"] == hashlib.sha256(BODY).hexdigest()
    with client.get("/files/download/photos/cat.txt", headers=bearer()) as downloaded:
        assert downloaded.data == BODY
    assert list(nginx.spool.iterdir()) == []
    assert nginx.put(b"another").status_code == 200


def test_blob_has_the_rights_of_any_other(nginx: Nginx, client: FlaskClient, root: Path) -> None:
    client.put("/files/upload-direct/photos/straight.txt", data=b"straight", headers=bearer())
    (nginx.spool / NAME).touch(0o600)
    nginx.put()
    assert len({path.stat().st_mode for path in (root / "photos").glob("??/*-*")}) == 1


def test_empty_body_has_no_spool_file(nginx: Nginx) -> None:
    assert nginx.check(length=0).status_code == 204
    assert nginx.put(b"").get_json()["size"] == 0


@pytest.mark.parametrize(
    ("put", "status", "code"),
    [
        ({"length": 5}, 400, "truncated_body"),
        ({"Content_Digest": DIGEST.replace(DIGEST[10:14], "AAAA")}, 400, "digest_mismatch"),
        ({"X_Spool_File": "/etc/passwd"}, 503, "unavailable"),
        ({"X_Spool_File": "0000000008"}, 503, "unavailable"),
        ({"body": b"", "length": 5}, 503, "unavailable"),
        ({"If_Match": '"another"'}, 412, "precondition_failed"),
    ],
)
def test_failed_upload_leaves_nothing(
    nginx: Nginx, root: Path, services: Services, put: dict[str, Any], status: int, code: str
) -> None:
    answer = nginx.put(**put)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert blobs(root) == []
    assert [path for path in (root / ".system" / "staging").rglob("*") if path.is_file()] == []
    assert services.index.intents_of(services.commits.process) == []


def test_credential_is_judged_as_of_the_beginning_of_the_request(nginx: Nginx) -> None:
    login = bearer_expired(seconds_ago=100)
    assert nginx.check(**login).status_code == 403
    assert nginx.put(**login, X_Upload_Seconds="10.5").status_code == 401
    assert nginx.put(**login, X_Upload_Seconds="80").status_code == 201  # with 30 seconds of leeway


def test_signed_url_is_judged_as_of_the_beginning_of_the_request(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    link = nginx.client.post(
        "/files/initiate-upload",
        json={"bucket_id": "photos", "filename": "cat.txt", "expires_in": 1},
        headers=bearer(),
    ).get_json()["upload_url"]
    url = link.removeprefix("https://files.example")
    monkeypatch.setattr("storage_app.auth.signed_urls.time.time", lambda: 4e9)
    assert nginx.put(url=url).status_code == 403
    assert nginx.put(url=url, X_Upload_Seconds="1e10").status_code == 201


@pytest.mark.parametrize("upload_offload", ["nginx", "off"])
def test_credential_of_a_small_body_is_judged_as_of_the_beginning_too(
    make_app: Callable[..., Flask], upload_offload: str
) -> None:
    settings = {"DOWNLOAD_OFFLOAD": "nginx", "UPLOAD_OFFLOAD": upload_offload, "OFFLOAD_SECRET": SECRET}
    client = make_app(**settings).test_client()
    for seconds, status in (("10.5", 401), ("80", 201)):
        sent = {"X-Offload-Secret": SECRET, "X-Upload-Seconds": seconds, **bearer_expired(seconds_ago=100)}
        assert client.post("/buckets", json={"name": "photos"}, headers=sent).status_code == status
        assert client.put(URL, data=b"small", headers=sent).status_code == status


def test_small_body_needs_no_slot(make_app: Callable[..., Flask]) -> None:
    app = make_app(UPLOAD_OFFLOAD="nginx", OFFLOAD_SECRET=SECRET, MAX_UPLOADS="1")
    client, storage = app.test_client(), app.extensions["storage"]
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    with UploadSlots(Layout(storage.settings.storage_path).slots, 1).hold():
        for secret, status in (("", 503), (SECRET, 201)):
            sent = {"X-Offload-Secret": secret, "X-Upload-Seconds": "0.000", **bearer()}
            form = {"file": (BytesIO(b"small"), f"{status}.txt")}
            assert client.put(f"{URL}-{status}", data=b"small", headers=sent).status_code == status
            assert client.post("/files/upload/photos", data=form, headers=sent).status_code == status


@pytest.mark.parametrize("seconds", ["nan", "inf", "-5", "soon"])
def test_senseless_waiting_counts_as_none(nginx: Nginx, seconds: str) -> None:
    assert nginx.put(**bearer_expired(seconds_ago=100), X_Upload_Seconds=seconds).status_code == 401
    assert nginx.put(X_Upload_Seconds=seconds).status_code == 201


@pytest.mark.parametrize("secret", [None, "", "wrong-secret-of-the-same-length"])
def test_nobody_else_is_believed(nginx: Nginx, client: FlaskClient, secret: str | None) -> None:
    forger = Nginx(client, nginx.spool, secret=secret)
    assert forger.put().get_json()["code"] == "length_required"  # the path counts for nothing, and there is no body
    assert (nginx.spool / NAME).exists()
    answer = client.put(URL, data=b"mine", headers=bearer() | forger.secret | forged(nginx))
    assert (answer.status_code, answer.get_json()["size"]) == (201, 4)
    expired = bearer_expired(seconds_ago=100) | forger.secret | {"X-Upload-Seconds": "1000"}
    assert client.put(URL, data=b"mine", headers=expired).status_code == 401


def forged(nginx: Nginx) -> dict[str, str]:
    (nginx.spool / NAME).write_bytes(BODY)
    return {"X-Spool-File": NAME, "X-Upload-Length": str(len(BODY)), "X-Upload-Check": "verdict"}


def test_service_that_does_not_spool_says_so(make_app: Callable[..., Flask], tmp_path: Path) -> None:
    app = make_app(DOWNLOAD_OFFLOAD="nginx", OFFLOAD_SECRET=SECRET)
    nginx = Nginx(app.test_client(), tmp_path)
    assert nginx.check().status_code == 403
    answer = nginx.put(b"")
    assert (answer.status_code, "UPLOAD_OFFLOAD" in answer.get_json()["detail"]) == (503, True)


def bearer_expired(*, seconds_ago: int) -> dict[str, Any]:
    return {"Authorization": f"Bearer {token(expires_in=-seconds_ago)}"}
