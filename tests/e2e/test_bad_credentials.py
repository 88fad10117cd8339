"""Logins and signed URLs that are wrong in every way: refused, and never the one for the other."""

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from storage_app.auth.signed_urls import SignedDownload, SignedUpload, SignedUrls
from storage_app.domain.principals import Replace, UploadRight
from tests.support.jwts import made
from tests.support.raw_http import Answer, assert_nothing_left, assert_problem, bucket_on_disk, send, with_length
from tests.support.service import ANON_KEY, SECRET_KEY, RunningService, bearer, token

BUCKET = "bad-credentials"
OTHER_KEY = "another-secret-key-of-at-least-32-bytes"
KEY = "there.txt"


@pytest.fixture(scope="module")
def client(service: RunningService) -> Iterator[httpx.Client]:
    """A client of alice's, who has a bucket with one file."""
    with httpx.Client(base_url=service.url, headers=bearer()) as client:
        client.post("/buckets", json={"name": BUCKET}).raise_for_status()
        client.put(f"/files/upload-direct/{BUCKET}/{KEY}", content=b"there").raise_for_status()
        yield client


@pytest.fixture(autouse=True)
def _nothing_changes(service: RunningService, client: httpx.Client) -> Iterator[None]:
    before = bucket_on_disk(service, BUCKET)
    yield
    assert_nothing_left(service)
    assert [file["id"] for file in client.get(f"/files/list/{BUCKET}").json()] == [KEY]
    assert bucket_on_disk(service, BUCKET) == before


def signed(claims: dict[str, Any], *, key: str = SECRET_KEY, algorithm: str = "HS256") -> str:
    return made(claims, key=key, algorithm=algorithm)


NOW = int(time.time())
ALICE = {"sub": "alice", "exp": NOW + 3600}

LOGINS = {
    "expired": signed(ALICE | {"exp": NOW - 60}),
    "not yet good": signed(ALICE | {"nbf": NOW + 3600}),
    "unsigned": signed(ALICE, algorithm="none"),
    "unsigned, in capitals": signed(ALICE, algorithm="NONE"),
    "unsigned, with another's signature": signed(ALICE, algorithm="none") + token().rsplit(".", maxsplit=1)[-1],
    "without its signature": token().rsplit(".", maxsplit=1)[0] + ".",
    "another algorithm": signed(ALICE, algorithm="HS512"),
    "a public key algorithm": signed(ALICE, algorithm="RS256") + "AAAA",
    "another key": signed(ALICE, key=OTHER_KEY),
    "nobody's": signed({"exp": NOW + 3600}),
    "for ever": signed({"sub": "alice"}),
    "number for a name": signed(ALICE | {"sub": 1}),
    "empty name": signed(ALICE | {"sub": ""}),
    "name with a line break": signed(ALICE | {"sub": "al\nice"}),
    "expiry that is a word": signed(ALICE | {"exp": "never"}),
    "changed": token()[:-4] + "AAAA",
    "two parts": "a.b",
    "no token": "nonsense",
    "secret key": SECRET_KEY,
    "anonymous key with more": ANON_KEY + "x",
}


def ask(service: RunningService, *headers: tuple[str, str]) -> Answer:
    return send(service, f"GET /files/download/{BUCKET}/{KEY}", headers)


@pytest.mark.parametrize("name", LOGINS)
def test_wrong_login_is_refused(service: RunningService, name: str) -> None:
    answer = ask(service, ("Authorization", f"Bearer {LOGINS[name]}"))
    assert_problem(answer, 401, "invalid_credential")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert LOGINS[name] not in answer.body.decode()


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", "Basic YWxpY2U6YWxpY2U="),
        ("Authorization", "Bearer"),
        ("Authorization", "Bearer "),
        ("Authorization", token()),
        ("Authorization", "Bearer é"),
        ("Authorization", f"Bearer {token()}, Bearer {token()}"),
        ("apikey", "wrong"),
        ("apikey", ""),
        ("apikey", "é"),
        ("apikey", token()),
        ("X-API-Key", "wrong"),
    ],
)
def test_wrong_header_is_refused_even_where_none_is_needed(service: RunningService, header: tuple[str, str]) -> None:
    assert_problem(ask(service, header), 401, "invalid_credential")


def test_bearer_decides_over_the_api_key(service: RunningService) -> None:
    assert ask(service, ("Authorization", f"Bearer {token()}"), ("apikey", "wrong")).status == 200
    assert ask(service, ("Authorization", "Bearer wrong"), ("apikey", ANON_KEY)).status == 401


# Signed URLs


def uid(client: httpx.Client, service: RunningService, bucket: str = BUCKET) -> str:
    record: str = json.loads((service.storage_path / bucket / ".bucket.json").read_bytes())["uid"]
    return record


def upload_token(
    bucket_uid: str, key: str = "new.txt", *, secret: str = SECRET_KEY, expires_at: int = NOW + 3600
) -> str:
    right = UploadRight("alice", create=True, replace=Replace.ANY)
    return SignedUrls(secret).sign(SignedUpload(bucket_uid, key, expires_at, right))


def download_token(bucket_uid: str, key: str = KEY) -> str:
    return SignedUrls(SECRET_KEY).sign(SignedDownload(bucket_uid, key, NOW + 3600))


def use(service: RunningService, method: str, token_in_path: str, target: str, body: bytes = b"") -> Answer:
    headers = with_length([("Authorization", f"Bearer {token()}")], body)  # which does not count here
    return send(service, f"{method} /files/signed/{token_in_path}/{target}", headers, body)


def test_what_these_tests_sign_is_what_the_service_signs(service: RunningService, client: httpx.Client) -> None:
    assert use(service, "GET", download_token(uid(client, service)), f"{BUCKET}/{KEY}").body == b"there"


def wrong_links(bucket_uid: str) -> dict[str, tuple[str, str]]:
    good = upload_token(bucket_uid)
    claims = jwt.decode(good, options={"verify_signature": False}) | {"exp": NOW + 3600}
    return {
        "a login": (token(), f"{BUCKET}/new.txt"),
        "a login of the service": (token("backend", service=True), f"{BUCKET}/new.txt"),
        "expired": (upload_token(bucket_uid, expires_at=NOW - 1), f"{BUCKET}/new.txt"),
        "another key": (upload_token(bucket_uid, secret=OTHER_KEY), f"{BUCKET}/new.txt"),
        "signed with the login's key": (signed(claims), f"{BUCKET}/new.txt"),
        "unsigned": (signed(claims, algorithm="none"), f"{BUCKET}/new.txt"),
        "changed": (good[:-4] + "AAAA", f"{BUCKET}/new.txt"),
        "no token": ("token", f"{BUCKET}/new.txt"),
        "for another file": (good, f"{BUCKET}/other.txt"),
        "for another case": (good, f"{BUCKET}/NEW.txt"),
        "for a bucket that is another": (upload_token("f" * 32), f"{BUCKET}/new.txt"),
        "for a bucket that is not there": (good, "missing-bucket/new.txt"),
        "for a download": (download_token(bucket_uid, "new.txt"), f"{BUCKET}/new.txt"),
    }


@pytest.mark.parametrize("name", wrong_links(""))
def test_wrong_link_is_refused(service: RunningService, client: httpx.Client, name: str) -> None:
    token_in_path, target = wrong_links(uid(client, service))[name]
    assert_problem(use(service, "PUT", token_in_path, target, b"abc"), 403, "invalid_signed_url")


def test_upload_link_is_no_download_link(service: RunningService, client: httpx.Client) -> None:
    for link in (upload_token(uid(client, service), KEY), token()):
        assert_problem(use(service, "GET", link, f"{BUCKET}/{KEY}"), 403, "invalid_signed_url")


def test_link_is_no_login(service: RunningService, client: httpx.Client) -> None:
    for link in (upload_token(uid(client, service)), download_token(uid(client, service))):
        assert_problem(ask(service, ("Authorization", f"Bearer {link}")), 401, "invalid_credential")


def test_bucket_made_again_takes_no_link_of_the_first(service: RunningService, client: httpx.Client) -> None:
    client.post("/buckets", json={"name": "made-again"}).raise_for_status()
    link = client.post("/files/initiate-upload", json={"bucket_id": "made-again", "filename": "a"}).json()["upload_url"]
    client.delete("/buckets/made-again").raise_for_status()
    first = httpx.put(link, content=b"abc")
    client.post("/buckets", json={"name": "made-again"}).raise_for_status()
    second = httpx.put(link, content=b"abc")

    assert [(a.status_code, a.json()["code"]) for a in (first, second)] == [(403, "invalid_signed_url")] * 2
    assert client.get("/files/list/made-again").json() == []


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
    service: RunningService, client: httpx.Client, bound: dict, content_type: str, body: bytes, status: int, code: str
) -> None:
    link = client.post("/files/initiate-upload", json={"bucket_id": BUCKET, "filename": "new.txt"} | bound).json()
    path = service.path_of(link["upload_url"])
    typed = [("Content-Type", content_type)] if content_type else []
    assert_problem(send(service, f"PUT {path}", with_length(typed, body), body), status, code)
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert_problem(send(service, f"PUT {path}", [*typed, ("Transfer-Encoding", "chunked")], chunks), status, code)
    form = httpx.put(link["upload_url"], files={"file": ("new.txt", body, content_type or None)})
    assert (form.status_code, form.json()["code"]) == (status, code)


def test_log_shows_no_token(service: RunningService, client: httpx.Client) -> None:
    link = download_token(uid(client, service))
    use(service, "GET", link, f"{BUCKET}/{KEY}")
    assert link not in service.log()
    assert LOGINS["changed"] not in service.log()
