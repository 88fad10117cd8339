from typing import Any

import pytest
from flask import Flask, request
from werkzeug.datastructures import EnvironHeaders

from storage_app.api.application import SentHeaders

ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "PUT",
    "CONTENT_TYPE": "text/plain",
    "CONTENT_LENGTH": "5",
    "HTTP_X_REQUEST_ID": "a",
    "HTTP_EMPTY": "",
    "HTTP_CONTENT_TYPE": "what no server passes on",
}
NAMES = [
    "X-Request-ID", "x-request-id", "X_Request_Id", "Empty", "Missing", "Content-Type", "content-length",
    "Request-Method", "REQUEST_METHOD", "HTTP-Empty", "",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("environ", [ENVIRON, {}], ids=["sent", "nothing"])
def test_headers_are_those_that_werkzeug_finds(environ: dict[str, Any], name: str) -> None:
    ours, theirs = SentHeaders(environ), EnvironHeaders(environ)
    assert (name in ours) == (name in theirs)
    assert ours.get(name) == theirs.get(name)
    assert ours.get(name, "default") == theirs.get(name, "default")
    assert ours.get(name, 1, type=int) == theirs.get(name, 1, type=int)
    assert list(ours) == list(theirs)


def test_requests_have_such_headers(app: Flask) -> None:
    with app.test_request_context(headers={"X-A": "b"}):
        assert isinstance(request.headers, SentHeaders)
        assert (request.headers["X-A"], request.headers.get("X-B")) == ("b", None)
