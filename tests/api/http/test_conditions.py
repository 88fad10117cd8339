"""Conditional requests, clause by clause (RFC 9110 sections 8.8 and 13): how headers are read, and what they decide."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from storage_app.api.http.conditions import Outcome, evaluate, range_applies, write_conditions
from storage_app.domain.files import UNCONDITIONAL, WriteConditions
from storage_app.errors import PreconditionFailed
from tests.support.core import a_file
from tests.support.forms import END, field, part
from tests.support.in_process import AUTHORIZATION, JSON, ask, send
from tests.support.raw_http import Answer, assert_problem
from tests.support.service import bearer

ETAG = '"e5"'
MODIFIED = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
THEN = "Sun, 06 Nov 1994 08:49:37 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
MUCH_LATER = MODIFIED + timedelta(days=1)
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
    assert range_applies(headers, etag=ETAG, last_modified=MODIFIED, now=MUCH_LATER) is applies


@pytest.mark.parametrize(
    ("if_range", "seconds", "applies"),
    [(THEN, -1, False), (THEN, 0, False), (THEN, 0.999, False), (THEN, 1, True), (ETAG, 0, True), (ETAG, -1, True)],
)
def test_date_is_no_strong_validator_while_its_second_lasts(if_range: str, seconds: float, applies: bool) -> None:
    """The file may change again in it (section 8.8.2.2)."""
    now = MODIFIED + timedelta(seconds=seconds)
    headers = Headers({"If-Range": if_range})
    assert range_applies(headers, etag=ETAG, last_modified=MODIFIED, now=now) is applies


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
        # Section 13.1.3: ignored "if the request method is neither GET nor HEAD". Section 13.1.5: without `Range`.
        ({"If-Modified-Since": AFTER, "If-Range": ETAG}, UNCONDITIONAL),
        # Section 13.1.4: ignored beside If-Match, and if it is no date.
        ({"If-Unmodified-Since": THEN}, WriteConditions(if_unmodified_since=MODIFIED)),
        ({"If-Unmodified-Since": "Sunday, 06-Nov-94 08:49:37 GMT"}, WriteConditions(if_unmodified_since=MODIFIED)),
        ({"If-Unmodified-Since": THEN, "If-Match": "*"}, WriteConditions(if_match=frozenset({"*"}))),
        ({"If-Unmodified-Since": THEN, "If-Match": ""}, WriteConditions(if_match=frozenset())),
        (
            {"If-Unmodified-Since": THEN, "If-None-Match": "*"},
            WriteConditions(if_none_match=frozenset({"*"}), if_unmodified_since=MODIFIED),
        ),
        ({"If-Unmodified-Since": f"{AFTER}, {AFTER}"}, UNCONDITIONAL),
        *(({"If-Unmodified-Since": value}, UNCONDITIONAL) for value in NO_DATES),
    ],
)
def test_write_conditions(headers: dict[str, str], expected: WriteConditions) -> None:
    assert write_conditions(Headers(headers)) == expected


# The conditions of a change, by what is at the key: the file, its successor, or no file.
HOLD: list[tuple[dict[str, str], str]] = [
    ({}, "same other none"),
    ({"If-Match": "{etag}"}, "same"),
    ({"If-Match": '"x", {etag}'}, "same"),
    ({"If-Match": "W/{etag}"}, ""),
    ({"If-Match": "*"}, "same other"),
    ({"If-Match": '"x"'}, ""),
    ({"If-Match": ""}, ""),
    ({"If-None-Match": "{etag}"}, "other none"),
    ({"If-None-Match": "W/{etag}"}, "other none"),
    ({"If-None-Match": "*"}, "none"),
    ({"If-None-Match": '"x"'}, "same other none"),
    ({"If-Unmodified-Since": "{date}"}, "same none"),
    ({"If-Unmodified-Since": "{before}"}, "none"),
    ({"If-Unmodified-Since": "{after}"}, "same other none"),
    ({"If-Unmodified-Since": "yesterday"}, "same other none"),
    ({"If-Modified-Since": "{after}"}, "same other none"),
    ({"If-Match": "{etag}", "If-Unmodified-Since": "{before}"}, "same"),
    ({"If-Match": '"x"', "If-Unmodified-Since": "{after}"}, ""),
    ({"If-Match": "{etag}", "If-None-Match": "{etag}"}, ""),
    ({"If-None-Match": "{etag}", "If-Unmodified-Since": "{date}"}, "none"),
    ({"If-None-Match": '"x"', "If-Unmodified-Since": "{date}"}, "same none"),
]
FILE = a_file("a", updated_at=MODIFIED + timedelta(milliseconds=900))
SUCCESSOR = a_file("a", sha256="b" * 64, updated_at=MODIFIED + timedelta(seconds=1))


@pytest.mark.parametrize(("headers", "held"), HOLD)
def test_conditions_of_a_change(headers: dict[str, str], held: str) -> None:
    values = {"etag": FILE.etag, "date": THEN, "before": BEFORE, "after": AFTER}
    conditions = write_conditions(Headers({name: value.format(**values) for name, value in headers.items()}))
    holds = []
    for name, existing in {"same": FILE, "other": SUCCESSOR, "none": None}.items():
        try:
            conditions.check(existing)
            holds.append(name)
        except PreconditionFailed:
            pass
    assert holds == held.split()


FORM = ("Content-Type", "multipart/form-data; boundary=cut")
FORM_BODY = part(content=b"new") + field("file_id", "there.txt") + field("overwrite", "true") + END
CHANGES: dict[str, tuple[str, bytes, list[tuple[str, str]]]] = {
    "raw": ("PUT /files/upload-direct/photos/there.txt", b"new", [AUTHORIZATION]),
    "form": ("POST /files/upload/photos", FORM_BODY, [AUTHORIZATION, FORM]),
    "signed": ("PUT {link}", b"new", []),
    "signed form": ("PUT {link}", part(content=b"new") + END, [FORM]),
    "record": ("PUT /files/metadata/photos/there.txt", b'{"cache_control": "no-store"}', [AUTHORIZATION, JSON]),
    "delete": ("DELETE /files/photos/there.txt", b"", [AUTHORIZATION]),
}
LONG_AGO, IN_FUTURE = "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.fixture
def photos(client: FlaskClient) -> FlaskClient:
    client.post("/buckets", json={"name": "photos"}, headers=bearer())
    client.put("/files/upload-direct/photos/there.txt", data=b"there", headers=bearer())
    return client


def change(client: FlaskClient, name: str, *conditions: tuple[str, str]) -> Answer:
    line, body, headers = CHANGES[name]
    presigned = client.post("/files/presigned-url/upload/photos/there.txt", headers=bearer()).json or {}
    length = ("Content-Length", str(len(body)))
    return send(client, line.format(link=urlsplit(presigned["upload_url"]).path), [*headers, *conditions, length], body)


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_obeys_every_condition(photos: FlaskClient, name: str) -> None:
    before = photos.get("/files/info/photos/there.txt", headers=bearer()).json
    for condition in (
        ("If-Match", '"x"'),
        ("If-Match", f"W/{(before or {})['etag']}"),
        ("If-None-Match", "*"),
        ("If-None-Match", f"W/{(before or {})['etag']}"),
        ("If-Unmodified-Since", LONG_AGO),
    ):
        assert_problem(change(photos, name, condition), 412, "precondition_failed")
        assert photos.get("/files/info/photos/there.txt", headers=bearer()).json == before
    for conditions in (
        [("If-Unmodified-Since", IN_FUTURE)],
        [("If-Unmodified-Since", "yesterday")],
        [("If-Unmodified-Since", LONG_AGO), ("If-Match", "*")],
        [("If-Modified-Since", IN_FUTURE)],
        [("If-None-Match", '"x"')],
    ):
        photos.put("/files/upload-direct/photos/there.txt", data=b"there", headers=bearer())
        assert change(photos, name, *conditions).status in (200, 204), conditions


@pytest.mark.parametrize("condition", [("If-Match", '"x"'), ("If-Unmodified-Since", LONG_AGO), ("If-None-Match", "*")])
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("DELETE /files/photos/none.txt", 404),
        ("PUT /files/metadata/photos/none.txt", 404),
        ("GET /files/download/photos/none.txt", 404),
        ("PUT /files/upload-direct/none/there.txt", 404),
        ("DELETE /files/signed/x/photos/there.txt", 405),
        ("OPTIONS /files/download/photos/there.txt", 200),
        ("GET /files/info/photos/there.txt", 200),
        ("GET /files/list/photos", 200),
        ("GET /buckets/photos", 200),
        ("PUT /buckets/photos", 200),
    ],
)
def test_condition_is_ignored_where_it_decides_nothing(
    photos: FlaskClient, line: str, status: int, condition: tuple[str, str]
) -> None:
    """Section 13.2.1: where the answer is a refusal anyway, or nothing that has a validator is asked for."""
    assert ask(photos, line, b"{}", JSON, condition).status == status


@pytest.mark.parametrize("path", ["/files/download/photos/there.txt", "/files/view/photos/there.txt", "{link}"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("conditions", "status"),
    [
        ([("If-Match", "{etag}")], 200),
        ([("If-Match", "W/{etag}")], 412),
        ([("If-Unmodified-Since", LONG_AGO)], 412),
        ([("If-Unmodified-Since", "{modified}")], 200),
        ([("If-None-Match", "W/{etag}")], 304),
        ([("If-None-Match", '"x"'), ("If-Modified-Since", IN_FUTURE)], 200),
        ([("If-Modified-Since", "{modified}")], 304),
        ([("If-Modified-Since", LONG_AGO)], 200),
    ],
)
def test_every_read_obeys_every_condition(
    photos: FlaskClient, path: str, method: str, conditions: list[tuple[str, str]], status: int
) -> None:
    wanted = {"bucket_id": "photos", "file_id": "there.txt"}
    link = (photos.post("/files/initiate-download", json=wanted, headers=bearer()).json or {})["download_url"]
    line = f"{method} {path.format(link=urlsplit(link).path)}"
    headers = ask(photos, line).headers
    values = {"etag": headers["ETag"], "modified": headers["Last-Modified"]}
    sent = [(name, value.format(**values)) for name, value in conditions]
    answer = ask(photos, line, b"", *sent)
    assert answer.status == status
    if status == 304:  # section 15.4.5
        assert (answer.headers["ETag"], answer.headers["Cache-Control"]) == (headers["ETag"], headers["Cache-Control"])
        assert answer.body == b""


@settings(deadline=None)
@given(st.text(alphabet='Wwe5"*, \t/\\Sun06Nov1994:GMT-', max_size=40))
def test_no_value_breaks_the_evaluation(value: str) -> None:
    for name in ("If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"):
        headers = Headers({name: value})
        assert evaluate(headers, etag=ETAG, last_modified=MODIFIED) in Outcome
        assert isinstance(range_applies(headers, etag=ETAG, last_modified=MODIFIED, now=MUCH_LATER), bool)
    assert write_conditions(Headers({"If-Match": value})).if_match is not None
