"""Answers tell how long their parts took, if the operator wants that."""

import re
from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from tests.support.in_process import ask, send

JSON = ("Content-Type", "application/json")


def times(answer: object) -> dict[str, float]:
    header = answer.headers["Server-Timing"]  # type: ignore[attr-defined]
    assert re.fullmatch(r"index;dur=\d+\.\d\d, store;dur=\d+\.\d\d, total;dur=\d+\.\d\d", header)
    return {name: float(spent) for name, spent in re.findall(r"(\w+);dur=([\d.]+)", header)}


def test_answers_tell_nothing_by_default(client: FlaskClient) -> None:
    assert "Server-Timing" not in send(client, "GET /health").headers


def test_answer_tells_how_long_the_index_and_the_store_took(make_app: Callable[..., Flask]) -> None:
    client = make_app(SERVER_TIMING="true").test_client()
    assert times(ask(client, "POST /buckets", b'{"name":"photos"}', JSON))["index"] > 0
    for line, body in (
        ("PUT /files/upload-direct/photos/a", b"12345"),
        ("GET /files/download/photos/a", b""),
        ("DELETE /files/photos/a", b""),
    ):
        spent = times(ask(client, line, body))
        assert spent["index"] > 0
        assert spent["store"] > 0
        assert spent["index"] + spent["store"] <= spent["total"]


def test_request_that_asks_neither_tells_so(make_app: Callable[..., Flask]) -> None:
    client = make_app(SERVER_TIMING="true").test_client()
    for line in ("GET /nowhere", "GET /openapi.json"):
        spent = times(send(client, line))
        assert (spent["index"], spent["store"]) == (0, 0)
        assert spent["total"] > 0


def test_request_that_is_refused_at_once_has_a_total(make_app: Callable[..., Flask]) -> None:
    answer = send(make_app(SERVER_TIMING="true").test_client(), "GET //x")
    assert answer.status == 404
    assert re.fullmatch(r"total;dur=\d+\.\d\d", answer.headers["Server-Timing"])
