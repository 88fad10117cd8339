"""Whatever is refused, by us or by the framework, is one problem document (RFC 9457) with its headers."""

import logging

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient

from storage_app.api.http import problems
from storage_app.errors import DamagedFile, NotFound, RangeNotSatisfiable, Unavailable
from tests.support.in_process import ask, send
from tests.support.raw_http import Answer, assert_problem


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", "GET, HEAD, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
        ("/buckets", "GET, HEAD, OPTIONS, POST"),
        ("/buckets/photos", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("/files/upload/photos", "OPTIONS, POST"),
        ("/files/upload-direct/photos/there.txt", "OPTIONS, PUT"),
        ("/files/download/photos/there.txt", "GET, HEAD, OPTIONS"),
        ("/files/photos/there.txt", "DELETE, OPTIONS"),
        ("/files/signed/token/bucket/key", "GET, HEAD, OPTIONS, PUT"),
        ("/files/initiate-upload", "OPTIONS, POST"),
    ],
)
def test_unknown_method_is_told_the_known_ones(unchanged: FlaskClient, path: str, allowed: str) -> None:
    for method in ("TRACE", "LINK", "FOO", "PROPFIND"):
        answer = ask(unchanged, f"{method} {path}")
        problem = assert_problem(answer, 405, "method_not_allowed")
        assert ", ".join(sorted(answer.headers["Allow"].split(", "))) == allowed
        assert method in problem["detail"]


@pytest.mark.parametrize("path", ["/nothing", "/files", "/files/", "/buckets//", "/%2e%2e/", "/..", "/a%00b"])
def test_unknown_route_is_a_problem(unchanged: FlaskClient, path: str) -> None:
    assert_problem(ask(unchanged, f"GET {path}"), 404, "not_found")


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/a%22%0Ab", 404, "\\n"),
        ("/ж", 404, "ж"),
    ],
)
def test_problem_quotes_what_was_asked_for(unchanged: FlaskClient, path: str, status: int, detail: str) -> None:
    assert detail in assert_problem(send(unchanged, f"GET {path}".encode()), status, "not_found")["detail"]


def raised(error: Exception | int, caplog: pytest.LogCaptureFixture) -> tuple[Answer, list[int]]:
    """Return what a client gets from a view that fails, and the levels of what is logged about it."""
    app = Flask(__name__)
    problems.init_app(app)

    @app.get("/")
    def view() -> str:
        if isinstance(error, Exception):
            raise error
        abort(error)

    caplog.set_level(logging.WARNING, logger=problems.log.name)
    answer = send(app.test_client(), "GET /")
    return answer, [record.levelno for record in caplog.records]


@pytest.mark.parametrize(
    ("error", "status", "code", "logged"),
    [
        (NotFound("It is not here."), 404, "not_found", []),
        (DamagedFile("It is damaged."), 500, "damaged_file", [logging.ERROR]),
        (Unavailable("Try again."), 503, "unavailable", [logging.WARNING]),
        (ValueError("a secret of the inside"), 500, "internal_error", [logging.ERROR]),
        (400, 400, "invalid_request", []),
        (413, 413, "too_large", []),
        (415, 415, "unsupported_media_type", []),
        (418, 400, "invalid_request", []),
        (502, 500, "internal_error", []),
    ],
)
def test_error_is_answered_and_logged_as_what_it_is(
    error: Exception | int, status: int, code: str, logged: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    answer, levels = raised(error, caplog)
    assert (answer.status, answer.json["code"], levels) == (status, code, logged)
    assert answer.headers["Content-Type"] == problems.MEDIA_TYPE
    assert answer.headers["Cache-Control"] == "no-store"
    assert "secret" not in answer.body.decode()


def test_headers_of_a_refusal_are_sent(caplog: pytest.LogCaptureFixture) -> None:
    answer, _ = raised(RangeNotSatisfiable(7), caplog)
    assert answer.headers["Content-Range"] == "bytes */7"


def test_lone_surrogate_goes_back_as_its_escape(caplog: pytest.LogCaptureFixture) -> None:
    answer, _ = raised(NotFound("\ud800"), caplog)
    assert b'"\\ud800"' in answer.body
