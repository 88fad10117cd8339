"""The routes that send bytes: which of them shows a file, under which name, and for how long nginx may keep it."""

import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from storage_app.api.downloads import with_current_bytes
from storage_app.domain.times import now
from storage_app.errors import DamagedFile
from tests.support.in_process import ask, send
from tests.support.raw_http import assert_problem
from tests.support.service import bearer

# RFC 6266 section 4.1, with both parameters, the first as a quoted-string of ASCII.
DISPOSITION = re.compile(
    r"""attachment; filename="((?:[ !#-\[\]-~]|\\["\\])*)"; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]+)"""
)
SECRET = "what-nginx-and-the-service-share"


def disposition(client: FlaskClient, url: str) -> tuple[str, str]:
    """Return the two names that the download at `url` offers, checked to stand in one header."""
    answer = ask(client, f"GET {urlsplit(url).path}")
    (header,) = answer.headers.get_all("Content-Disposition") or []
    assert "X-Injected" not in answer.headers
    match = DISPOSITION.fullmatch(header)
    assert match, header
    return match[1], unquote(match[2])


ODD = {
    "quotes": ('a"b".txt', r"a\"b\".txt"),
    "backslash": ("a\\b.txt", r"a\\b.txt"),
    "semicolon": ("a; filename=b.txt", "a; filename=b.txt"),
    "percent": ("100%41.txt", "100_41.txt"),
    "apostrophes": ("UTF-8''x.txt", "UTF-8''x.txt"),
    "letters with marks": ("Größe.txt", "Gro_e.txt"),
    "another script": ("図.txt", "_.txt"),
    "an emoji": ("🐈.txt", "_.txt"),
    "right to left": ("a\u202etxt.exe", "a_txt.exe"),
    "spaces around": (" a ", " a "),
}


@pytest.fixture
def client(client: FlaskClient) -> FlaskClient:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    return client


def test_odd_filename_comes_back_whole(client: FlaskClient) -> None:
    url = (client.put("/files/upload-direct/photos/file", data=b"abc", headers=bearer()).json or {})["download_url"]
    for name, (filename, ascii_name) in ODD.items():
        edited = client.put("/files/metadata/photos/file", json={"filename": filename}, headers=bearer()).json or {}
        wanted = {"bucket_id": "photos", "file_id": "file", "filename": filename}
        link = client.post("/files/initiate-download", json=wanted, headers=bearer()).json or {}
        assert (name, edited["filename"]) == (name, filename)
        assert (name, disposition(client, url)) == (name, (ascii_name, filename))
        assert (name, disposition(client, link["download_url"])) == (name, (ascii_name, filename))


@pytest.mark.parametrize(
    ("route", "safe", "unsafe"),
    [
        ("/files/download", "attachment", "attachment"),
        ("/files/view", "inline", "attachment"),
        ("/storage", "inline", "attachment"),
    ],
)
def test_route_decides_whether_a_safe_file_is_shown(client: FlaskClient, route: str, safe: str, unsafe: str) -> None:
    for key, content_type, shown in (("a", "text/plain", safe), ("b", "text/html", unsafe)):
        headers = bearer() | {"Content-Type": content_type}
        client.put(f"/files/upload-direct/photos/{key}", data=b"abc", headers=headers)
        answer = ask(client, f"GET {route}/photos/{key}")
        assert (answer.status, answer.body) == (200, b"abc")
        assert answer.headers["Content-Disposition"].partition(";")[0] == shown


def test_signed_url_is_answered_as_it_was_signed(client: FlaskClient) -> None:
    client.put("/files/upload-direct/photos/a", data=b"abc", headers=bearer() | {"Content-Type": "text/plain"})
    for shown in ("inline", "attachment"):
        wanted = {"bucket_id": "photos", "file_id": "a", "disposition": shown}
        link = client.post("/files/initiate-download", json=wanted, headers=bearer()).json or {}
        answer = send(client, f"GET {urlsplit(link['download_url']).path}")
        assert (answer.status, answer.headers["Content-Disposition"].partition(";")[0]) == (200, shown)
        assert answer.headers["Cache-Control"].startswith("private")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([], 401, "unauthenticated"),
        (bearer("bob").items(), 403, "forbidden"),
        ([*bearer().items(), ("Range", "bytes=5-")], 416, "range_not_satisfiable"),
        ([*bearer().items(), ("If-Match", '"x"')], 412, "precondition_failed"),
    ],
    ids=["nobody", "a stranger", "a range outside", "another version"],
)
def test_download_is_refused(unchanged: FlaskClient, headers: list[tuple[str, str]], status: int, code: str) -> None:
    for route in ("/files/download", "/files/view", "/storage"):
        assert_problem(send(unchanged, f"GET {route}/photos/there.txt", headers), status, code)


@pytest.mark.parametrize(
    ("is_public", "cache_control", "size", "kept_seconds"),
    [
        (True, "max-age=30", 9, "30"),
        (True, "max-age=3600", 9, "60"),
        (True, "max-age=3600", 1024 * 1024 + 1, None),
        (True, "no-store", 9, None),
        (False, "max-age=30", 9, None),
    ],
)
def test_nginx_keeps_small_public_files_for_a_minute_at_most(
    make_app: Callable[..., Flask], is_public: bool, cache_control: str, size: int, kept_seconds: str | None
) -> None:
    """What it does not keep, it fetches by itself; nobody else is told of either."""
    client = make_app(DOWNLOAD_OFFLOAD="nginx", OFFLOAD_SECRET=SECRET).test_client()
    settings = {"name": "photos", "is_public": is_public, "cache_control": cache_control}
    client.post("/buckets", json=settings, headers=bearer())
    client.put("/files/upload-direct/photos/a", data=bytes(size), headers=bearer())
    for secret, kept, fetched in ((SECRET, kept_seconds, kept_seconds is None), ("wrong", None, False)):
        answer = ask(client, "GET /files/download/photos/a", b"", ("X-Offload-Secret", secret))
        assert (answer.headers.get("X-Accel-Expires"), "X-Accel-Redirect" in answer.headers) == (kept, fetched)


def answers(*results: Response | Exception) -> Callable[[], Response]:
    remaining = list(results)

    def answer() -> Response:
        result = remaining.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return answer


def test_replaced_version_is_asked_for_once_more() -> None:
    response = Response()
    assert with_current_bytes(answers(response)) is response
    assert with_current_bytes(answers(FileNotFoundError(), response)) is response


def test_bytes_missing_twice_are_damage() -> None:
    with pytest.raises(DamagedFile):
        with_current_bytes(answers(FileNotFoundError(), FileNotFoundError(), Response()))


def test_other_failures_are_not_tried_again() -> None:
    with pytest.raises(PermissionError):
        with_current_bytes(answers(PermissionError(), Response()))


def test_replaced_file_is_not_taken_for_the_old_one_if_the_clock_went_back(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(client, "POST /buckets", b'{"name": "photos"}', ("Content-Type", "application/json"))
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr("storage_app.services.upload_rules.now", lambda: now() + timedelta(days=1))
        ask(client, "PUT /files/upload-direct/photos/a", b"old")
    modified = ask(client, "GET /files/download/photos/a").headers["Last-Modified"]
    ask(client, "PUT /files/upload-direct/photos/a", b"new")
    answer = ask(client, "GET /files/download/photos/a", b"", ("If-Modified-Since", modified))
    assert (answer.status, answer.body) == (200, b"new")
