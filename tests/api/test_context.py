"""What stands around each request: its id, its URL, who asks, and its line in the log."""

import logging
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from storage_app.logs import TextFormatter
from tests.support.in_process import AUTHORIZATION, send
from tests.support.jwts import made
from tests.support.raw_http import Answer, assert_problem
from tests.support.service import ANON_KEY, SECRET_KEY, token

OTHER_KEY = "another-secret-key-of-at-least-32-bytes"
NOW = int(time.time())
ALICE = {"sub": "alice", "exp": NOW + 24 * 3600}


def signed(claims: dict[str, Any], *, key: str = SECRET_KEY, algorithm: str = "HS256") -> str:
    return made(claims, key=key, algorithm=algorithm)


LOGINS = {
    "expired": signed(ALICE | {"exp": NOW - 60}),
    "not yet good": signed(ALICE | {"nbf": NOW + 24 * 3600}),
    "unsigned": signed(ALICE, algorithm="none"),
    "unsigned, in capitals": signed(ALICE, algorithm="NONE"),
    "unsigned, with another's signature": signed(ALICE, algorithm="none") + token().rsplit(".", maxsplit=1)[-1],
    "without its signature": token().rsplit(".", maxsplit=1)[0] + ".",
    "another algorithm": signed(ALICE, algorithm="HS512"),
    "a public key algorithm": signed(ALICE, algorithm="RS256") + "AAAA",
    "another key": signed(ALICE, key=OTHER_KEY),
    "nobody's": signed({"exp": NOW + 24 * 3600}),
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


def ask(client: FlaskClient, *headers: tuple[str, str]) -> Answer:
    return send(client, "GET /files/download/photos/there.txt", headers)


@pytest.mark.parametrize("name", LOGINS)
def test_wrong_login_is_refused(unchanged: FlaskClient, name: str) -> None:
    answer = ask(unchanged, ("Authorization", f"Bearer {LOGINS[name]}"))
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
        ("apikey", "é"),
        ("apikey", token()),
        ("X-API-Key", "wrong"),
    ],
    ids=lambda header: f"{header[0]}: {header[1][:8]}",
)
def test_wrong_header_is_refused_even_where_none_is_needed(unchanged: FlaskClient, header: tuple[str, str]) -> None:
    assert_problem(ask(unchanged, header), 401, "invalid_credential")


@pytest.mark.parametrize("name", ["Authorization", "apikey", "X-API-Key"])
def test_empty_header_counts_as_none(unchanged: FlaskClient, name: str) -> None:
    assert_problem(ask(unchanged, (name, "")), 401, "unauthenticated")  # of a private bucket
    assert_problem(send(unchanged, "GET /buckets", [(name, "")]), 401, "unauthenticated")
    for other in {"apikey", "X-API-Key"} - {name}:
        assert send(unchanged, "GET /buckets", [(name, ""), (other, ANON_KEY)]).status == 200


def test_bearer_decides_over_the_api_key(unchanged: FlaskClient) -> None:
    assert ask(unchanged, AUTHORIZATION, ("apikey", "wrong")).status == 200
    assert ask(unchanged, ("Authorization", "Bearer wrong"), ("apikey", ANON_KEY)).status == 401


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("GET /files/download/photos/%FF", id="no UTF-8"),
        pytest.param("GET /files/download/photos/%ED%A0%80", id="surrogate"),
        pytest.param("GET /files/download/photos/%C0%AE%C0%AE/x", id="overlong dots"),
        pytest.param("GET /files/list/%FF", id="no UTF-8 as a bucket"),
        pytest.param("GET /files/list/photos?prefix=%FF", id="no UTF-8 in the query"),
        pytest.param("GET /files/list/photos?%ED%A0%80=1", id="surrogate in the query"),
        pytest.param("PUT /files/signed/%FF/x/y", id="no UTF-8 as a token"),
        pytest.param("GET /%FF", id="no UTF-8 as a route"),
    ],
)
def test_url_that_is_no_utf8_is_refused(unchanged: FlaskClient, line: str) -> None:
    assert "UTF-8" in assert_problem(send(unchanged, line, [AUTHORIZATION]), 400, "invalid_request")["detail"]


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [
        ("a", True),
        ("trace-1.2:3_4", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("a b", False),
        ("é", False),
    ],
)
def test_request_id_of_the_client_is_kept_if_it_is_harmless(unchanged: FlaskClient, sent: str, is_kept: bool) -> None:
    answer = send(unchanged, "GET /health", [("X-Request-ID", sent)])
    assert (answer.headers["X-Request-ID"] == sent) is is_kept
    assert answer.headers["X-Request-ID"]


def test_access_log_has_the_path_without_its_token(unchanged: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="storage_app.access")
    send(unchanged, f"GET /files/signed/{token()}/photos/there.txt?secret=1")
    (record,) = caplog.records
    line = vars(record)
    assert line["path"] == "/files/signed/…/photos/there.txt"
    assert (line["status"], line["code"], line["client"]) == (403, "invalid_signed_url", "127.0.0.1")
    assert TextFormatter().format(record).count("there.txt") == 1


@pytest.mark.parametrize(
    ("headers", "path", "shown"),
    [
        (
            [AUTHORIZATION],
            "/files/download/photos/there.txt",
            {"status": 200, "code": None, "principal": "user", "sub": "alice"},
        ),
        ([], "/buckets/public", {"status": 401, "code": "unauthenticated", "principal": "nobody", "sub": None}),
        ([("apikey", ANON_KEY)], "/buckets/none", {"code": "bucket_not_found", "principal": "anonymous", "sub": None}),
        ([("apikey", "wrong")], "/buckets/public", {"code": "invalid_credential", "principal": None, "sub": None}),
        ([], "/nowhere", {"status": 404, "code": "not_found", "route": None, "principal": None}),
        ([], "/health", {"status": 200, "code": None, "route": "/health", "principal": None}),
    ],
)
def test_access_log_says_who_asked_and_why_it_was_refused(
    unchanged: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    headers: list[tuple[str, str]],
    path: str,
    shown: dict[str, object],
) -> None:
    caplog.set_level(logging.INFO, logger="storage_app.access")
    answer = send(unchanged, f"GET {path}", headers)
    line = vars(caplog.records[-1])
    assert {name: line[name] for name in shown} == shown
    assert line["bytes_out"] == len(answer.body)


def test_access_log_groups_requests_by_their_route(unchanged: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="storage_app.access")
    send(unchanged, "HEAD /buckets/public")
    line = vars(caplog.records[-1])
    assert (line["method"], line["route"], line["bytes_out"]) == ("HEAD", "/buckets/{bucket_id}", 0)


@pytest.mark.parametrize(
    ("line", "body", "bucket"),
    [
        ("GET /buckets/public", b"", "public"),
        ("GET /files/download/photos/there.txt", b"", "photos"),
        ("POST /files/initiate-download", b'{"bucket_id":"photos","file_id":"there.txt"}', "photos"),
        ("POST /buckets", b'{"name":"photos"}', "photos"),
        ("POST /buckets", b'{"name":17}', None),
        ("GET /buckets", b"", None),
        ("GET /nowhere", b"", None),
    ],
)
def test_access_log_names_the_bucket(
    unchanged: FlaskClient, caplog: pytest.LogCaptureFixture, line: str, body: bytes, bucket: str | None
) -> None:
    caplog.set_level(logging.INFO, logger="storage_app.access")
    length = [("Content-Length", str(len(body))), ("Content-Type", "application/json")] if body else []
    send(unchanged, line, [AUTHORIZATION, *length], body)
    shown = vars(caplog.records[-1])
    assert (shown["bucket"], shown["bytes_in"]) == (bucket, len(body))


def test_bytes_that_were_refused_unread_are_not_received(
    unchanged: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="storage_app.access")
    send(unchanged, "PUT /files/upload-direct/photos/new", [("Content-Length", "5")], b"12345")
    line = vars(caplog.records[-1])
    assert (line["status"], line["bytes_in"]) == (401, 0)


def test_user_agent_is_short_and_shows_no_token(unchanged: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="storage_app.access")
    send(unchanged, "GET /health", [("User-Agent", f"a\x1bb {token()} {'x' * 4000}")])
    shown = vars(caplog.records[-1])["user_agent"]
    assert shown.startswith("a\\x1bb … xxx")
    assert len(shown) == 200
