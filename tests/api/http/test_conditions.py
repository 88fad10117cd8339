from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from storage_app.api.http.conditions import Outcome, evaluate, range_applies, write_conditions
from storage_app.domain.files import UNCONDITIONAL, WriteConditions
from storage_app.errors import PreconditionFailed

ETAG = '"e5"'
MODIFIED = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
THEN = "Sun, 06 Nov 1994 08:49:37 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
NO_DATES = [
    "",
    "yesterday",
    "1994-11-06T08:49:37Z",
    "784111777",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 +99999999999999",
]


@pytest.mark.parametrize(
    ("headers", "outcome"),
    [
        ({}, "send"),
        # If-Match: strong comparison (RFC 9110 section 13.1.1).
        ({"If-Match": ETAG}, "send"),
        ({"If-Match": "*"}, "send"),
        ({"If-Match": " * "}, "send"),
        ({"If-Match": f'"a", {ETAG}'}, "send"),
        ({"If-Match": f'"a",,{ETAG} ,'}, "send"),
        ({"If-Match": '"a"'}, "failed"),
        ({"If-Match": f"W/{ETAG}"}, "failed"),
        ({"If-Match": '"*"'}, "failed"),
        ({"If-Match": ""}, "failed"),
        ({"If-Match": '"unfinished'}, "failed"),
        # If-Unmodified-Since.
        ({"If-Unmodified-Since": BEFORE}, "failed"),
        ({"If-Unmodified-Since": THEN}, "send"),
        ({"If-Unmodified-Since": AFTER}, "send"),
        *(({"If-Unmodified-Since": value}, "send") for value in NO_DATES),
        # If-None-Match: weak comparison (section 13.1.2).
        ({"If-None-Match": ETAG}, "not modified"),
        ({"If-None-Match": f"W/{ETAG}"}, "not modified"),
        ({"If-None-Match": "*"}, "not modified"),
        ({"If-None-Match": f'"a", W/"b",{ETAG}'}, "not modified"),
        ({"If-None-Match": '"a"'}, "send"),
        ({"If-None-Match": '"*"'}, "send"),
        ({"If-None-Match": '""'}, "send"),
        ({"If-None-Match": ""}, "send"),
        # If-Modified-Since.
        ({"If-Modified-Since": BEFORE}, "send"),
        ({"If-Modified-Since": THEN}, "not modified"),
        ({"If-Modified-Since": f" {AFTER}\t"}, "not modified"),
        ({"If-Modified-Since": "Sunday, 06-Nov-94 08:49:37 GMT"}, "not modified"),
        ({"If-Modified-Since": "Sun Nov  6 08:49:37 1994"}, "not modified"),
        *(({"If-Modified-Since": value}, "send") for value in NO_DATES),
        ({"If-Modified-Since": f"{AFTER}, {AFTER}"}, "send"),
        # Precedence (section 13.2.2).
        ({"If-Match": ETAG, "If-Unmodified-Since": BEFORE}, "send"),
        ({"If-Match": '"a"', "If-Unmodified-Since": AFTER}, "failed"),
        ({"If-None-Match": '"a"', "If-Modified-Since": AFTER}, "send"),
        ({"If-None-Match": ETAG, "If-Modified-Since": BEFORE}, "not modified"),
        ({"If-Match": '"a"', "If-None-Match": ETAG}, "failed"),
        ({"If-Match": ETAG, "If-None-Match": ETAG}, "not modified"),
        ({"If-Unmodified-Since": BEFORE, "If-Modified-Since": AFTER}, "failed"),
        ({"If-Match": ETAG, "If-Modified-Since": AFTER}, "not modified"),
        # If-Range decides about the range, not about the request.
        ({"If-Range": '"a"'}, "send"),
    ],
)
def test_precedence_and_comparison(headers: dict[str, str], outcome: str) -> None:
    try:
        result = evaluate(Headers(headers), etag=ETAG, last_modified=MODIFIED).value
    except PreconditionFailed:
        result = "failed"
    assert result == outcome


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [
        (None, True),
        (ETAG, True),
        (f" {ETAG} ", True),
        (THEN, True),
        (f"W/{ETAG}", False),
        ('"a"', False),
        ("e5", False),
        (f'{ETAG}, "a"', False),
        ("*", False),
        (BEFORE, False),
        (AFTER, False),
        *((value, False) for value in NO_DATES),
    ],
)
def test_if_range(if_range: str | None, applies: bool) -> None:
    headers = Headers() if if_range is None else Headers({"If-Range": if_range})
    assert range_applies(headers, etag=ETAG, last_modified=MODIFIED) is applies


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, UNCONDITIONAL),
        ({"If-Match": ETAG}, WriteConditions(if_match=frozenset({ETAG}))),
        ({"If-Match": '"a", "b,c"'}, WriteConditions(if_match=frozenset({'"a"', '"b,c"'}))),
        ({"If-Match": '"a", W/"b"'}, WriteConditions(if_match=frozenset({'"a"'}))),
        ({"If-Match": 'W/"a"'}, WriteConditions(if_match=frozenset())),
        ({"If-Match": ""}, WriteConditions(if_match=frozenset())),
        ({"If-Match": "*"}, WriteConditions(if_match=frozenset({"*"}))),
        ({"If-None-Match": " *\t"}, WriteConditions(if_none_match=frozenset({"*"}))),
        ({"If-None-Match": '"*"'}, WriteConditions(if_none_match=frozenset({'"*"'}))),
        ({"If-None-Match": '"a", *'}, WriteConditions(if_none_match=frozenset({'"a"', '"*"'}))),
        ({"If-None-Match": '"a", W/"b", ""'}, WriteConditions(if_none_match=frozenset({'"a"', '"b"'}))),
        ({"If-Modified-Since": AFTER, "If-Unmodified-Since": BEFORE, "If-Range": ETAG}, UNCONDITIONAL),
    ],
)
def test_write_conditions(headers: dict[str, str], expected: WriteConditions) -> None:
    assert write_conditions(Headers(headers)) == expected


@settings(deadline=None)
@given(st.text(alphabet='Wwe5"*, \t/\\Sun06Nov1994:GMT-', max_size=40))
def test_no_value_breaks_the_evaluation(value: str) -> None:
    for name in ("If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"):
        headers = Headers({name: value})
        assert evaluate(headers, etag=ETAG, last_modified=MODIFIED) in Outcome
        assert isinstance(range_applies(headers, etag=ETAG, last_modified=MODIFIED), bool)
    assert write_conditions(Headers({"If-Match": value})).if_match is not None
