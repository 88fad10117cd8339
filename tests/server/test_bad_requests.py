"""What gunicorn refuses by itself looks like what the application refuses."""

import socket
from contextlib import closing
from http.client import HTTPResponse

import pytest
from gunicorn import util

from storage_app.errors import Unavailable
from storage_app.host.measures import Event
from storage_app.logs import RequestIdFilter
from storage_app.server import bad_requests
from tests.support.measured import Kept
from tests.support.raw_http import Answer, assert_problem


@pytest.fixture
def _replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "write_error", util.write_error)  # put back afterwards
    bad_requests.answer_as_the_application()


def refused(status: int, message: str) -> Answer:
    """Return what a client gets when gunicorn refuses with this message."""
    there, here = socket.socketpair()
    with closing(there), closing(here):
        util.write_error(there, status, "A phrase", message)
        there.shutdown(socket.SHUT_WR)
        response = HTTPResponse(here)
        response.begin()
        return Answer(response.status, response.headers, response.read())


@pytest.mark.usefixtures("_replaced")
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Invalid Request Line 'GET / HTTP/9\x00'"),
        (431, "Error parsing headers: 'limit request headers fields size'"),
        (501, "Unsupported transfer coding: 'x'"),
        (414, "Request Line is too large (" + "9" * 9000),
    ],
)
def test_refusal_says_what_cannot_be_understood(status: int, message: str) -> None:
    problem = assert_problem(refused(status, message), status, "invalid_request")
    assert problem["detail"].startswith(f"The request cannot be understood: {message[:20]}")
    assert len(problem["detail"]) < 300


@pytest.mark.usefixtures("_replaced")
def test_message_in_a_message_is_said_once() -> None:
    problem = refused(400, "Invalid Request Line 'Invalid HTTP request line: 'GET /''").json
    assert problem["detail"] == "The request cannot be understood: Invalid HTTP request line: 'GET /'."


@pytest.mark.usefixtures("_replaced")
def test_quoted_request_is_not_taken_for_a_page() -> None:
    assert refused(400, "Invalid Method '<SCRIPT>'").headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.usefixtures("_replaced")
@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Invalid HTTP Header: 'apikey KEY'", "Invalid HTTP Header"),
        ("Invalid Request Line 'Invalid HTTP request line: \"GET /?apikey=KEY\"'", "Invalid Request Line"),
        ("Invalid chunk size: b'KEY'", "Invalid chunk size"),
        ("'KEY'", "the request is malformed"),
    ],
)
def test_what_is_quoted_of_a_request_stays_out_of_the_log(
    caplog: pytest.LogCaptureFixture, message: str, shown: str
) -> None:
    with caplog.at_level("INFO", logger="storage_app"):
        refused(400, message)
    (record,) = caplog.records
    assert record.getMessage() == f"refused with 400: {shown}"


@pytest.mark.usefixtures("_replaced")
def test_refusal_can_be_read_by_any_page() -> None:
    headers = refused(400, "Invalid").headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Request-ID" in headers["Access-Control-Expose-Headers"]


@pytest.mark.usefixtures("_replaced")
@pytest.mark.parametrize("message", ["", "Configuration problem: Request path '/a' does not start with SCRIPT_NAME"])
def test_failure_says_nothing_of_the_inside_and_is_in_the_log(message: str, caplog: pytest.LogCaptureFixture) -> None:
    problem = assert_problem(refused(500, message), 500, "internal_error")
    assert "SCRIPT_NAME" not in problem["detail"]
    (record,) = caplog.records
    assert vars(record)["request_id"] == problem["request_id"]
    assert RequestIdFilter().filter(record)
    assert vars(record)["request_id"] == problem["request_id"]


def test_request_without_room_is_refused_as_the_application_does() -> None:
    there, here = socket.socketpair()
    with closing(there), closing(here):
        bad_requests.refuse(there, Unavailable("Too many wait; try again in a moment.", retry_after=3))
        there.shutdown(socket.SHUT_WR)
        response = HTTPResponse(here)
        response.begin()
        answer = Answer(response.status, response.headers, response.read())
    problem = assert_problem(answer, 503, "unavailable")
    assert problem["detail"] == "Too many wait; try again in a moment."
    assert answer.headers["Retry-After"] == "3"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.usefixtures("_replaced")
def test_refusal_is_counted_by_the_class_of_its_status(kept: Kept) -> None:
    for status in (400, 414, 500):
        refused(status, "No.")
    assert kept.events == [(Event.EARLY_REFUSAL, each) for each in ("4xx", "4xx", "5xx")]
