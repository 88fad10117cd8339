"""Cursors come back as the position they were made from; what is no cursor of the list is refused."""

import base64
import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app.api.http.cursors import decode, encode, next_link
from storage_app.domain.pages import Position
from storage_app.errors import ValidationFailed
from tests.support.in_process import ask
from tests.support.raw_http import assert_problem


def cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("position", "by_creation"),
    [
        (Position("a"), False),
        (Position("", after=True), False),
        (Position("2026/ä 🐈.txt", after=True), False),
        (Position("k" * 1024), False),
        (Position("a", created_at=0), True),
        (Position("a", created_at=-(2**63) + 1), True),
    ],
)
def test_position_comes_back(position: Position, by_creation: bool) -> None:
    assert decode(encode(position), by_creation=by_creation) == position
    with pytest.raises(ValidationFailed):  # of the other order
        decode(encode(position), by_creation=not by_creation)


def test_no_cursor_is_the_beginning() -> None:
    assert decode(None) is None


@pytest.mark.parametrize(
    ("value", "by_creation"),
    [
        (None, False),
        ({}, False),
        ("abc", False),
        (["a", False], False),
        ([1, False, None], False),
        (["a", 0, None], False),
        (["a\0", True, None], False),
        (["\ud800", True, None], False),
        (["a", True, 2**63], True),
        (["a", True, 1.5], True),
        (["a", True, True], True),
    ],
)
def test_forged_cursor_is_refused(value: object, by_creation: bool) -> None:
    with pytest.raises(ValidationFailed, match=r"^'cursor' is not valid: "):
        decode(cursor(value), by_creation=by_creation)


@pytest.mark.parametrize("text", ["x", "", "%2A", "bnVsbA", "WyJcdTAwMDAiLCB0cnVlLCBudWxsXQ", cursor(None)[:-1]])
def test_wrong_query_names_the_parameter(unchanged: FlaskClient, text: str) -> None:
    for path in ("/files/list/photos", "/buckets"):
        problem = assert_problem(ask(unchanged, f"GET {path}?cursor={text}"), 422, "validation_failed")
        assert list(problem["errors"]) == ["cursor"]


def test_link_is_this_request_with_the_next_cursor() -> None:
    position = Position("b", after=True)
    with Flask(__name__).test_request_context("/files/list/ph%C3%B6tos?prefix=a%26b&cursor=old&limit=2"):
        assert next_link(None) == {}
        assert next_link(position) == {
            "Link": f'</files/list/ph%C3%B6tos?prefix=a%26b&cursor={encode(position)}&limit=2>; rel="next"'
        }
