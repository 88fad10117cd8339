"""Pages end at a size, and cursors come back as the position they were made from; other cursors are refused."""

import base64
import json
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from storage_app.api.http.cursors import MAX_OFFSET, MAX_PAGE_BYTES, decode, encode, next_link, page_response, start
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
        (Position("a", skip=MAX_OFFSET), False),
        (Position("a", created_at=0, skip=1), True),
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
        (["a", False, None], False),
        ([1, False, None, 0], False),
        (["a", 0, None, 0], False),
        (["a\0", True, None, 0], False),
        (["\ud800", True, None, 0], False),
        (["a", True, 2**63, 0], True),
        (["a", True, 1.5, 0], True),
        (["a", True, True, 0], True),
        (["a", True, None, -1], False),
        (["a", True, None, MAX_OFFSET + 1], False),
        (["a", True, None, True], False),
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


def documents(*sizes: int) -> Iterator[tuple[bytes, Position | None]]:
    """Documents that take `sizes` bytes as JSON, each with a position called after its number."""
    return ((b'"%s"' % (b"x" * (size - 2)), Position(str(number))) for number, size in enumerate(sizes))


HALF = MAX_PAGE_BYTES // 2


@pytest.mark.parametrize(
    ("sizes", "limit", "taken"),
    [
        ([], 1, 0),
        ([5], 1, 1),
        ([5, 5], 1, 1),
        ([5, 5], 2, 2),
        ([5, 5, 5], 2, 2),
        ([MAX_PAGE_BYTES - 4], 9, 1),
        ([MAX_PAGE_BYTES * 2], 9, 1),
        ([MAX_PAGE_BYTES * 2, 5], 9, 1),
        ([5, MAX_PAGE_BYTES * 2], 9, 1),
        ([HALF, HALF - 5], 9, 2),
        ([HALF, HALF - 4], 9, 1),
        ([1000] * 2000, 2000, (MAX_PAGE_BYTES - 3) // 1001),
    ],
)
def test_page_ends_at_its_limit_or_at_a_mebibyte(sizes: list[int], limit: int, taken: int) -> None:
    with Flask(__name__).test_request_context("/buckets"):
        page = page_response(documents(*sizes), limit=limit)
    assert [len(document) + 2 for document in json.loads(page.get_data())] == sizes[:taken]
    assert len(page.get_data()) <= MAX_PAGE_BYTES or taken == 1
    following = encode(Position(str(taken - 1)))
    link = f'<?cursor={following}>; rel="next"' if taken < len(sizes) else None
    assert page.headers.get("Link") == link


@pytest.mark.parametrize(("before", "limit"), [(0, 3), (1, 3), (2, 2)])
def test_page_may_end_early_with_a_link(before: int, limit: int) -> None:
    listed = [*documents(*[5] * before), (None, Position("later"))]
    with Flask(__name__).test_request_context("/buckets"):
        page = page_response(iter(listed), limit=limit)
    assert len(json.loads(page.get_data())) == before
    assert page.headers["Link"] == f'<?cursor={encode(Position("later"))}>; rel="next"'


def test_page_begins_at_its_cursor_or_behind_its_offset() -> None:
    position = Position("b", skip=3)
    assert start({"cursor": encode(position), "offset": 0}) == position
    assert start({"offset": 0}) is None
    assert start({"offset": 7, "prefix": "a/"}) == Position("a/", after=False, skip=7)


def test_page_takes_no_more_documents_than_it_needs() -> None:
    waiting = documents(*[HALF] * 5)
    with Flask(__name__).test_request_context("/buckets"):
        page_response(waiting, limit=1000)
    assert sum(1 for _ in waiting) == 3


def test_link_is_this_request_with_the_next_cursor() -> None:
    position = Position("b", after=True)
    query = "prefix=a%26b&x=1&cursor=old&limit=2&search=%25&offset=5"
    with Flask(__name__).test_request_context(f"/files/list/ph%C3%B6tos?{query}"):
        assert next_link(None) == {}
        assert next_link(position) == {
            "Link": f'<?prefix=a%26b&limit=2&search=%25&cursor={encode(position)}>; rel="next"'
        }
