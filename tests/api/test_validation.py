"""Refusals by field are short whatever was sent, and no route takes a parameter that it does not know."""

import json
import re
import time
from typing import Any

import pytest
from flask import Flask, Request
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from storage_app.api.schemas.unknown import MAX_ERRORS
from storage_app.api.validation import check_query, refuse_fields
from storage_app.errors import ValidationFailed
from tests.support.in_process import JSON, ask, send
from tests.support.raw_http import assert_problem


def json_of(**fields: object) -> bytes:
    return json.dumps(fields).encode()


BOMBS: dict[str, tuple[str, bytes]] = {
    "wrong items": ("POST /buckets", b'{"name":"abc","allowed_content_types":[' + b"1," * 500_000 + b"1]}"),
    "wrong items within the limit": ("POST /buckets", json_of(name="abc", allowed_content_types=[1] * 100)),
    "wrong grants": ("POST /buckets", json_of(name="abc", grants={str(number): 1 for number in range(80_000)})),
    "wrong grants within the limit": ("POST /buckets", json_of(name="a", grants={str(n): 1 for n in range(1000)})),
    "unknown fields": ("PUT /buckets/photos", json_of(**{f"f{number}": 1 for number in range(80_000)})),
    "unknown field with a long name": ("PUT /buckets/photos", json_of(**{"x" * 1_000_000: 1})),
    "unknown fields of a record": (
        "PUT /files/metadata/photos/there.txt",
        json_of(**{f"{number}": 1 for number in range(6000)}),
    ),
    "metadata with wrong keys": (
        "PUT /files/metadata/photos/there.txt",
        json_of(metadata={f"\0{number}": 1 for number in range(1000)}),
    ),
    "metadata of 60 KB": (
        "PUT /files/metadata/photos/there.txt",
        json_of(metadata={f"{number}": 1 for number in range(5000)}),
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_wrong_body_costs_little_and_is_answered_briefly(unchanged: FlaskClient, name: str) -> None:
    line, body = BOMBS[name]
    began = time.process_time()
    answer = ask(unchanged, line, body, JSON)
    took = time.process_time() - began
    problem = assert_problem(answer, 422, "validation_failed")
    assert len(answer.body) < 8000
    assert len(messages(problem["errors"])) <= MAX_ERRORS
    assert took < 2  # of the processor, which coverage and other load slow down; it took 2.8


def messages(errors: Any) -> list[str]:
    if isinstance(errors, dict):
        return [message for each in errors.values() for message in messages(each)]
    return list(errors)


@pytest.mark.parametrize(
    ("errors", "shown", "sentence"),
    [
        ({"a": ["Wrong."]}, {"a": ["Wrong."]}, "'a' is not valid: Wrong."),
        ({"a": {0: ["Wrong."]}}, {"a": {"0": ["Wrong."]}}, "'a' is not valid: Wrong."),
        ({"_schema": ["Wrong."]}, {"_schema": ["Wrong."]}, "The request is not valid: Wrong."),
        ({"x" * 999: ["Wrong."]}, {"x" * 100 + "…": ["Wrong."]}, f"'{'x' * 80}…' is not valid: Wrong."),
        (
            {"a": {n: ["Wrong."] for n in range(19)}, "b": ["Wrong."], "c": ["Wrong."], "d": {"e": ["Wrong."]}},
            {"a": {str(n): ["Wrong."] for n in range(19)}, "b": ["Wrong."]},
            "'a' is not valid: Wrong.",
        ),
    ],
)
def test_first_errors_are_shown(errors: dict[str, Any], shown: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        refuse_fields(errors)
    assert refused.value.members == {"errors": shown}
    assert refused.value.detail == sentence


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", []),
        ("limit=1", []),
        ("limit=1&cursor=a", []),
        ("&&", []),
        ("limti=1", ["limti"]),
        ("limit=1&limit=1", ["limit"]),
        ("limit=1&a=&b", ["a", "b"]),
        ("a=1&a=2", ["a"]),
        ("=1", [""]),
        ("&".join(f"a{number}" for number in range(2000)), [f"a{number}" for number in range(MAX_ERRORS)]),
    ],
)
def test_query_holds_each_known_parameter_once(query: str, named: list[str]) -> None:
    request = Request(EnvironBuilder(query_string=query).get_environ())
    if not named:
        check_query(request, {"limit", "cursor"})
        return
    with pytest.raises(ValidationFailed) as refused:
        check_query(request, {"limit", "cursor"})
    assert list(refused.value.members["errors"]) == named


# These send bytes: old clients send `content_type`, and caches parameters of their own.
BYTES = ("/files/download/", "/files/view/", "/storage/", "/files/signed/")


def lines(app: Flask) -> list[str]:
    """Every method of every route, with a path that exists."""
    names = {"bucket_id": "photos", "file_id": "there.txt", "token": "x", "upload_id": "x", "path": "swagger-ui.css"}
    return [
        f"{method} {re.sub(r'<(?:[a-z]+:)?([a-z_]+)>', lambda found: names[found[1]], rule.rule)}"
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]


def test_no_route_but_those_that_send_bytes_takes_an_unknown_parameter(unchanged: FlaskClient) -> None:
    every = lines(unchanged.application)
    assert len(every) > 30
    for line in every:
        answer = ask(unchanged, f"{line}?overwite=false", b"{}", JSON)
        if line.startswith(tuple(f"{method} {path}" for method in ("GET", "HEAD") for path in BYTES)):
            assert answer.status in (200, 403), line
        elif line.startswith("HEAD"):
            assert answer.status == 422, line
        else:
            problem = assert_problem(answer, 422, "validation_failed")
            assert list(problem["errors"]) == ["overwite"], line


def test_misspelt_overwrite_replaces_nothing(unchanged: FlaskClient) -> None:
    problem = assert_problem(
        ask(unchanged, "PUT /files/upload-direct/photos/there.txt?overwite=false", b"new"), 422, "validation_failed"
    )
    assert problem["detail"] == "'overwite' is not valid: Unknown parameter; did you mean 'overwrite'?"
    twice = ask(unchanged, "PUT /files/upload-direct/photos/there.txt?overwrite=false&overwrite=true", b"new")
    assert_problem(twice, 422, "validation_failed")


def test_credential_is_asked_for_before_the_query_is_read(unchanged: FlaskClient) -> None:
    assert_problem(send(unchanged, "GET /buckets?x=1"), 401, "unauthenticated")
    assert_problem(send(unchanged, "GET /health?x=1"), 422, "validation_failed")
