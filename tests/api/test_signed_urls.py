"""Signed URLs: a wrong one is refused, none is a login or the reverse, and what one promises is kept."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app.auth.signed_urls import SignedDownload, SignedUpload, SignedUrls
from storage_app.domain.principals import Replace, UploadRight
from storage_app.node import Storage
from tests.support.forms import END, FORM, part
from tests.support.in_process import JSON, ask, send
from tests.support.jwts import made
from tests.support.raw_http import Answer, assert_problem, with_length
from tests.support.service import SECRET_KEY, bearer, token

OTHER_KEY = "another-secret-key-of-at-least-32-bytes"
NOW = int(time.time())


def uid(client: FlaskClient) -> str:
    storage: Storage = client.application.extensions["storage"]
    record = json.loads((storage.settings.storage_path / "photos" / ".bucket.json").read_bytes())
    return str(record["uid"])


def signed_path(client: FlaskClient, **wanted: Any) -> str:
    """Return the path of a URL that the service has signed for an upload."""
    answer = client.post("/files/initiate-upload", json=wanted, headers=bearer())
    assert answer.json is not None
    return str(urlsplit(answer.json["upload_url"]).path)


def upload_token(
    bucket_uid: str, key: str = "new.txt", *, secret: str = SECRET_KEY, expires_at: int = NOW + 24 * 3600
) -> str:
    right = UploadRight("alice", create=True, replace=Replace.ANY)
    return SignedUrls(secret).sign(SignedUpload(bucket_uid, key, expires_at, right))


def download_token(bucket_uid: str, key: str = "there.txt") -> str:
    return SignedUrls(SECRET_KEY).sign(SignedDownload(bucket_uid, key, NOW + 24 * 3600))


def use(client: FlaskClient, method: str, token_in_path: str, target: str, body: bytes = b"") -> Answer:
    return ask(client, f"{method} /files/signed/{token_in_path}/{target}", body)  # as Alice, which does not count here


def test_what_these_tests_sign_is_what_the_service_signs(unchanged: FlaskClient) -> None:
    assert use(unchanged, "GET", download_token(uid(unchanged)), "photos/there.txt").body == b"there"


def wrong_links(bucket_uid: str) -> dict[str, tuple[str, str]]:
    good = upload_token(bucket_uid)
    claims = jwt.decode(good, options={"verify_signature": False}) | {"exp": NOW + 24 * 3600}
    return {
        "a login": (token(), "photos/new.txt"),
        "a login of the service": (token("backend", service=True), "photos/new.txt"),
        "expired": (upload_token(bucket_uid, expires_at=NOW - 1), "photos/new.txt"),
        "another key": (upload_token(bucket_uid, secret=OTHER_KEY), "photos/new.txt"),
        "signed with the login's key": (made(claims, key=SECRET_KEY), "photos/new.txt"),
        "unsigned": (made(claims, algorithm="none"), "photos/new.txt"),
        "changed": (good[:-4] + "AAAA", "photos/new.txt"),
        "no token": ("token", "photos/new.txt"),
        "for another file": (good, "photos/other.txt"),
        "for another case": (good, "photos/NEW.txt"),
        "for a bucket that is another": (upload_token("f" * 32), "photos/new.txt"),
        "for a bucket that is not there": (good, "missing-bucket/new.txt"),
        "for a download": (download_token(bucket_uid, "new.txt"), "photos/new.txt"),
    }


@pytest.mark.parametrize("name", wrong_links(""))
def test_wrong_link_is_refused(unchanged: FlaskClient, name: str) -> None:
    token_in_path, target = wrong_links(uid(unchanged))[name]
    assert_problem(use(unchanged, "PUT", token_in_path, target, b"abc"), 403, "invalid_signed_url")


def test_upload_link_is_no_download_link(unchanged: FlaskClient) -> None:
    for link in (upload_token(uid(unchanged), "there.txt"), token()):
        assert_problem(use(unchanged, "GET", link, "photos/there.txt"), 403, "invalid_signed_url")


def test_link_is_no_login(unchanged: FlaskClient) -> None:
    for link in (upload_token(uid(unchanged)), download_token(uid(unchanged))):
        login = [("Authorization", f"Bearer {link}")]
        answer = send(unchanged, "GET /files/download/photos/there.txt", login)
        assert_problem(answer, 401, "invalid_credential")


def test_bucket_made_again_takes_no_link_of_the_first(client: FlaskClient) -> None:
    client.post("/buckets", json={"name": "made-again"}, headers=bearer())
    path = signed_path(client, bucket_id="made-again", filename="a")
    assert ask(client, "DELETE /buckets/made-again").status == 204
    assert_problem(ask(client, f"PUT {path}", b"abc"), 403, "invalid_signed_url")
    client.post("/buckets", json={"name": "made-again"}, headers=bearer())
    assert_problem(ask(client, f"PUT {path}", b"abc"), 403, "invalid_signed_url")


@pytest.mark.parametrize(
    ("bound", "content_type", "body", "status", "code"),
    [
        pytest.param({"size": 3}, "", b"abcd", 413, "file_too_large", id="more bytes"),
        pytest.param({"size": 3}, "", b"ab", 400, "invalid_request", id="fewer bytes"),
        pytest.param({"size": 0}, "", b"a", 413, "file_too_large", id="a byte for none"),
        pytest.param(
            {"content_type": "image/png"}, "text/plain", b"a", 415, "content_type_not_allowed", id="another type"
        ),
        pytest.param(
            {"sha256": hashlib.sha256(b"x").hexdigest()}, "", b"abc", 400, "digest_mismatch", id="other bytes"
        ),
    ],
)
def test_promise_is_kept(
    unchanged: FlaskClient, bound: dict[str, Any], content_type: str, body: bytes, status: int, code: str
) -> None:
    """By a raw body, by one of unknown length, and by a form."""
    put = f"PUT {signed_path(unchanged, bucket_id='photos', filename='new.txt', **bound)}"
    typed = [("Content-Type", content_type)] if content_type else []
    form = part(content=body, header=f"Content-Type: {content_type}\r\n" if content_type else "") + END
    assert_problem(send(unchanged, put, with_length(typed, body), body), status, code)
    assert_problem(send(unchanged, put, [*typed, ("Transfer-Encoding", "chunked")], body), status, code)
    assert_problem(send(unchanged, put, with_length([FORM], form), form), status, code)


@pytest.mark.parametrize("again", ["raw", "chunked", "form"])
def test_repeated_upload_is_answered_as_the_first(client: FlaskClient, again: str) -> None:
    """By a raw body, by one of unknown length, and by a form: the link does not say which it is for."""
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    put = f"PUT {signed_path(client, bucket_id='photos', filename='new.txt')}"

    def upload(content: bytes) -> Answer:
        form = part(content=content) + END
        headers, body = {
            "raw": (with_length([], content), content),
            "chunked": ([("Transfer-Encoding", "chunked")], content),
            "form": (with_length([FORM], form), form),
        }[again]
        return send(client, put, headers, body)

    first = send(client, put, with_length([], b"abc"), b"abc")
    repeated = upload(b"abc")
    assert (first.status, repeated.status) == (201, 201)
    assert repeated.body == first.body
    for name in ("ETag", "Location"):
        assert repeated.headers[name] == first.headers[name]
    for content in (b"abd", b"abcd"):
        assert "has been used" in assert_problem(upload(content), 409, "file_exists")["detail"]


@pytest.mark.parametrize(("prefix", "status"), [("/files", 200), ("/" + "x" * 8000, 400)])
def test_url_that_servers_would_not_take_is_not_made(make_app: Callable[..., Flask], prefix: str, status: int) -> None:
    client = make_app(STORAGE_SERVICE_PUBLIC_URL=f"https://files.example{prefix}").test_client()
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    answer = ask(client, "POST /files/presigned-url/upload/photos/a.txt", b"{}", JSON)
    assert (answer.status, "longer than" in answer.json.get("detail", "")) == (status, status == 400)
