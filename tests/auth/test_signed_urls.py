"""The tokens of signed URLs: what they bind, and that nothing else passes for one."""

import base64
import dataclasses
import hashlib
import json
import time
from typing import Any
from urllib.parse import quote

import pytest

from storage_app.auth.credentials import Logins
from storage_app.auth.signed_urls import Disposition, SignedDownload, SignedUpload, SignedUrls
from storage_app.domain.principals import Replace, UploadRight
from storage_app.domain.uploads import UploadConstraints
from storage_app.errors import InvalidCredential, InvalidSignedUrl
from tests.support.jwts import KEY, OTHER_KEY, claims, encoded, made

URLS = SignedUrls(KEY)
# Later than any run of the tests ends.
TOMORROW = int(time.time()) + 24 * 3600
UPLOAD = SignedUpload("uid", "a/猫.txt", TOMORROW, UploadRight("alice", True, Replace.OWN))
DOWNLOAD = SignedDownload("uid", "a/猫.txt", TOMORROW)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"bucket_uid": "other"},
        {"right": UploadRight("bob", False, Replace.ANY)},
        {"right": UploadRight("bob", True, Replace.NONE)},
        {"overwrite": True},
        {"constraints": UploadConstraints(filename='Katze "猫".txt')},
        {"constraints": UploadConstraints(content_type="text/plain; charset=utf-8")},
        {"constraints": UploadConstraints(size=0)},
        {"constraints": UploadConstraints(size=2**60)},
        {"constraints": UploadConstraints(sha256="ab" * 32)},
        {"constraints": UploadConstraints(metadata={})},
        {"constraints": UploadConstraints(metadata={"k": ["é", 1, None, {"a": True}]})},
    ],
)
def test_upload_token_carries(changed: dict[str, Any]) -> None:
    grant = dataclasses.replace(UPLOAD, **changed)
    assert URLS.upload(URLS.sign(grant), grant.key) == grant


@pytest.mark.parametrize(
    "changed", [{}, {"disposition": Disposition.INLINE}, {"filename": "猫.txt"}, {"bucket_uid": "other"}]
)
def test_download_token_carries(changed: dict[str, Any]) -> None:
    grant = dataclasses.replace(DOWNLOAD, **changed)
    assert URLS.download(URLS.sign(grant), grant.key) == grant


@pytest.mark.parametrize("key", ["a/猫", "a", "A/猫.txt", "a/猫.txt/", ""])
def test_token_for_another_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidSignedUrl, match="another file"):
        URLS.upload(URLS.sign(UPLOAD), key)
    with pytest.raises(InvalidSignedUrl, match="another file"):
        URLS.download(URLS.sign(DOWNLOAD), key)


def test_token_for_another_method_is_refused() -> None:
    with pytest.raises(InvalidSignedUrl, match="another method"):
        URLS.upload(URLS.sign(DOWNLOAD), DOWNLOAD.key)
    with pytest.raises(InvalidSignedUrl, match="another method"):
        URLS.download(URLS.sign(UPLOAD), UPLOAD.key)


@pytest.mark.parametrize(("age", "accepted"), [(-1, True), (0, False), (1, False)])
def test_signed_url_expires_without_leeway(age: int, accepted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    token = URLS.sign(DOWNLOAD)
    monkeypatch.setattr("storage_app.auth.signed_urls.time.time", lambda: DOWNLOAD.expires_at + age)
    if accepted:
        assert URLS.download(token, DOWNLOAD.key) == DOWNLOAD
    else:
        with pytest.raises(InvalidSignedUrl, match="expired"):
            URLS.download(token, DOWNLOAD.key)


def test_a_token_seen_before_is_judged_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is remembered; whether it holds for this request, now, is not."""
    token = URLS.sign(DOWNLOAD)
    assert URLS.download(token, DOWNLOAD.key) == DOWNLOAD
    with pytest.raises(InvalidSignedUrl, match="another file"):
        URLS.download(token, "another key")
    with pytest.raises(InvalidSignedUrl, match="another method"):
        URLS.upload(token, DOWNLOAD.key)
    monkeypatch.setattr("storage_app.auth.signed_urls.time.time", lambda: DOWNLOAD.expires_at)
    with pytest.raises(InvalidSignedUrl, match="expired"):
        URLS.download(token, DOWNLOAD.key)


NO_SIGNED_URLS = {
    "another secret": SignedUrls(OTHER_KEY).sign(DOWNLOAD),
    "a login": made(claims()),
    "a login of the service": made(claims(role="service_role")),
    "claims under the secret itself": made({"a": "get", "b": "uid", "k": "", "exp": 2**40, "d": "inline"}),
    "unsigned": made({"a": "get"}, algorithm="none"),
    "another signature": URLS.sign(DOWNLOAD)[:-4] + "AAAA",
    "no signature": URLS.sign(DOWNLOAD).rpartition(".")[0] + ".",
    "a header nested deeply": encoded(b"[" * 5000) + ".e30.AAAA",
    "empty": "",
    "garbage": "a.b.c",
    "outside ASCII": "Ünïcödé",
}


@pytest.mark.parametrize("token", NO_SIGNED_URLS.values(), ids=NO_SIGNED_URLS)
def test_token_that_is_not_ours_is_refused(token: str) -> None:
    for read in (URLS.upload, URLS.download):
        with pytest.raises(InvalidSignedUrl):
            read(token, DOWNLOAD.key)


def test_tampered_token_is_refused() -> None:
    header, payload, signature = URLS.sign(DOWNLOAD).split(".")
    for changed in (payload[:-2] + "AA", encoded(json.dumps({"exp": 2**40}).encode())):
        with pytest.raises(InvalidSignedUrl):
            URLS.download(f"{header}.{changed}.{signature}", DOWNLOAD.key)


def test_signed_url_is_no_login() -> None:
    for algorithm in ("HS256", "HS512"):
        with pytest.raises(InvalidCredential):
            Logins(KEY, algorithm, None).principal(authorization=f"Bearer {URLS.sign(DOWNLOAD)}", api_key=None)


def test_token_says_nothing_of_the_key_in_clear() -> None:
    payload = base64.urlsafe_b64decode(URLS.sign(DOWNLOAD).split(".")[1] + "==")
    assert "猫" not in payload.decode()
    assert hashlib.sha256(DOWNLOAD.key.encode()).digest() == base64.urlsafe_b64decode(json.loads(payload)["k"] + "=")


MAX_REQUEST_LINE = 8190  # gunicorn's limit_request_line, and nginx's default


def request_line(method: str, token: str, bucket_name: str, key: str) -> bytes:
    return f"{method} /files/signed/{token}/{bucket_name}/{quote(key)} HTTP/1.1\r\n".encode()


# The same number of bytes each; quotes and backslashes are two in JSON.
@pytest.mark.parametrize(
    ("filename", "content_type", "sub"),
    [
        ("猫" * 85, "application/" + "x" * 243, "é" * 127),
        ('"' * 255, "application/" + "x" * 243, "x" * 255),
        ("\\" * 255, 'text/plain; a="' + r"\"" * 119 + '"', "x" * 36),
    ],
    ids=["any script", "quoted filename", "quoted everything"],
)
def test_longest_upload_url_fits_a_request_line(filename: str, content_type: str, sub: str) -> None:
    assert max(len(text.encode()) for text in (filename, content_type, sub)) <= 255
    metadata = {"k": "é" * 1020}
    assert len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode()) == 2048
    grant = SignedUpload(
        bucket_uid="f" * 32,
        key="猫" * 341 + "x",
        expires_at=10**10,
        right=UploadRight(sub, True, Replace.NONE),
        overwrite=False,
        constraints=UploadConstraints(filename, content_type, 2**63 - 1, "f" * 64, metadata),
    )
    assert len(request_line("PUT", URLS.sign(grant), "b" * 63, grant.key)) <= MAX_REQUEST_LINE
